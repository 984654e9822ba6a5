"""PNG of 16 bits a channel in, and of 8 or 16 out, through libpng in imagecodecs.

Those of up to 8 bits are Pillow's, which reads 16 bits as 8 without a word. imagecodecs (2026.3) miscounts references
each time libpng finds an error, which ends the process after some thousand damaged files. So all that libpng would
object to is looked for here first, and it is given the chunks that make the picture and no others.

Source: PNG, third edition (W3C, 2025).
"""

import logging
import zlib

import imagecodecs
import numpy as np

from lptn_retouch.formats.decoded import Decoded, several, three_channels
from lptn_retouch.formats.limits import Fits, check_plausible, check_size
from lptn_retouch.formats.photo import Pixels
from lptn_retouch.formats.pngrows import CHANNELS, check_rows

logging.getLogger("imagecodecs").addHandler(logging.NullHandler())  # or it tells the terminal of interlaced files

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_END = bytes.fromhex("00000000 49454e44 ae426082")
_TRANSPARENT = {0: 2, 2: 6}  # bytes of a transparent colour, by colour type
_GREY = (0, 4)
_MAX_SIDE = 1_000_000  # of libpng
_SUB = imagecodecs.PNG.FILTER.SUB
_MAX_CHUNKS = 1 << 20  # an encoder that flushes often makes one for every few kilobytes


def is_deep(data: bytes) -> bool:
    """Whether the header says 16 bits a channel (11.2.1)."""
    return data[12:16] == b"IHDR" and data[24:25] == b"\x10"


def decode(data: bytes, name: str, fits: Fits | None) -> Decoded:
    """Decode a PNG of 16 bits a channel; a transparent colour becomes alpha.

    Args:
        data: the file.
        name: the file as messages name it.
        fits: asked before a pixel is decoded.

    Raises:
        UnsupportedPhotoError: it is too large.
        Exception: it is damaged.
    """
    if len(data) < 33:
        raise ValueError("its header is cut short")
    width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
    check_size(name, width, height)
    if fits:
        fits(width, height, "uint16")
    colour, method, filters, interlaced = data[25:29]
    if colour not in (0, 2, 4, 6) or method or filters or interlaced > 1 or max(width, height) > _MAX_SIDE:
        raise ValueError("its header is of no known kind")
    check_plausible(name, "PNG", width * height, 16 * CHANNELS[colour], len(data))
    head, rows, frames = _chunks(data, colour)
    check_rows(data, (chunk[8:-4] for chunk in rows))
    pixels, _ = three_channels(imagecodecs.png_decode(b"".join([_SIGNATURE, *head, *rows, _END])))
    return Decoded(pixels, colour in _GREY, notices=several(frames))


def _chunks(data: bytes, colour: int) -> tuple[list[memoryview], list[memoryview], int]:
    """The chunks that libpng needs in front of the rows, those of the rows, and how many frames are announced."""
    head: list[memoryview] = []
    rows: list[memoryview] = []
    frames, at = 1, 8
    for _ in range(_MAX_CHUNKS):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        end = at + 12 + length
        if end > len(data) or kind == b"IEND":
            break
        if at == 8 or kind == b"IDAT" or (kind == b"tRNS" and length == _TRANSPARENT.get(colour) and not rows):
            if zlib.crc32(memoryview(data)[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
                raise ValueError(f"the check sum of a chunk {kind.decode()} is wrong")
            (rows if kind == b"IDAT" else head).append(memoryview(data)[at:end])
        elif kind == b"acTL":
            frames = int.from_bytes(data[at + 8 : at + 12], "big")
        at = end
    return head, rows, frames


def encode(pixels: Pixels) -> bytes:
    """Encode a picture without loss; 24 megapixels take about a second at 8 bits, and three at 16.

    Args:
        pixels: (H, W), (H, W, 2), (H, W, 3) or (H, W, 4); uint8 or uint16.

    Example:
        >>> decode(encode(np.full((2, 3), 40000, np.uint16)), "a.png", None).pixels[0, 0].tolist()
        [40000, 40000, 40000]
    """
    samples = np.ascontiguousarray(pixels).ravel().reshape(pixels.shape)  # regular strides, for sides of 1 too
    if samples.dtype == np.uint16:
        # The low byte of 16 is noise, of which deflate's search finds nothing: it takes four times as long for a
        # hundredth of the size.
        return bytes(imagecodecs.png_encode(samples, 1, strategy=imagecodecs.PNG.STRATEGY.RLE, filter=_SUB))
    return bytes(imagecodecs.png_encode(samples, 3))
