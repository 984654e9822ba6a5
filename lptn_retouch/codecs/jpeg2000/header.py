"""What stands in front of a JPEG 2000's coded picture: boxes, and the size that the codestream itself names.

Source: ISO/IEC 15444-1 (ITU-T T.800), annex A.5.1 (SIZ) and annex I (JP2).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from lptn_retouch.structures import Buffer
from lptn_retouch.structures.boxes import Box, find, find_all, walk

START = b"\xff\x4f\xff\x51"  # SOC, and SIZ behind it
SRGB, GREY = 16, 17  # of enumerated colour spaces (I.5.3.3)
_ENUMERATED, _PROFILES = 1, (2, 3)
_SIGNED = 0x80


@dataclass(frozen=True)
class Header:
    """What a file says of its picture.

    Args:
        data: the file.
        boxes: those at its outermost, in order; none of a bare codestream.
        width, height: in pixels; 0 where the codestream cannot be found.
        bits: of each component.
        signed: whether any component has a sign.
        subsampled: whether a component has fewer samples than the picture has pixels.
        space: the number of its enumerated colour space; None where there is none.
        icc: its profile.
    """

    data: Buffer
    boxes: tuple[Box, ...] = ()
    width: int = 0
    height: int = 0
    bits: tuple[int, ...] = ()
    signed: bool = False
    subsampled: bool = False
    space: int | None = None
    icc: bytes | None = None


def read_header(data: Buffer) -> Header:
    """Read what stands in front of the picture. Never raises: of a damaged file it takes what is sound.

    Example:
        >>> read_header(b"not a picture").width
        0
    """
    if data[:4] == START:
        return _with_size(Header(data), 0)
    boxes = tuple(walk(data))
    stream = next((box for box in boxes if box.type == b"jp2c"), None)
    space, icc = _colours(data)
    header = Header(data, boxes, space=space, icc=icc)
    return _with_size(header, stream.at) if stream is not None else header


def _colours(data: Buffer) -> tuple[int | None, bytes | None]:
    """The first colour specification that is understood (I.5.3.3)."""
    outer = find(data, b"jp2h")
    for box in find_all(data, b"colr", within=outer) if outer is not None else ():
        content = bytes(data[box.at : box.end])
        if content[:1] == bytes((_ENUMERATED,)) and len(content) >= 7:
            return int.from_bytes(content[3:7], "big"), None
        if len(content) > 3 and content[0] in _PROFILES:
            return None, content[3:]
    return None, None


def profile_boxes(data: Buffer) -> Iterator[Box]:
    """The colour specifications of a file that are profiles."""
    outer = find(data, b"jp2h")
    for box in find_all(data, b"colr", within=outer) if outer is not None else ():
        if box.end > box.at and data[box.at] in _PROFILES:
            yield box


def _with_size(header: Header, at: int) -> Header:
    fixed = header.data[at : at + 42]
    if len(fixed) < 42 or fixed[:4] != START:
        return header
    right, bottom, left, top = struct.unpack(">4I", fixed[8:24])
    count = int.from_bytes(fixed[40:42], "big")
    each = header.data[at + 42 : at + 42 + 3 * count]
    if len(each) < 3 * count or right <= left or bottom <= top:
        return header
    return Header(
        header.data,
        header.boxes,
        right - left,
        bottom - top,
        tuple((depth & ~_SIGNED) + 1 for depth in each[::3]),
        any(depth & _SIGNED for depth in each[::3]),
        any(step != 1 for step in (*each[1::3], *each[2::3])),
        header.space,
        header.icc,
    )
