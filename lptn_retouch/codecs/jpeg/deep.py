"""JPEGs that Pillow does not read: of 12 bits, and lossless ones of up to 16 bits, through libjpeg-turbo.

imagecodecs keeps silent about what libjpeg-turbo complains of, so the end of the picture is looked for here.

Source: ITU-T T.81 (09/92).
"""

import imagecodecs
import numpy as np

from lptn_retouch.codecs.decoded import Decoded, from_inks, three_channels, widened
from lptn_retouch.codecs.format import Encoded
from lptn_retouch.codecs.jpeg.decoding import DENSEST
from lptn_retouch.errors import UnreadablePhotoError
from lptn_retouch.structures.jpeg import FRAMES, Segment

_LOSSLESS = 3  # of the two low bits of a frame's marker (table B.1)
_ADOBE = 0xEE
_END = b"\xff\xd9"
_PADDING = 4096  # bytes behind the end that some writers leave


def is_deep(segments: list[Segment]) -> bool:
    """Whether the frame header (B.2.2) says other than 8 bits, or a lossless process."""
    frame = _frame(segments)
    return frame is not None and (frame.data[0] != 8 or frame.marker & 3 == _LOSSLESS)


def decode(picture: Encoded[list[Segment]]) -> Decoded:
    """Decode such a JPEG, at 16 bits where it has more than 8.

    Raises:
        UnreadablePhotoError: cut short.
        UnsupportedPhotoError: it is too large.
        Exception: what libjpeg-turbo says of a damaged one.
    """
    data, segments = picture.data, picture.structure
    frame = _frame(segments)
    assert frame is not None  # or it would not be deep
    bits, height, width = frame.data[0], *(int.from_bytes(frame.data[at : at + 2], "big") for at in (1, 3))
    picture.check_size(width, height, "uint8" if bits <= 8 else "uint16", DENSEST * len(data))
    if _END not in data[-_PADDING:]:
        raise UnreadablePhotoError(
            f"{picture.name}: the file ends before its picture does; copy it again from its source."
        )
    samples = imagecodecs.jpeg8_decode(data)
    if bits > 8:
        samples = widened(samples, bits)
    elif bits < 8:
        samples = (widened(samples, bits) >> 8).astype(np.uint8)
    if samples.ndim == 3 and samples.shape[2] == 4:
        inverted = any(s.marker == _ADOBE and s.data.startswith(b"Adobe") for s in segments)
        return from_inks(np.invert(samples) if inverted else samples, picture.metadata.icc)
    pixels, grey = three_channels(samples)
    return Decoded(pixels, grey)


def _frame(segments: list[Segment]) -> Segment | None:
    return next((s for s in segments if s.marker in FRAMES and s.data), None)
