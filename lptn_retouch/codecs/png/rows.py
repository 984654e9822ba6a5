"""Whether a PNG holds all the rows its header promises, and in order: decoders do not tell, or do not survive it."""

import zlib
from collections.abc import Iterable, Iterator

import numpy as np

from lptn_retouch.codecs.decoded import DamageError
from lptn_retouch.structures import Buffer

CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_LAST_FILTER = 4
_AT_ONCE = 1 << 20
_SURPLUS = 1 << 16  # bytes behind the last row that are put up with
# Adam7 (PNG third edition, section 8.1): first column, first row, column step, row step of each pass.
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def has_all_rows(data: Buffer, payloads: Iterable[memoryview], *, last_is_black: bool) -> bool:
    """Compare what the file inflates to with what its header promises.

    Inflating a second time costs as much as decoding, so it is done only where rows may be missing: Pillow fills the
    missing ones with black, so the last row is all zeros, or the rows are interlaced.

    Args:
        data: the PNG, or its header.
        payloads: what its IDAT chunks hold.
        last_is_black: all samples of the last row, as decoded, are zero.
    """
    if data[28] == 0 and not last_is_black:
        return True
    promised = sum(rows * length for rows, length in _passes(data))
    return sum(map(len, _inflated(payloads, zlib.decompressobj(), promised))) >= promised


def check_rows(data: Buffer, payloads: Iterable[memoryview]) -> None:
    """Inflate the whole picture, and look at the filter of each row (PNG third edition, 9.2).

    Args:
        data: the PNG, or its header.
        payloads: what its IDAT chunks hold.

    Raises:
        DamageError: rows are missing, or have no filter that there is.
        zlib.error: the picture cannot be inflated.
    """
    starts = [np.zeros(0, np.int64)]
    promised = 0
    for rows, length in _passes(data):
        starts.append(promised + np.arange(rows, dtype=np.int64) * length)
        promised += rows * length
    filters, at = np.concatenate(starts), 0
    stream = zlib.decompressobj()
    for block in _inflated(payloads, stream, promised + _SURPLUS):
        first, end = np.searchsorted(filters, (at, at + len(block)))
        if (np.frombuffer(block, np.uint8)[filters[first:end] - at] > _LAST_FILTER).any():
            raise DamageError("a row has no known filter")
        at += len(block)
    if at < promised or not stream.eof:
        raise DamageError("rows are missing")


def _passes(data: Buffer) -> Iterator[tuple[int, int]]:
    """Number of rows and bytes a row of each pass, or of the only one."""
    width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
    bits = data[24] * CHANNELS.get(data[25], 1)
    for column, row, across, down in _ADAM7 if data[28] == 1 else ((0, 0, 1, 1),):
        wide, high = -(-(width - column) // across), -(-(height - row) // down)
        if wide > 0 and high > 0:
            yield high, 1 + (wide * bits + 7) // 8


def _inflated(payloads: Iterable[memoryview], stream: "zlib._Decompress", enough: int) -> Iterator[bytes]:
    """What they inflate to, piece by piece, until there is enough."""
    for payload in payloads:
        for start in range(0, len(payload), _AT_ONCE):
            some: bytes | memoryview = payload[start : start + _AT_ONCE]
            while some and enough > 0 and not stream.eof:
                block = stream.decompress(some, min(_AT_ONCE, enough))
                enough -= len(block)
                yield block
                some = stream.unconsumed_tail
