"""HaldCLUT: a table as a picture, which any editor can read, write and grade.

Level L is a picture of L³ by L³ pixels that holds a cube of L² samples a side, in rows, red running fastest, then
green, then blue (Eskil Steenberg, http://www.quelsolaar.com/technology/clut.html). Being a picture, its numbers are
those of its file; ours are of sRGB, and it has no domain but 0 to 1.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from lptn_retouch.errors import InvalidPresetError, PhotoError, shown
from lptn_retouch.model.lut import UNIT, Lut
from lptn_retouch.opening import open_fitting
from lptn_retouch.photo import Photo
from lptn_retouch.picture.samples import at_depth

LEVEL = 6  # of what is written: 36 samples a side, about as many as a .cube has, in 216 x 216 pixels
LEVELS = range(2, 13)  # that are read; 12 has 144 samples a side in 1728 x 1728 pixels
_EXACT = ("PNG", "TIFF")


def read_hald(path: Path) -> Lut:
    """Read a HaldCLUT, PNG or TIFF, of 8 or 16 bits or floats.

    Raises:
        InvalidPresetError: it is no picture, or none of such a size; it is known before a pixel is decoded.

    Example:
        >>> import tempfile
        >>> from lptn_retouch.model.lut import identity
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_hald(file := Path(folder, "none.png"), identity(9))
        ...     read_hald(file).size
        9
    """
    name = shown(path.name)
    try:
        photo = open_fitting(path, partial(_check, name))
    except PhotoError as error:
        raise InvalidPresetError(str(error)) from None
    if photo.source.format not in _EXACT:
        raise InvalidPresetError(f"{name}: a HaldCLUT is a PNG or a TIFF, which are exact, not {photo.source.format}.")
    if photo.to_srgb() is not photo:
        raise InvalidPresetError(f"{name}: its profile is {photo.color_space}, where one of sRGB is read; convert it.")
    size = round(photo.width ** (1 / 3)) ** 2
    colours = at_depth(photo.pixels[..., :3], 32)
    return Lut(colours.reshape(size, size, size, 3), UNIT)


def write_hald(path: Path, lut: Lut) -> None:
    """Write a table as a HaldCLUT, a PNG of 16 bits.

    Args:
        path: where; a ``.png``.
        lut: a cube whose samples a side are a square number, of the domain 0 to 1.

    Raises:
        UnwritablePhotoError: the disk is full, the folder forbids it...
    """
    side = round(lut.size**0.5) ** 3
    pixels = np.clip(lut.table, 0, 1).reshape(side, side, 3)
    Photo(pixels).save(path, bit_depth=16, metadata="none")


def _check(name: str, width: int, height: int, _: str) -> None:
    """Refuse a picture that is no HaldCLUT, by its size."""
    level = round(width ** (1 / 3))
    if width != height or level**3 != width or level not in LEVELS:
        raise InvalidPresetError(
            f"{name}: {width} x {height} pixels are no HaldCLUT, which is a square of 8, 27, 64... to 1728 pixels; "
            "give one of level 2 to 12."
        )
