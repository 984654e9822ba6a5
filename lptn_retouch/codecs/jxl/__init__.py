"""JPEG XL, through libjxl; written in sRGB, as the codec here takes no ICC profile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lptn_retouch.codecs.format import Coding, Encoded, Format, Holds, Parts, starts_with
from lptn_retouch.metadata import Block, Metadata
from lptn_retouch.structures import Buffer

if TYPE_CHECKING:
    from lptn_retouch.codecs.decoded import Decoded
    from lptn_retouch.picture.samples import Pixels


class JpegXl(Format[Buffer]):
    """A bare codestream, or one in boxes; its profile stands inside the codestream."""

    name, spoken, word = "JPEG XL", "a JPEG XL", "jxl"
    endings = (".jxl",)
    holds = Holds((8, 16), profiles=False)

    def recognises(self, head: bytes) -> bool:
        return starts_with(head, ((0, b"\xff\x0a"), (0, b"\0\0\0\x0cJXL ")))

    def parse(self, data: Buffer) -> Buffer:
        return data

    def read_blocks(self, structure: Buffer) -> tuple[Block, ...]:
        from lptn_retouch.codecs.jxl.blocks import jxl_blocks

        return jxl_blocks(structure)

    def decode(self, picture: Encoded[Buffer]) -> Decoded:
        from lptn_retouch.codecs.jxl.pixels import decode

        return decode(picture)

    def encode(self, samples: Pixels, how: Coding) -> Parts:
        from lptn_retouch.codecs.jxl.pixels import encode

        return [encode(samples, how.quality)]

    def embed(self, head: bytes, metadata: Metadata) -> tuple[bytes, tuple[str, ...]]:
        from lptn_retouch.codecs.jxl.blocks import embed_jxl

        return embed_jxl(head, metadata)
