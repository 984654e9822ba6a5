"""PNG in: what makes the picture, told from all else; of 16 bits a channel in, and of 8 or 16 out, through libpng.

Those of up to 8 bits are Pillow's, which reads 16 bits as 8 without a word. No decoder is shown more of a file than the
chunks that make its picture: Pillow refuses a whole picture for a long text or a flaw in an animation's frames, and
imagecodecs (2026.3) miscounts references each time libpng finds an error, which ends the process after some thousand
damaged files. So all that libpng would object to is looked for here first.

Source: PNG, third edition (W3C, 2025).
"""

import logging
import zlib

import imagecodecs
import numpy as np

from lptn_retouch.codecs.decoded import DamageError, Decoded, several, three_channels
from lptn_retouch.codecs.limits import Fits, check_plausible, check_size
from lptn_retouch.codecs.png.rows import CHANNELS, check_rows
from lptn_retouch.photo.samples import Pixels

logging.getLogger("imagecodecs").addHandler(logging.NullHandler())  # or it tells the terminal of interlaced files

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_END = bytes.fromhex("00000000 49454e44 ae426082")
_TRANSPARENT = {0: (2,), 2: (6,), 3: range(1, 257)}  # bytes of a transparent colour, or of a palette's, by colour type
_PALETTE = 3
_GREY = (0, 4)
_MAX_SIDE = 1_000_000  # of libpng
_SUB = imagecodecs.PNG.FILTER.SUB
_MAX_CHUNKS = 1 << 20  # an encoder that flushes often makes one for every few kilobytes


def is_deep(data: bytes) -> bool:
    """Whether the header says 16 bits a channel (11.2.1)."""
    return data[12:16] == b"IHDR" and data[24:25] == b"\x10"


def bare(data: bytes) -> tuple[bytes, int]:
    """A PNG with nothing in it but what makes its picture, and how many pictures the file holds.

    Args:
        data: the file.

    Raises:
        DamageError: its header, palette or transparency is damaged, or it ends before its picture.

    Example:
        >>> bare(encode(np.zeros((1, 1), np.uint8)))[0][-8:-4]
        b'IEND'
    """
    head, rows, pictures = _chunks(data)
    if data[25] == _PALETTE and not any(bytes(chunk[4:8]) == b"PLTE" for chunk in head):
        raise DamageError("its palette is missing")
    is_cut = len(rows[-1]) < 12 + int.from_bytes(rows[-1][:4], "big")
    return b"".join([_SIGNATURE, *head, *rows, b"" if is_cut else _END]), pictures


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
    head, rows, pictures = _chunks(data)
    width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
    check_size(name, width, height)
    if fits:
        fits(width, height, "uint16")
    colour, method, filters, interlaced = data[25:29]
    if colour not in (0, 2, 4, 6) or method or filters or interlaced > 1 or max(width, height) > _MAX_SIDE:
        raise DamageError("its header is of no known kind")
    check_plausible(name, "PNG", width * height, 16 * CHANNELS[colour], len(data))
    for chunk in rows:
        _check_sum(chunk)
    check_rows(data, (chunk[8:-4] for chunk in rows))
    pixels, _ = three_channels(imagecodecs.png_decode(b"".join([_SIGNATURE, *head, *rows, _END])))
    return Decoded(pixels, colour in _GREY, notices=several(pictures))


def _chunks(data: bytes) -> tuple[list[memoryview], list[memoryview], int]:
    """The chunks that a decoder needs in front of the rows, those of the rows, and how many pictures there are.

    Sums are checked of the former only: rows have deflate's own.
    """
    if data[8:16] != b"\0\0\0\x0dIHDR" or len(data) < 33:
        raise DamageError("its header is missing or cut short")
    head: list[memoryview] = []
    rows: list[memoryview] = []
    pictures, animated, at = 0, False, 8
    for _ in range(_MAX_CHUNKS):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        chunk = memoryview(data)[at : at + 12 + length]
        if kind == b"IDAT":
            pictures += not rows and not animated  # a picture that the animation, if there is one, does not show
            rows.append(chunk)
        elif len(chunk) < 12 + length or not kind.isalpha() or kind == b"IEND":
            break
        elif kind == b"fcTL":
            animated = True
            pictures += 1
        elif not rows and (at == 8 or _makes_colours(kind, length, data[25], head)):
            _check_sum(chunk)
            head.append(chunk)
        at += 12 + length
    if not rows:
        raise DamageError("it ends, or cannot be followed, before its first row")
    return head, rows, pictures


def _makes_colours(kind: bytes, length: int, colour: int, head: list[memoryview]) -> bool:
    """Whether a chunk before the rows is the palette or the transparency that goes with the colour type (11.2.2)."""
    if any(chunk[4:8] == kind for chunk in head):
        return False
    if kind == b"PLTE":
        return colour == _PALETTE and length % 3 == 0 and 3 <= length <= 768
    return kind == b"tRNS" and length in _TRANSPARENT.get(colour, ())


def _check_sum(chunk: memoryview) -> None:
    """Refuse a chunk whose check sum (5.3) is not that of its content."""
    if zlib.crc32(chunk[4:-4]) != int.from_bytes(chunk[-4:], "big"):
        raise DamageError(f"the check sum of its {bytes(chunk[4:8]).decode()} chunk is wrong")


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
