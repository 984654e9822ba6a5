"""PNG as a list of chunks."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from lptn_retouch.structures import Buffer

SIGNATURE = b"\x89PNG\r\n\x1a\n"


class Chunk(NamedTuple):
    """One chunk: its four-letter type, and its span in the file, from its length to the end of its checksum."""

    type: bytes
    start: int
    end: int


def png_chunks(data: Buffer) -> Iterator[Chunk]:
    """The chunks of a PNG, in file order; stops quietly at the first that is damaged, and after IEND.

    >>> [chunk.type for chunk in png_chunks(SIGNATURE + bytes(4) + b"IHDR" + bytes(8) + b"IEND" + bytes(4) + b"rest")]
    [b'IHDR', b'IEND']

    Source: PNG third edition, 5.3.
    """
    if bytes(data[: len(SIGNATURE)]) != SIGNATURE:
        return
    at, size = len(SIGNATURE), len(data)
    while at + 12 <= size:
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > size or not kind.isalpha():
            return
        yield Chunk(kind, at, end)
        if kind == b"IEND":
            return
        at = end
