"""JPEG XL in and out, through libjxl; written in sRGB, as the codec here takes no ICC profile."""

from typing import Any

import imagecodecs
import numpy as np

from lptn_retouch.codecs.decoded import DamageError, Decoded, in_range, three_channels
from lptn_retouch.codecs.format import Encoded
from lptn_retouch.codecs.jxl.header import DCI, HLG, LINEAR, PQ, PRIMARIES, SRGB, Header, codestream_at, read_header
from lptn_retouch.codecs.jxl.profile import embedded_profile
from lptn_retouch.color import matrix_profile, profile_from_cicp
from lptn_retouch.color.profiles import SRGB_CURVE, Curve
from lptn_retouch.color.srgb import D65, SRGB_PRIMARIES, light
from lptn_retouch.errors import UnsupportedPhotoError
from lptn_retouch.picture.samples import Pixels
from lptn_retouch.structures import Buffer
from lptn_retouch.threads import thread_count

_ANIMATED = "It is an animation, of which only the first picture is taken."
_H273 = {SRGB_PRIMARIES: 1, PRIMARIES[9]: 9, PRIMARIES[11]: 12}  # numbers in H.273 of the primaries
_CURVES: dict[int, Curve] = {LINEAR: 1.0, DCI: 2.6}
_LIGHT = np.rint(light(np.arange(65536) / 65535) * 65535).astype(np.uint16)


def decode(picture: Encoded[Buffer]) -> Decoded:
    """Decode a JPEG XL at its own depth, upright: libjxl turns it as its header says.

    Raises:
        UnsupportedPhotoError: it is too large, of high dynamic range, or in colours that cannot be told.
        Exception: whatever is wrong with a damaged one.
    """
    data = bytes(picture.data)
    header = read_header(data)
    samples_type = "float32" if header.floats else "uint8" if header.bits <= 8 else "uint16"
    picture.check_size(header.width, header.height, samples_type)
    if header.transfer in (PQ, HLG) and not header.has_icc:
        raise UnsupportedPhotoError(
            f"{picture.name}: it is of high dynamic range ({'PQ' if header.transfer == PQ else 'HLG'}), which presets "
            "do not know; save it as standard first."
        )
    icc = embedded_profile(data) if header.has_icc else _profile(header)
    if header.has_icc and icc is None:
        raise UnsupportedPhotoError(
            f"{picture.name}: its colour profile cannot be read on this system; save it as PNG first."
        )
    samples = np.asarray(imagecodecs.jpegxl_decode(data, index=0, numthreads=thread_count()))
    if samples.shape[:2] != (header.height, header.width):
        raise DamageError("its header and its picture disagree")
    pixels, notices = in_range(samples, header.bits if samples.dtype.kind == "u" else 8 * samples.itemsize)
    pixels, grey = three_channels(pixels)
    notices += (_ANIMATED,) if header.animated else ()
    return Decoded(pixels, grey, upright=True, notices=notices, icc=icc)


def _profile(header: Header) -> bytes | None:
    """The profile of what the header says; None for sRGB."""
    if header.transfer and header.white == D65 and header.primaries in _H273:
        return profile_from_cicp(_H273[header.primaries], header.transfer)
    curve = header.gamma or _CURVES.get(header.transfer, SRGB_CURVE)
    return matrix_profile("JPEG XL", header.primaries, header.white, curve)


def encode(pixels: Pixels, quality: int) -> bytes:
    """Encode a picture in sRGB as a bare codestream.

    Args:
        pixels: (H, W), (H, W, 2), (H, W, 3) or (H, W, 4); uint8 or uint16.
        quality: 1 to 100; 100 is without loss, 90 a distance of 1, as in libjxl's own encoder.

    Example:
        >>> ramp = np.arange(600, dtype=np.uint16).reshape(10, 20, 3) * 100
        >>> bool((imagecodecs.jpegxl_decode(encode(ramp, 100)) == ramp).all())
        True
    """
    how: dict[str, Any] = {"lossless": True} if quality == 100 else {"level": quality}
    samples = pixels
    if pixels.dtype == np.uint16 and quality < 100:
        # The codec takes 16 bits for linear light, and weighs what may be lost accordingly.
        colours = pixels.shape[2] - (pixels.shape[2] in (2, 4)) if pixels.ndim == 3 else None
        samples = pixels.copy()
        samples[..., :colours] = np.take(_LIGHT, pixels[..., :colours])
    coded = bytes(imagecodecs.jpegxl_encode(samples, usecontainer=False, numthreads=thread_count(), **how))
    return _declared_srgb(coded)


def _declared_srgb(coded: bytes) -> bytes:
    """The file with sRGB's transfer function in the place of linear light, which the codec writes at 16 bits."""
    header, start = read_header(coded), codestream_at(coded)
    if header.transfer != LINEAR or start is None:
        return coded
    # Both numbers are coded by 2 bits for the range and 4 for what lies above its start (U32 in B.2.2).
    at = 8 * start + header.transfer_at + 2
    number = int.from_bytes(coded[at >> 3 : (at >> 3) + 2], "little")
    number ^= ((LINEAR - 2) ^ (SRGB - 2)) << (at & 7)
    return coded[: at >> 3] + number.to_bytes(2, "little") + coded[(at >> 3) + 2 :]
