"""JPEG as a list of segments: what stands before the first scan."""

from collections.abc import Iterator
from typing import NamedTuple

from lptn_retouch.structures import Buffer

SOI = b"\xff\xd8"
JFIF_LENGTH = 14  # of the payload, without a thumbnail (JFIF 1.02)
START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_WITHOUT_LENGTH = frozenset({0x01, 0xD8, *range(0xD0, 0xD8)})
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# Real files hold a few dozen segments; a picture that has thousands is made to waste time.
_MAX_SEGMENTS = 4096


class Segment(NamedTuple):
    """One marker segment: its marker byte, its payload, and the span of the whole in the file (FF included)."""

    marker: int
    data: bytes
    start: int
    end: int


def is_metadata(marker: int) -> bool:
    """Whether this marker is APPn or COM."""
    return 0xE0 <= marker <= 0xEF or marker == 0xFE


def jpeg_segments(data: Buffer) -> Iterator[Segment]:
    """The segments before the first scan, in file order; stops quietly at the first that is damaged.

    Args:
        data: a JPEG file; anything else gives nothing.

    Returns:
        Segments with sound lengths. Bytes between segments are skipped, as decoders do. The last one is SOS,
        where the file gets so far.

    >>> [hex(s.marker) for s in jpeg_segments(bytes.fromhex("ffd8 fffe 0004 6869 ffd9"))]
    ['0xfe']

    Source: JPEG T.81 B.1.1.2 to B.1.1.4.
    """
    if data[:2] != SOI:
        return
    at = 2
    for _ in range(_MAX_SEGMENTS):
        start = data.find(b"\xff", at)
        if start < 0:
            return
        mark = start + 1
        while mark < len(data) and data[mark] == 0xFF:
            mark += 1
        if mark >= len(data):
            return
        marker = data[mark]
        at = mark + 1
        if marker == 0 or marker in _WITHOUT_LENGTH:
            continue
        if marker == _END_OF_IMAGE or at + 2 > len(data):
            return
        end = at + int.from_bytes(data[at : at + 2], "big")
        if end < at + 2 or end > len(data):
            return
        yield Segment(marker, bytes(data[at + 2 : end]), mark - 1, end)
        if marker == START_OF_SCAN:
            return
        at = end


def jpeg_size(data: Buffer) -> tuple[int, int] | None:
    """Width and height in pixels, from the frame header; None where there is none.

    >>> jpeg_size(b"not a JPEG") is None
    True

    Source: JPEG T.81 B.2.2.
    """
    for segment in jpeg_segments(data):
        if segment.marker in FRAMES and len(segment.data) >= 6:
            return int.from_bytes(segment.data[3:5], "big"), int.from_bytes(segment.data[1:3], "big")
    return None
