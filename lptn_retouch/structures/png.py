"""PNG as a list of chunks."""

import struct
from typing import NamedTuple

from lptn_retouch.structures import Buffer

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MAX_CHUNKS = 1 << 20  # an encoder that flushes often makes one for every few kilobytes


class Chunk(NamedTuple):
    """One chunk: its four-letter type, and its span in the file, from its length to the end of its checksum."""

    type: bytes
    start: int
    end: int


class PngFile:
    """The chunks of a PNG, in file order, up to IEND or the first that is damaged.

    Args:
        data: the whole file; of anything else there are none.

    >>> png = PngFile(SIGNATURE + bytes(4) + b"IHDR" + bytes(8) + b"IEND" + bytes(4) + b"rest")
    >>> [chunk.type for chunk in png.chunks], png.cut
    ([b'IHDR', b'IEND'], None)

    Attributes:
        data: the file.
        chunks: those that are whole; their check sums are not looked at.
        cut: one behind them that reaches past the file's end.

    Source: PNG third edition, 5.3.
    """

    def __init__(self, data: Buffer) -> None:
        self.data = data
        self.chunks: list[Chunk] = []
        self.cut: Chunk | None = None
        if bytes(data[: len(SIGNATURE)]) != SIGNATURE:
            return
        at, size = len(SIGNATURE), len(data)
        while at + 12 <= size and len(self.chunks) < _MAX_CHUNKS:
            length, kind = struct.unpack_from(">I4s", data, at)
            end = at + 12 + length
            if not kind.isalpha():
                return
            if end > size:
                self.cut = Chunk(kind, at, size)
                return
            self.chunks.append(Chunk(kind, at, end))
            if kind == b"IEND":
                return
            at = end
