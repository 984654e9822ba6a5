"""The pixels of JPEG 2000, in and out."""

import imagecodecs
import numpy as np

from lptn_retouch.codecs.decoded import Decoded, in_range, three_channels
from lptn_retouch.codecs.format import Encoded
from lptn_retouch.codecs.jpeg2000.header import GREY, SRGB, Header, profile_boxes
from lptn_retouch.errors import UnreadablePhotoError, UnsupportedPhotoError
from lptn_retouch.picture.samples import Pixels
from lptn_retouch.threads import thread_count

_MOST_BITS = 16
_TINY = 128 * 128  # pixels, below which the encoder keeps to no quality, and there is nothing to gain
_COMPONENTS = (1, 2, 3, 4)
_LEAST_PSNR, _PSNR_A_STEP = 28, 0.22  # dB of quality 0, and more for each step: 92 is 48 dB, about a JPEG of that


def decode(picture: Encoded[Header]) -> Decoded:
    """Decode a JPEG 2000 at its own depth.

    Raises:
        UnreadablePhotoError: its header gives no size.
        UnsupportedPhotoError: it is too large, or its components are no photograph's.
        Exception: what OpenJPEG says of a damaged one.
    """
    header, name = picture.structure, picture.name
    if not header.bits:
        raise UnreadablePhotoError(f"{name}: its header gives no size; copy it again from its source.")
    bits = max(header.bits)
    picture.check_size(header.width, header.height, "uint8" if bits <= 8 else "uint16")
    if header.signed or bits > _MOST_BITS or len(set(header.bits)) > 1 or len(header.bits) not in _COMPONENTS:
        raise UnsupportedPhotoError(f"{name}: its samples are no photograph's; save it as 8 or 16 bits first.")
    if header.subsampled or header.space not in (SRGB, GREY, None):
        raise UnsupportedPhotoError(f"{name}: its colours are not RGB, and no others are read; save it as RGB first.")
    samples = np.asarray(imagecodecs.jpeg2k_decode(_without_profiles(header), numthreads=thread_count()))
    pixels, notices = in_range(samples, bits)
    pixels, grey = three_channels(pixels)
    return Decoded(np.ascontiguousarray(pixels), grey, notices=notices)


def _without_profiles(header: Header) -> bytes:
    """The file with its profiles hidden, by which OpenJPEG would convert the pixels that they describe."""
    data = bytearray(header.data)
    for box in profile_boxes(header.data):
        data[box.start + 4 : box.start + 8] = b"free"
    return bytes(data)


def encode(pixels: Pixels, quality: int) -> bytes:
    """Encode a picture as a JP2.

    Args:
        pixels: (H, W), (H, W, 2), (H, W, 3) or (H, W, 4); uint8 or uint16.
        quality: 1 to 100; 100 is without loss, as is what is tiny.

    Example:
        >>> ramp = np.arange(600, dtype=np.uint16).reshape(10, 20, 3) * 100
        >>> bool((imagecodecs.jpeg2k_decode(encode(ramp, 100)) == ramp).all())
        True
    """
    samples = np.ascontiguousarray(pixels)
    lossless = quality == 100 or samples.shape[0] * samples.shape[1] < _TINY
    level = 0 if lossless else round(_LEAST_PSNR + _PSNR_A_STEP * quality)
    return bytes(
        imagecodecs.jpeg2k_encode(samples, level, codecformat="jp2", reversible=lossless, numthreads=thread_count())
    )
