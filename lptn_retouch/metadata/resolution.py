"""A picture's resolution, which a JFIF block or a PNG's pHYs chunk states: read, and put in the form of another."""

import struct
from collections.abc import Iterable
from typing import NamedTuple

from lptn_retouch.metadata.blocks import Block, Kind
from lptn_retouch.metadata.exif.build import Field
from lptn_retouch.metadata.exif.directories import read_exif
from lptn_retouch.metadata.exif.tags import RESOLUTION_UNIT, X_RESOLUTION, Y_RESOLUTION
from lptn_retouch.metadata.metadata import Metadata
from lptn_retouch.structures.tiff import RATIONAL, SHORT

_INCH, _CENTIMETRE, _METRE = 254, 100, 10_000
_JFIF_UNITS = {1: _INCH, 2: _CENTIMETRE}
_EXIF_UNITS = {0: (1, 1), _INCH: (1, 2), _CENTIMETRE: (1, 3), _METRE: (100, 3)}  # denominator, ResolutionUnit
_LONGEST = 65535
_CHUNK_SIZE = 13  # of pHYs, with its type


class Density(NamedTuple):
    """How many pixels there are across and down a length of so many tenths of a millimetre.

    A length of 0 is an unknown one: then only the proportion of the two numbers says something.
    """

    across: int
    down: int
    length: int

    def per(self, length: int) -> tuple[int, int]:
        """Pixels on another length, where its own is known; else the numbers as they are."""
        scale = length / self.length if self.length else 1
        return round(self.across * scale), round(self.down * scale)


def density_of(block: Block) -> Density | None:
    """The resolution that a JFIF block or a pHYs chunk states; None for any other block.

    >>> density_of(Block(0xE0, b"JFIF\\0\\1\\1\\1" + struct.pack(">HH", 300, 300) + bytes(2)))
    Density(across=300, down=300, length=254)

    Source: JFIF 1.02, APP0; PNG third edition, 11.3.4.3.
    """
    if block.kind is Kind.JFIF and len(block.data) >= 12:
        unit, across, down = struct.unpack_from(">BHH", block.data, 7)
        return Density(across, down, _JFIF_UNITS.get(unit, 0))
    if block.kind is Kind.PNG_CHUNK and block.data.startswith(b"pHYs") and len(block.data) >= _CHUNK_SIZE:
        across, down, unit = struct.unpack_from(">IIB", block.data, 4)
        return Density(across, down, _METRE if unit == 1 else 0)
    return None


def spoken_density(block: Block) -> str | None:
    """The resolution that a block states, in words that are the same whatever the block; None where it says nothing.

    >>> spoken_density(Block(0x00, b"pHYs" + struct.pack(">IIB", 11811, 11811, 1)))
    '300 x 300 per inch'
    """
    found = density_of(block)
    if found is None or (not found.length and found.across == found.down):  # square pixels of no size
        return None
    return "{} x {} per inch".format(*found.per(_INCH)) if found.length else f"{found.across} : {found.down}"


def png_density(blocks: Iterable[Block]) -> bytes | None:
    """A pHYs chunk, type and payload: a PNG's own, or else what JFIF says; None where neither says anything.

    >>> png_density([Block(0xE0, b"JFIF\\0\\1\\1\\1" + struct.pack(">HH", 300, 300) + bytes(2))]).hex()
    '7048597300002e2300002e2301'

    Source: PNG third edition, 11.3.4.3; JFIF 1.02, APP0.
    """
    coded = None
    for block in blocks:
        if block.kind is Kind.PNG_CHUNK and block.data.startswith(b"pHYs") and len(block.data) == _CHUNK_SIZE:
            return block.data  # of another size, readers refuse the whole picture for it
        found = density_of(block) if block.kind is Kind.JFIF else None
        if found is not None and found.across and found.down and (found.length or found.across != found.down):
            coded = b"pHYs" + struct.pack(">IIB", *found.per(_METRE), found.length > 0)
    return coded


def jfif_density(blocks: Iterable[Block]) -> Block | None:
    """What a PNG's pHYs says, as the JFIF block that says it in a JPEG; None where there is none.

    >>> from lptn_retouch.metadata.blocks import PNG_CHUNK
    >>> jfif_density([Block(PNG_CHUNK, b"pHYs" + struct.pack(">IIB", 11811, 11811, 1))]).data[7:12].hex()
    '01012c012c'

    Source: PNG third edition, 11.3.4.3; JFIF 1.02, APP0.
    """
    chunks = (block for block in blocks if block.kind is Kind.PNG_CHUNK)
    found = next((density for block in chunks if (density := density_of(block)) is not None), None)
    if found is None or not found.across or not found.down:
        return None
    unit, sides = int(found.length > 0), found.per(_INCH)
    if (longest := max(sides)) > _LONGEST:  # a density that no printer has: its proportion is what is left
        unit, sides = 0, (round(sides[0] * _LONGEST / longest), round(sides[1] * _LONGEST / longest))
    return Block(0xE0, b"JFIF\0\1\1" + struct.pack(">BHH", unit, max(1, sides[0]), max(1, sides[1])) + b"\0\0")


def resolution_fields(metadata: Metadata, order: str) -> list[Field]:
    """The resolution that JFIF's density or a PNG's pHYs gives, as EXIF says it; none where the EXIF says it itself.

    Args:
        metadata: all blocks of the picture.
        order: byte order of the values, "<" or ">".

    >>> jfif = Block(0xE0, b"JFIF\\0\\1\\1\\1" + bytes((1, 44, 1, 44)) + bytes(2))
    >>> [field.data for field in resolution_fields(Metadata((jfif,)), ">")]
    [b'\\x00\\x00\\x01,\\x00\\x00\\x00\\x01', b'\\x00\\x00\\x01,\\x00\\x00\\x00\\x01', b'\\x00\\x02']

    Source: JFIF 1.02, APP0; PNG third edition, 11.3.4.3; TIFF 6.0 section 8.
    """
    found = None if has_resolution(metadata.exif) else next(filter(_is_said, map(density_of, metadata.blocks)), None)
    if found is None:
        return []
    denominator, unit = _EXIF_UNITS[found.length]
    return [
        Field(X_RESOLUTION, RATIONAL, 1, struct.pack(order + "II", found.across, denominator)),
        Field(Y_RESOLUTION, RATIONAL, 1, struct.pack(order + "II", found.down, denominator)),
        Field(RESOLUTION_UNIT, SHORT, 1, struct.pack(order + "H", unit)),
    ]


def _is_said(density: Density | None) -> bool:
    return density is not None and density.across > 0 and density.down > 0


def has_resolution(exif: bytes | None) -> bool:
    """Whether IFD0 of this EXIF gives a resolution.

    >>> has_resolution(None)
    False
    """
    found = read_exif(exif)
    return found is not None and found.main.get(X_RESOLUTION) is not None
