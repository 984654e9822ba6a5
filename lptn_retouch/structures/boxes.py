"""ISO base media boxes, which AVIF, HEIC, JPEG XL and Canon's CR3 are made of: read without trusting their sizes."""

from collections.abc import Iterator
from typing import NamedTuple

from lptn_retouch.structures import Buffer

# Real files hold a few dozen boxes side by side; a file that has thousands is made to waste time.
_MAX_BOXES = 4096
_WITH_VERSION = b"meta"


class Box(NamedTuple):
    """One box: its type (four letters, or the sixteen bytes of a `uuid` box), and its span; `at` is its content's."""

    type: bytes
    start: int
    at: int
    end: int


def walk(data: Buffer, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """The boxes that stand one behind the other, in file order; stops quietly at the first that is damaged.

    Args:
        data: a whole file.
        start: offset of the first box, in bytes.
        end: where they stop; None for the end of the file.

    Returns:
        Boxes that lie inside this span. One of size 0 reaches to its end.

    >>> [(box.type, box.at, box.end) for box in walk(box_of(b"ftyp", b"avif") + box_of(b"free"))]
    [(b'ftyp', 8, 12), (b'free', 20, 20)]

    Source: ISO/IEC 14496-12 4.2.
    """
    end = len(data) if end is None else min(end, len(data))
    for _ in range(_MAX_BOXES):
        if start + 8 > end:
            return
        size, kind, at = int.from_bytes(data[start : start + 4], "big"), bytes(data[start + 4 : start + 8]), start + 8
        if size == 1:
            size, at = int.from_bytes(data[at : at + 8], "big"), at + 8
        if kind == b"uuid":
            kind, at = bytes(data[at : at + 16]), at + 16
        stop = end if size == 0 else start + size
        if at > stop or stop > end:
            return
        yield Box(kind, start, at, stop)
        start = stop


def find_all(data: Buffer, *path: bytes, within: Box | None = None) -> Iterator[Box]:
    """The boxes of the last of these types that stand in boxes of the types before it.

    Args:
        data: a whole file.
        path: types from the outside in, each four letters or the sixteen bytes of a `uuid` box.
        within: the box that the path starts in; None for the file.

    >>> file = box_of(b"moov", box_of(b"free") + box_of(b"trak"))
    >>> [box.start for box in find_all(file, b"moov", b"trak")]
    [16]

    Source: ISO/IEC 14496-12 4.2 and 8.11.1 (`meta` has a version in front of its boxes).
    """
    inside = walk(data) if within is None else walk(data, within.at + 4 * (within.type == _WITH_VERSION), within.end)
    for box in inside:
        if box.type == path[0]:
            yield from find_all(data, *path[1:], within=box) if path[1:] else (box,)


def find(data: Buffer, *path: bytes, within: Box | None = None) -> Box | None:
    """The first of the boxes that `find_all` finds, or None.

    >>> find(box_of(b"moov", box_of(b"free")), b"moov", b"trak") is None
    True
    """
    return next(find_all(data, *path, within=within), None)


def box_of(kind: bytes, *content: bytes) -> bytes:
    """A box with this content, as bytes.

    >>> box_of(b"free", b"ab", b"c")
    b'\\x00\\x00\\x00\\x0bfreeabc'
    """
    return b"".join((box_head(kind, sum(map(len, content))), *content))


def box_head(kind: bytes, length: int) -> bytes:
    """What stands in front of a box's content; one of 4 GB and more gets a 64-bit size.

    Args:
        kind: its type, four letters.
        length: of its content, in bytes.

    >>> box_head(b"mdat", 8).hex()
    '000000106d646174'

    Source: ISO/IEC 14496-12 4.2.
    """
    if length + 8 < 1 << 32:
        return (length + 8).to_bytes(4, "big") + kind
    return (1).to_bytes(4, "big") + kind + (length + 16).to_bytes(8, "big")
