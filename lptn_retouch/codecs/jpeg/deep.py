"""JPEGs that Pillow does not read: of 12 bits, and lossless ones of up to 16 bits, through libjpeg-turbo.

imagecodecs keeps silent about what libjpeg-turbo complains of, so the end of the picture is looked for here.

Source: ITU-T T.81 (09/92).
"""

import imagecodecs
import numpy as np

from lptn_retouch.codecs.decoded import Decoded, three_channels, widened
from lptn_retouch.codecs.limits import Fits, check_plausible, check_size
from lptn_retouch.color import cmyk_to_srgb
from lptn_retouch.errors import UnreadablePhotoError
from lptn_retouch.structures.jpeg import FRAMES, jpeg_segments

_LOSSLESS = 3  # of the two low bits of a frame's marker (table B.1)
_ADOBE = 0xEE
_END = b"\xff\xd9"
_PADDING = 4096  # bytes behind the end that some writers leave


def is_deep(data: bytes) -> bool:
    """Whether the frame header (B.2.2) says other than 8 bits, or a lossless process."""
    frame = next((s for s in jpeg_segments(data) if s.marker in FRAMES and s.data), None)
    return frame is not None and (frame.data[0] != 8 or frame.marker & 3 == _LOSSLESS)


def decode(data: bytes, name: str, icc: bytes | None, fits: Fits | None) -> Decoded:
    """Decode such a JPEG, at 16 bits where it has more than 8.

    Args:
        data: the file.
        name: the file as messages name it.
        icc: its profile, which inks need to become colours.
        fits: asked before a pixel is decoded.

    Raises:
        UnreadablePhotoError: cut short.
        UnsupportedPhotoError: it is too large.
        Exception: what libjpeg-turbo says of a damaged one.
    """
    segments = list(jpeg_segments(data))
    frame = next(s.data for s in segments if s.marker in FRAMES and s.data)
    bits, height, width = frame[0], int.from_bytes(frame[1:3], "big"), int.from_bytes(frame[3:5], "big")
    check_size(name, width, height)
    check_plausible(name, "JPEG", width * height, bits, len(data))
    if fits:
        fits(width, height, "uint8" if bits <= 8 else "uint16")
    if _END not in data[-_PADDING:]:
        raise UnreadablePhotoError(f"{name}: the file ends before its picture does; copy it again from its source.")
    samples = imagecodecs.jpeg8_decode(data)
    if bits > 8:
        samples = widened(samples, bits)
    elif bits < 8:
        samples = (widened(samples, bits) >> 8).astype(np.uint8)
    if samples.ndim == 3 and samples.shape[2] == 4:
        inverted = any(s.marker == _ADOBE and s.data.startswith(b"Adobe") for s in segments)
        colours, said = cmyk_to_srgb(np.invert(samples) if inverted else samples, icc)
        return Decoded(colours, converted=True, notices=("Its inks (CMYK) were converted to sRGB.", *said))
    pixels, grey = three_channels(samples)
    return Decoded(pixels, grey)
