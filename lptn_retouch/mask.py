"""A mask from a file: where a retouch is applied."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lptn_retouch.errors import UnsupportedPhotoError, UsageError, shown
from lptn_retouch.opening import open_photo
from lptn_retouch.picture.samples import Pixels

_COLOURED = 0.03  # of white, the mean difference of channels: more than a JPEG leaves of a grey picture


@dataclass(frozen=True, eq=False)
class Mask:
    """Where to apply a retouch, for pictures of one shape and any size.

    Args:
        weights: (H, W), float32 in [0, 1].
        name: its file's, without folders.
        sha256: of the file, in hexadecimal.
    """

    weights: npt.NDArray[np.float32] = field(repr=False)
    name: str = ""
    sha256: str = ""

    def at(self, height: int, width: int) -> npt.NDArray[np.float32]:
        """The mask for a picture of this size, (H, W).

        Raises:
            UsageError: the picture has another shape.

        Example:
            >>> Mask(np.ones((200, 300), np.float32)).at(20, 30).shape
            (20, 30)
        """
        from PIL import Image

        own_height, own_width = self.weights.shape
        if (own_height, own_width) == (height, width):
            return self.weights
        scale = width / own_width
        if abs(own_height * scale - height) > max(1.0, scale):  # a pixel of the larger, which was rounded
            raise UsageError(
                f"the mask {shown(self.name)} has {own_width} x {own_height} pixels, which is another shape than the "
                f"picture's {width} x {height}; make it of the picture's shape, of any size."
            )
        scaled = Image.fromarray(self.weights).resize((width, height), Image.Resampling.BILINEAR)
        return np.clip(np.asarray(scaled, np.float32), 0, 1)


def open_mask(path: str | os.PathLike[str]) -> Mask:
    """Read a mask: a grey picture of any format and depth, upright as its photograph is, white where to apply the look.

    If parts of it are transparent, its opacity is the mask, whatever its colours.

    Raises:
        PhotoError: it cannot be opened, or is a picture in colours.

    Example:
        >>> import tempfile
        >>> from lptn_retouch import Photo
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     half = Photo(np.full((2, 3, 3), 51, np.uint8)).save(f"{folder}/half.png").path
        ...     open_mask(half).weights.tolist()
        [[0.20000000298023224, 0.20000000298023224, 0.20000000298023224], [0.20000000298023224, ...]]
    """
    photo = open_photo(path)
    return Mask(_weights(photo.pixels, path), Path(path).name, photo.source.sha256 or "")


def _weights(pixels: Pixels, path: str | os.PathLike[str]) -> npt.NDArray[np.float32]:
    if pixels.dtype == np.float32:
        pixels = np.nan_to_num(pixels)
    white = np.float32(1 if pixels.dtype == np.float32 else np.iinfo(pixels.dtype).max)
    if pixels.shape[2] == 4 and pixels[:, :, 3].min() < white:
        return _shares(pixels[:, :, 3], white)
    colours = pixels[:, :, :3]
    if np.mean(colours.max(2) - colours.min(2), dtype=np.float64) > _COLOURED * white:
        raise UnsupportedPhotoError(
            f"{shown(path)}: a mask is a grey picture, and this one is in colours; make it grey, white where the look "
            "shall be applied."
        )
    return _shares(colours.mean(2, dtype=np.float32), white)


def _shares(plane: Pixels, white: np.float32) -> npt.NDArray[np.float32]:
    return np.asarray(np.clip(plane / white, 0, 1), np.float32)
