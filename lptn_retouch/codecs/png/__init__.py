"""PNG: up to 8 bits in through Pillow, 16 in, and all out, through libpng."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lptn_retouch.codecs.format import Coding, Encoded, Format, Holds, Parts
from lptn_retouch.metadata import Block, Kind, Metadata
from lptn_retouch.structures import Buffer
from lptn_retouch.structures.png import SIGNATURE, PngFile

if TYPE_CHECKING:
    from lptn_retouch.codecs.decoded import Decoded
    from lptn_retouch.picture.samples import Pixels


class Png(Format[PngFile]):
    """Its code points go before its profile (PNG third edition, 4.3)."""

    name, spoken, word = "PNG", "a PNG", "png"
    endings = (".png",)
    holds = Holds((8, 16), longest=1_000_000, lossless=True)  # libpng's bound
    carries = frozenset({Kind.PHOTOSHOP, Kind.COMMENT, Kind.JFIF, Kind.PNG_CHUNK})
    points_first = True

    def recognises(self, head: bytes) -> bool:
        return head.startswith(SIGNATURE)

    def parse(self, data: Buffer) -> PngFile:
        return PngFile(data)

    def read_blocks(self, structure: PngFile) -> tuple[Block, ...]:
        from lptn_retouch.codecs.png.blocks import png_blocks

        return png_blocks(structure)

    def colour_points(self, structure: PngFile) -> tuple[int, int] | None:
        from lptn_retouch.codecs.png.colour import points

        return points(structure)

    def colour_profile(self, structure: PngFile, metadata: Metadata) -> bytes | None:
        from lptn_retouch.codecs.png.colour import profile

        return profile(structure)

    def decode(self, picture: Encoded[PngFile]) -> Decoded:
        from lptn_retouch.codecs.png import pixels

        return pixels.decode_deep(picture) if pixels.is_deep(picture.structure) else pixels.decode(picture)

    def encode(self, samples: Pixels, how: Coding) -> Parts:
        from lptn_retouch.codecs.png.pixels import encode

        return [encode(samples)]

    def embed(self, head: bytes, metadata: Metadata) -> tuple[bytes, tuple[str, ...]]:
        from lptn_retouch.codecs.png.blocks import embed_png

        return embed_png(head, metadata)
