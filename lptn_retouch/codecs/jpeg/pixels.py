"""The pixels of ordinary JPEGs, straight between libjpeg-turbo and an array.

Pillow keeps a fourth, empty channel and copies once more on the way in and out, which at 24 megapixels costs as much
as the decoding itself. It remains the decoder of everything that is not ordinary. Of the two other ways to
libjpeg-turbo, simplejpeg decodes, as it tells of every doubt the decoder had, and imagecodecs encodes, as it takes the
exact cosine transform, like Pillow: simplejpeg's encoder takes the fast one below quality 96, a tenth less faithful.

Large pictures are encoded in strips on all threads. A scan may be cut at restart markers (ITU-T T.81, B.2.1 and E.1.4):
the coder begins anew there, so strips encoded apart are a whole scan when put together with those markers between.
"""

from functools import partial

import imagecodecs
import numpy as np
import numpy.typing as npt
import simplejpeg

from lptn_retouch.structures.jpeg import JFIF_LENGTH, SOI, Segment, is_metadata
from lptn_retouch.threads import at_once, thread_count

Rgb = npt.NDArray[np.uint8]

_SUBSAMPLING = {"4:4:4": "444", "4:2:2": "422", "4:2:0": "420"}
_BLOCK = {"4:4:4": (8, 8), "4:2:2": (8, 16), "4:2:0": (16, 16)}  # height and width of a minimum coded unit
_MOST_UNITS = 65535  # between restart markers: the interval is stored in 16 bits (T.81 B.2.4.4)
_HEADERS = 1024  # bytes, more than a JPEG's tables take
_ONE_STRIP = 1_000_000  # pixels below which strips gain nothing


def decode(data: bytes) -> Rgb | None:
    """Decode a colour JPEG.

    Args:
        data: the file.

    Returns:
        (H, W, 3), or None where the decoder has the least complaint; ask Pillow then, which tells what is fatal.
    """
    try:
        return np.asarray(simplejpeg.decode_jpeg(data, "RGB", strict=True))
    except ValueError:
        return None


def bare(data: bytes, segments: list[Segment]) -> bytes:
    """A JPEG with nothing in it but what makes its picture, for decoders that stumble over a flaw in its metadata.

    Args:
        data: the file.
        segments: its segments before the first scan.

    Example:
        >>> from lptn_retouch.structures.jpeg import jpeg_segments
        >>> coded = encode(np.zeros((8, 8, 3), np.uint8), 92, "4:4:4")
        >>> odd = coded[:2] + bytes.fromhex("ffe0 0007 4a46494600") + coded[2:]
        >>> bare(odd, list(jpeg_segments(odd)))[2:4].hex()
        'ffe0'
    """
    kept = [data[s.start : s.end] for s in segments if not is_metadata(s.marker) or _tells_colours(s)]
    return b"".join([SOI, *kept, data[segments[-1].end :] if segments else b""])


def _tells_colours(segment: Segment) -> bool:
    """Whether a segment is a sound one of those that say what the components are: JFIF, and Adobe's (T.872, 6.5.3)."""
    jfif = segment.marker == 0xE0 and segment.data.startswith(b"JFIF\0") and len(segment.data) >= JFIF_LENGTH
    return jfif or (segment.marker == 0xEE and segment.data.startswith(b"Adobe") and len(segment.data) >= 12)


def encode(pixels: Rgb, quality: int, subsampling: str, strips: int | None = None) -> bytes:
    """Encode a picture as a baseline JPEG with the standard's own tables, as Pillow does.

    Args:
        pixels: (H, W, 3), or (H, W) for grey.
        quality: 1 to 100.
        subsampling: of the chroma, "4:4:4", "4:2:2" or "4:2:0".
        strips: how many to encode at once; None for as many as there are threads. Decoders see no difference.

    Example:
        >>> picture = np.zeros((100, 70, 3), np.uint8)
        >>> [int(decode(encode(picture, 92, "4:2:0", strips)).max()) for strips in (1, 3)]
        [0, 0]
    """
    return b"".join(encode_parts(pixels, quality, subsampling, strips))


def encode_parts(pixels: Rgb, quality: int, subsampling: str, strips: int | None = None) -> list[bytes | memoryview]:
    """:func:`encode`, in parts yet to be put together: whoever puts metadata in front of the scan copies it but once.

    Returns:
        Of a picture encoded in strips, the headers and then the scan; else all of it.
    """
    if pixels.ndim == 2:
        return [bytes(imagecodecs.jpeg8_encode(_regular(pixels), quality))]
    height, width = pixels.shape[:2]
    if strips is None:
        strips = thread_count() if height * width > _ONE_STRIP else 1
    high, wide = _BLOCK[subsampling]
    across, down = -(-width // wide), -(-height // high)  # units
    each = min(-(-down // strips), max(1, _MOST_UNITS // across)) if strips > 1 else down
    if strips > 1 and each < down and each * across <= _MOST_UNITS:
        tops = range(0, height, each * high)
        strip = [partial(_encode, pixels[top : top + each * high], quality, subsampling) for top in tops]
        return _joined(at_once(strip), height, each * across)
    return [_encode(pixels, quality, subsampling)]


def _encode(pixels: Rgb, quality: int, subsampling: str) -> memoryview:
    """A JPEG in memory of its own. That which the library would double, again and again, is kept by the allocator."""
    room = np.empty(pixels.size // 2 + _HEADERS, np.uint8)  # if it is too little, the library has its way
    chroma = _SUBSAMPLING[subsampling]
    coded = imagecodecs.jpeg8_encode(_regular(pixels), quality, subsampling=chroma, out=room)  # type: ignore[arg-type]
    return memoryview(coded)


def _regular(pixels: Rgb) -> Rgb:
    """Contiguous, with regular strides: NumPy leaves those of a side of 1 as they come, and the encoder looks."""
    return np.ascontiguousarray(pixels).ravel().reshape(pixels.shape)


def _joined(parts: list[memoryview], height: int, interval: int) -> list[bytes | memoryview]:
    """One JPEG of several that lie below each other, each but the last of `interval` units."""
    at = 2
    while (marker := parts[0][at + 1]) != 0xDA:  # up to the start of scan; the encoder's own headers hold no surprises
        if marker == 0xC0:  # frame: length (2), precision (1), height (2)
            frame = at
        at += 2 + int.from_bytes(parts[0][at + 2 : at + 4], "big")
    scan = at + 2 + int.from_bytes(parts[0][at + 2 : at + 4], "big")
    first = parts[0]
    restarts = b"\xff\xdd\x00\x04" + interval.to_bytes(2, "big")
    head = b"".join([first[: frame + 5], height.to_bytes(2, "big"), first[frame + 7 : at], restarts, first[at:scan]])
    pieces: list[bytes | memoryview] = [head]
    for number, part in enumerate(parts):
        # the picture's end is cut off, a restart set
        pieces += [part[scan:-2], bytes([0xFF, 0xD0 + number % 8])]
    return [*pieces[:-1], b"\xff\xd9"]
