"""Whether a PNG holds all the rows its header promises: Pillow fills the missing ones with black, and says nothing."""

import zlib
from typing import BinaryIO

import numpy as np
from PIL import Image

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
# Adam7 (PNG third edition, section 8.1): first column, first row, column step, row step of each pass.
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def has_all_rows(file: BinaryIO, image: Image.Image) -> bool:
    """Compare what the file inflates to with what its header promises.

    Inflating a second time costs as much as decoding, so it is done only where rows may be missing: the last row is
    all zeros, or the rows are interlaced.

    Args:
        file: the PNG; its position is moved.
        image: the same, decoded.
    """
    file.seek(0)
    head = file.read(33)
    interlaced = head[28] == 1
    if not interlaced and np.asarray(image.crop((0, image.height - 1, image.width, image.height))).any():
        return True
    bits = head[24] * _CHANNELS.get(head[25], 1)
    passes = _ADAM7 if interlaced else ((0, 0, 1, 1),)
    promised = 0
    for column, row, across, down in passes:
        wide = -(-(image.width - column) // across)
        high = -(-(image.height - row) // down)
        if wide > 0 and high > 0:
            promised += high * (1 + (wide * bits + 7) // 8)
    return _inflated(file, promised) >= promised


def _inflated(file: BinaryIO, enough: int) -> int:
    """Bytes that the IDAT chunks inflate to, counted up to `enough` and never held at once."""
    stream = zlib.decompressobj()
    total = 0
    file.seek(8)
    while total < enough and not stream.eof:
        head = file.read(8)
        if len(head) < 8:
            break
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        if kind != b"IDAT":
            file.seek(length + 4, 1)
            continue
        while length > 0 and not stream.eof:
            data = file.read(min(length, 1 << 20))
            if not data:
                return total
            length -= len(data)
            while data and total < enough:
                total += len(stream.decompress(data, 1 << 20))
                data = stream.unconsumed_tail
        file.seek(length + 4, 1)
    return total
