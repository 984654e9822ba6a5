"""A picture's resolution as a PNG's pHYs chunk and as a JPEG's JFIF block say it."""

import struct
from collections.abc import Iterable

from lptn_retouch.metadata.blocks import Block, Kind

_INCH = 0.0254
_PER_INCH, _PER_CENTIMETRE = 1, 2
_LONGEST = 65535
_CHUNK_SIZE = 13  # of pHYs, with its type


def png_density(blocks: Iterable[Block]) -> bytes | None:
    """A pHYs chunk, type and payload: a PNG's own, or else what JFIF says; None where neither says anything.

    >>> png_density([Block(0xE0, b"JFIF\\0\\1\\1\\1" + struct.pack(">HH", 300, 300) + bytes(2))]).hex()
    '7048597300002e2300002e2301'

    Source: PNG third edition, 11.3.4.3; JFIF 1.02, APP0.
    """
    found = None
    for block in blocks:
        if block.kind is Kind.PNG_CHUNK and block.data.startswith(b"pHYs") and len(block.data) == _CHUNK_SIZE:
            return block.data  # of another size, readers refuse the whole picture for it
        if block.kind is Kind.JFIF and len(block.data) >= 12:
            unit, across, down = struct.unpack_from(">BHH", block.data, 7)
            per_metre = {_PER_INCH: 1 / _INCH, _PER_CENTIMETRE: 100}.get(unit, 1)
            if across and down and (per_metre > 1 or across != down):  # 1:1 without a unit says nothing
                sides = round(across * per_metre), round(down * per_metre)
                found = b"pHYs" + struct.pack(">IIB", *sides, per_metre > 1)
    return found


def jfif_density(blocks: Iterable[Block]) -> Block | None:
    """What a PNG's pHYs says, as the JFIF block that says it in a JPEG; None where there is none.

    >>> from lptn_retouch.metadata.blocks import PNG_CHUNK
    >>> jfif_density([Block(PNG_CHUNK, b"pHYs" + struct.pack(">IIB", 11811, 11811, 1))]).data[7:12].hex()
    '01012c012c'

    Source: PNG third edition, 11.3.4.3; JFIF 1.02, APP0.
    """
    for block in blocks:
        if block.kind is Kind.PNG_CHUNK and block.data.startswith(b"pHYs") and len(block.data) >= 13:
            across, down, metres = struct.unpack_from(">IIB", block.data, 4)
            if not across or not down:
                return None
            unit = _PER_INCH if metres == 1 else 0
            scale = _INCH if unit else 1.0
            if max(across, down) * scale > _LONGEST:  # a density that no printer has: its proportion is what is left
                unit, scale = 0, _LONGEST / max(across, down)
            sides = max(1, round(across * scale)), max(1, round(down * scale))
            return Block(0xE0, b"JFIF\0\1\1" + struct.pack(">BHH", unit, *sides) + b"\0\0")
    return None
