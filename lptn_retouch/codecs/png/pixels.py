"""PNG in: what makes the picture, told from all else; of 16 bits a channel in, and of 8 or 16 out, through libpng.

Those of up to 8 bits are Pillow's, which reads 16 bits as 8 without a word. No decoder is shown more of a file than the
chunks that make its picture: Pillow refuses a whole picture for a long text or a flaw in an animation's frames, and
imagecodecs (2026.3) miscounts references each time libpng finds an error, which ends the process after some thousand
damaged files. So all that libpng would object to is looked for here first.

Source: PNG, third edition (W3C, 2025).
"""

import io
import logging
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import imagecodecs
import numpy as np

from lptn_retouch.codecs.decoded import DamageError, Decoded, several, three_channels
from lptn_retouch.codecs.format import Encoded
from lptn_retouch.codecs.limits import DEFLATE_RATIO
from lptn_retouch.codecs.pillow import check, decoded, header
from lptn_retouch.codecs.png.rows import CHANNELS, check_rows, has_all_rows
from lptn_retouch.picture.samples import Pixels
from lptn_retouch.structures.png import SIGNATURE, PngFile

logging.getLogger("imagecodecs").addHandler(logging.NullHandler())  # or it tells the terminal of interlaced files

_END = bytes.fromhex("00000000 49454e44 ae426082")
_TRANSPARENT = {0: (2,), 2: (6,), 3: range(1, 257)}  # bytes of a transparent colour, or of a palette's, by colour type
_PALETTE = 3
_GREY = (0, 4)
_BITS = {"1": 1, "L": 2, "P": 1, "LA": 16, "RGB": 24, "RGBA": 32}  # the fewest that are stored of Pillow's modes
_MAX_SIDE = 1_000_000  # of libpng
_SUB = imagecodecs.PNG.FILTER.SUB


def is_deep(png: PngFile) -> bool:
    """Whether the header says 16 bits a channel (11.2.1)."""
    return png.data[12:16] == b"IHDR" and png.data[24:25] == b"\x10"


class _Pictured(NamedTuple):
    """The chunks that make the picture.

    Args:
        head: those that a decoder needs in front of the rows.
        rows: IDAT, of which the last may be cut short.
        is_cut: whether it is.
        pictures: how many the file holds.
    """

    head: list[memoryview]
    rows: list[memoryview]
    is_cut: bool
    pictures: int

    @property
    def payloads(self) -> Iterator[memoryview]:
        """What the rows' chunks hold."""
        whole = len(self.rows) - self.is_cut
        return (row[8:-4] if i < whole else row[8:] for i, row in enumerate(self.rows))

    def file(self) -> bytes:
        """A PNG of nothing else."""
        return b"".join([SIGNATURE, *self.head, *self.rows, b"" if self.is_cut else _END])


def decode(picture: Encoded[PngFile]) -> Decoded:
    """Decode a PNG of up to 8 bits a channel, through Pillow.

    Raises:
        UnreadablePhotoError: its header promises too much.
        UnsupportedPhotoError: it is too large.
        DamageError: what is wrong with it.
    """
    data = picture.data
    pictured = _pictured(picture.structure)
    if data[25] == _PALETTE and not any(bytes(chunk[4:8]) == b"PLTE" for chunk in pictured.head):
        raise DamageError("its palette is missing")
    # From memory: a chunk's length is asked of the file as it stands, and would be reserved before anything is read.
    image = header(io.BytesIO(pictured.file()), "PngImagePlugin.PngImageFile")
    check(picture, image, _most_pixels(_BITS.get(image.mode, 1), len(data)))
    image.load()
    last = np.asarray(image.crop((0, image.height - 1, image.width, image.height)))
    if not has_all_rows(data, pictured.payloads, last_is_black=not last.any()):
        raise DamageError("rows are missing at its end")
    return decoded(image)._replace(notices=several(pictured.pictures))


def decode_deep(picture: Encoded[PngFile]) -> Decoded:
    """Decode a PNG of 16 bits a channel; a transparent colour becomes alpha.

    Raises:
        UnreadablePhotoError: its header promises too much.
        UnsupportedPhotoError: it is too large.
        DamageError: what is wrong with it.
        Exception: likewise, as the libraries say it.
    """
    data = picture.data
    pictured = _pictured(picture.structure)
    width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
    colour, method, filters, interlaced = data[25:29]
    most = _most_pixels(16 * CHANNELS.get(colour, 1), len(data))
    picture.check_size(width, height, "uint16", most)
    if colour not in (0, 2, 4, 6) or method or filters or interlaced > 1 or max(width, height) > _MAX_SIDE:
        raise DamageError("its header is of no known kind")
    if pictured.is_cut:
        raise DamageError("it ends before its picture does")
    for chunk in pictured.rows:
        _check_sum(chunk)
    check_rows(data, pictured.payloads)
    pixels, _ = three_channels(imagecodecs.png_decode(pictured.file()))
    return Decoded(pixels, colour in _GREY, notices=several(pictured.pictures))


def _most_pixels(bits: int, size: int) -> int:
    """The most pixels of so many bits that a file of this size can hold, by deflate's own bound."""
    return 8 * DEFLATE_RATIO * size // bits


def _pictured(png: PngFile) -> _Pictured:
    """Check sums are checked of the chunks in front of the rows only: rows have deflate's own."""
    data = memoryview(png.data)
    if bytes(data[8:16]) != b"\0\0\0\x0dIHDR" or len(data) < 33:
        raise DamageError("its header is missing or cut short")
    head: list[memoryview] = []
    rows: list[memoryview] = []
    pictures, animated = 0, False
    for chunk in png.chunks:
        content = data[chunk.start : chunk.end]
        if chunk.type == b"IDAT":
            pictures += not rows and not animated  # a picture that the animation, if there is one, does not show
            rows.append(content)
        elif chunk.type == b"fcTL":
            animated = True
            pictures += 1
        elif not rows and (not head or _makes_colours(chunk.type, len(content) - 12, data[25], head)):
            _check_sum(content)
            head.append(content)
    is_cut = png.cut is not None and png.cut.type == b"IDAT"
    if is_cut and png.cut is not None:
        pictures += not rows and not animated
        rows.append(data[png.cut.start :])
    if not rows:
        raise DamageError("it ends, or cannot be followed, before its first row")
    return _Pictured(head, rows, is_cut, pictures)


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
        >>> encode(np.full((2, 3), 40000, np.uint16))[1:4]
        b'PNG'
    """
    samples = np.ascontiguousarray(pixels).ravel().reshape(pixels.shape)  # regular strides, for sides of 1 too
    if samples.dtype == np.uint16:
        # The low byte of 16 is noise, of which deflate's search finds nothing: it takes four times as long for a
        # hundredth of the size.
        return bytes(imagecodecs.png_encode(samples, 1, strategy=imagecodecs.PNG.STRATEGY.RLE, filter=_SUB))
    return bytes(imagecodecs.png_encode(samples, 3))
