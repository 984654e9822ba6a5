"""TIFF: through tifffile, and through libtiff in Pillow what only scanners and faxes write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lptn_retouch.codecs.format import Coding, Encoded, Format, Holds, Parts
from lptn_retouch.metadata import Block, Kind, Metadata
from lptn_retouch.structures import Buffer
from lptn_retouch.structures.tiff import MAGICS, open_tiff
from lptn_retouch.structures.tiff import Tiff as Structure

if TYPE_CHECKING:
    from lptn_retouch.codecs.decoded import Decoded
    from lptn_retouch.picture.samples import Pixels


class Tiff(Format[Structure | None]):
    """Its directories are not walked but asked; a RAW that is built on TIFF is told from it before."""

    name, spoken, word = "TIFF", "a TIFF", "tiff"
    endings = (".tif", ".tiff")
    holds = Holds((8, 16, 32), lossless=True)
    carries = frozenset({Kind.PHOTOSHOP, Kind.JFIF})
    mapped = True

    def recognises(self, head: bytes) -> bool:
        return head[:4] in MAGICS

    def parse(self, data: Buffer) -> Structure | None:
        return open_tiff(data)

    def read_blocks(self, structure: Structure | None) -> tuple[Block, ...]:
        from lptn_retouch.codecs.tiff.blocks import tiff_blocks

        return tiff_blocks(structure) if structure is not None else ()

    def decode(self, picture: Encoded[Structure | None]) -> Decoded:
        from lptn_retouch.codecs.tiff.pixels import decode

        return decode(picture)

    def encode(self, samples: Pixels, how: Coding) -> Parts:
        from lptn_retouch.codecs.tiff.pixels import encode

        return [encode(samples, how.byte_order)]

    def embed(self, head: bytes, metadata: Metadata) -> tuple[bytes, tuple[str, ...]]:
        from lptn_retouch.codecs.tiff.blocks import embed_tiff

        return embed_tiff(head, metadata)
