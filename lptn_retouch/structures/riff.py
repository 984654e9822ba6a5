"""RIFF as a list of chunks, as WebP uses it."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from lptn_retouch.structures import Buffer

# Pictures have a handful of chunks, animations one a frame; a file that has more of them is made to waste time.
_MAX_CHUNKS = 100_000


class Chunk(NamedTuple):
    """One chunk: its four-character type, and the span of its content in the file."""

    type: bytes
    at: int
    end: int


def riff_chunks(data: Buffer) -> Iterator[Chunk]:
    """The chunks of a WebP, in file order; stops quietly at the first that is damaged.

    >>> [chunk.type for chunk in riff_chunks(riff_file([riff_chunk(b"VP8 ", b"odd"), riff_chunk(b"EXIF", b"")]))]
    [b'VP8 ', b'EXIF']

    Source: RFC 9649, 2.3 and 2.4.
    """
    if bytes(data[:4]) != b"RIFF" or bytes(data[8:12]) != b"WEBP":
        return
    at = 12
    for _ in range(_MAX_CHUNKS):
        if at + 8 > len(data):
            return
        kind, size = struct.unpack_from("<4sI", data, at)
        if at + 8 + size > len(data):
            return
        yield Chunk(kind, at + 8, at + 8 + size)
        at += 8 + size + size % 2


def riff_chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk with this content, padded to an even length."""
    return kind + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def riff_file(chunks: list[bytes]) -> bytes:
    """A WebP of these chunks."""
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body
