"""EXIF orientation turned into pixels. Tag 0x0112, values 1 to 8: Exif 3.0 (CIPA DC-008), section 4.6.4."""

from typing import Any

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[Any]


def upright(pixels: Pixels, orientation: int) -> Pixels:
    """Turn and mirror stored pixels so that they stand upright.

    Args:
        pixels: (H, W, ...) as stored in the file, any type.
        orientation: the EXIF value, 1 to 8; anything else counts as 1, as cameras write 0 for "unknown".

    Returns:
        (H, W, ...) for 1 to 4, (W, H, ...) for 5 to 8; a view where no turn is needed, else a contiguous copy.

    Example:
        >>> upright(np.array([[1, 2], [3, 4]]), 6).tolist()  # the camera stood on its side: a quarter turn clockwise
        [[3, 1], [4, 2]]
    """
    if orientation not in range(2, 9):
        return pixels
    return _turned(pixels, swap=orientation >= 5, up=orientation in (3, 4, 7, 8), left=orientation in (2, 3, 6, 7))


def unflipped(pixels: Pixels, flip: int) -> Pixels:
    """Apply LibRaw's `flip` to pixels developed without it.

    Args:
        pixels: (H, W, ...) as the sensor lies.
        flip: three bits, 4: swap axes, 2: mirror top to bottom, 1: mirror left to right (read in that order when a
            result's row and column are traced back to the sensor's, as in LibRaw's `flip_index`).

    Example:
        >>> unflipped(np.array([[1, 2], [3, 4]]), 6).tolist()
        [[3, 1], [4, 2]]
    """
    if flip & 2:
        pixels = pixels[::-1]
    if flip & 1:
        pixels = pixels[:, ::-1]
    return _turned(pixels, swap=bool(flip & 4), up=False, left=False)


def _turned(pixels: Pixels, *, swap: bool, up: bool, left: bool) -> Pixels:
    """Swap the axes, then mirror top to bottom, then left to right; a contiguous copy.

    NumPy moves sample by sample; a pixel taken for one item is turned in half the time.
    """
    if pixels.ndim == 3:
        items = np.ascontiguousarray(pixels).view(f"V{pixels.itemsize * pixels.shape[2]}")[..., 0]
    else:
        items = pixels
    items = items.swapaxes(0, 1) if swap else items
    items = items[::-1] if up else items
    items = items[:, ::-1] if left else items
    turned = np.ascontiguousarray(items)
    return turned.view(pixels.dtype).reshape(*turned.shape, *pixels.shape[2:])
