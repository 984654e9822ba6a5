"""JPEG 2000, through OpenJPEG."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lptn_retouch.codecs.format import Coding, Encoded, Format, Holds, Parts, starts_with
from lptn_retouch.codecs.jpeg2000.header import Header, read_header
from lptn_retouch.metadata import Block, Metadata
from lptn_retouch.structures import Buffer

if TYPE_CHECKING:
    from lptn_retouch.codecs.decoded import Decoded
    from lptn_retouch.picture.samples import Pixels


class Jpeg2000(Format[Header]):
    """A JP2 file, or a bare codestream, which carries nothing."""

    name, spoken, word = "JPEG 2000", "a JPEG 2000", "jp2"
    endings = (".jp2",)
    holds = Holds((8, 16))

    def recognises(self, head: bytes) -> bool:
        return starts_with(head, ((0, b"\0\0\0\x0cjP  "), (0, b"\xff\x4f\xff\x51")))

    def parse(self, data: Buffer) -> Header:
        return read_header(data)

    def read_blocks(self, structure: Header) -> tuple[Block, ...]:
        from lptn_retouch.codecs.jpeg2000.blocks import jp2_blocks

        return jp2_blocks(structure)

    def decode(self, picture: Encoded[Header]) -> Decoded:
        from lptn_retouch.codecs.jpeg2000.pixels import decode

        return decode(picture)

    def encode(self, samples: Pixels, how: Coding) -> Parts:
        from lptn_retouch.codecs.jpeg2000.pixels import encode

        return [encode(samples, how.quality)]

    def embed(self, head: bytes, metadata: Metadata) -> tuple[bytes, tuple[str, ...]]:
        from lptn_retouch.codecs.jpeg2000.blocks import embed_jp2

        return embed_jp2(head, metadata)
