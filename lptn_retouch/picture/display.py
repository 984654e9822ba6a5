"""A picture for other programs of the same process: a notebook, which shows it, and Pillow."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lptn_retouch.arguments import check_floats
from lptn_retouch.picture.picture import Picture
from lptn_retouch.picture.resize import fitted
from lptn_retouch.picture.samples import as_stored, eight_bits

if TYPE_CHECKING:
    from PIL.Image import Image

LONG_EDGE = 960  # px: what the column of a notebook shows
_QUALITY = 88


def as_pillow(picture: Picture) -> Image:
    """A PIL image of 8 bits; see :meth:`lptn_retouch.Photo.to_pil`."""
    from PIL import Image

    if picture.pixels.dtype == np.float32:
        check_floats(picture.pixels)
    icc = picture.metadata.icc
    pixels = as_stored(eight_bits(picture.pixels), icc, grey=picture.source.grey)
    image = Image.fromarray(np.ascontiguousarray(pixels))
    if icc is not None:
        image.info["icc_profile"] = icc
    return image


def as_shown(picture: Picture, format: str) -> bytes:
    """A small picture in sRGB, as a file of a format that Pillow writes, "PNG" or "JPEG"."""
    from PIL import Image

    small = replace(picture, pixels=fitted(picture.pixels, LONG_EDGE)).in_srgb()
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(eight_bits(small.pixels))).save(out, format, quality=_QUALITY)
    return out.getvalue()
