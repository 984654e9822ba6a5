"""Ordinary JPEGs: straight from libjpeg-turbo where nothing is odd about them, else through Pillow."""

import io

import numpy as np
from PIL import ImageFile, JpegImagePlugin

from lptn_retouch.codecs.decoded import Decoded, from_inks
from lptn_retouch.codecs.format import Encoded
from lptn_retouch.codecs.jpeg import pixels
from lptn_retouch.codecs.pillow import check, decoded, frames, header
from lptn_retouch.structures.jpeg import Segment

PILLOW = "JpegImagePlugin.jpeg_factory"
DENSEST = 2000
"""Pixels a byte: a block of 64 samples takes at least one bit in one scan, which with 4:2:0 is 341 pixels and in grey
512; the rest is room for coders not thought of."""

_SUBSAMPLING = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}


def decode(picture: Encoded[list[Segment]]) -> Decoded:
    """Decode a JPEG of 8 bits a channel.

    Raises:
        UnreadablePhotoError: its header promises too much.
        UnsupportedPhotoError: too large.
        Exception: Pillow's, of a damaged file.
    """
    data = bytes(picture.data)
    image = _opened(data, picture.structure)
    check(picture, image, DENSEST * len(data))
    notices, subsampling = frames(image), _SUBSAMPLING.get(JpegImagePlugin.get_sampling(image))
    if image.mode == "RGB" and (straight := pixels.decode(data)) is not None and straight.shape[1::-1] == image.size:
        return Decoded(straight, subsampling=subsampling, notices=notices)
    image.load()
    if image.mode == "CMYK":
        inks = np.asarray(image)
        if "adobe" not in image.info:  # Pillow takes all to be inverted, as Adobe's are
            inks = np.invert(inks)
        found = from_inks(inks, picture.metadata.icc)
        return found._replace(notices=notices + found.notices)
    return decoded(image)._replace(subsampling=subsampling, notices=notices)


def _opened(data: bytes, segments: list[Segment]) -> ImageFile.ImageFile:
    """The picture's header; of a JPEG whose metadata Pillow cannot take, without it."""
    try:
        return header(io.BytesIO(data), PILLOW)
    except Exception:
        return header(io.BytesIO(pixels.bare(data, segments)), PILLOW)
