"""WebP, through libwebp in Pillow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lptn_retouch.codecs.format import Coding, Encoded, Format, Holds, Parts
from lptn_retouch.metadata import Block, Metadata
from lptn_retouch.structures import Buffer

if TYPE_CHECKING:
    from lptn_retouch.codecs.decoded import Decoded
    from lptn_retouch.picture.samples import Pixels


class WebP(Format[Buffer]):
    """A list of RIFF chunks."""

    name, spoken, word = "WEBP", "a WebP", "webp"
    endings = (".webp",)
    holds = Holds((8,), longest=16383, grey=False)

    def recognises(self, head: bytes) -> bool:
        return head[:4] == b"RIFF" and head[8:12] == b"WEBP"

    def parse(self, data: Buffer) -> Buffer:
        return data

    def read_blocks(self, structure: Buffer) -> tuple[Block, ...]:
        from lptn_retouch.codecs.webp.blocks import webp_blocks

        return webp_blocks(structure)

    def decode(self, picture: Encoded[Buffer]) -> Decoded:
        from lptn_retouch.codecs.pillow import decode

        return decode(picture, "WebPImagePlugin.WebPImageFile")

    def encode(self, samples: Pixels, how: Coding) -> Parts:
        from lptn_retouch.codecs.webp.pixels import encode

        return [encode(samples, how.quality)]

    def embed(self, head: bytes, metadata: Metadata) -> tuple[bytes, tuple[str, ...]]:
        from lptn_retouch.codecs.webp.blocks import embed_webp

        return embed_webp(head, metadata)
