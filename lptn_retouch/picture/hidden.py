"""What alpha hides altogether: its colours are not to be seen, so they must not change how the rest is graded."""

import numpy as np
import numpy.typing as npt

from lptn_retouch.picture.samples import Pixels


def hidden_in(pixels: Pixels) -> npt.NDArray[np.bool_] | None:
    """Where (H, W) a picture's alpha is 0; None where it is nowhere, or everywhere.

    >>> hidden_in(np.zeros((1, 2, 3), np.uint8)) is None
    True
    """
    if pixels.shape[2] != 4:
        return None
    hidden: npt.NDArray[np.bool_] = pixels[:, :, 3] == 0
    return hidden if hidden.any() and not hidden.all() else None


def filled(pixels: Pixels, hidden: npt.NDArray[np.bool_]) -> Pixels:
    """A copy with the mean of what is visible in what is hidden.

    >>> filled(np.array([[[9, 9, 9, 0], [4, 5, 6, 255]]], np.uint8), np.array([[True, False]]))[0, 0].tolist()
    [4, 5, 6, 0]
    """
    copy = pixels.copy()
    for channel in range(3):
        mean = pixels[:, :, channel].mean(where=~hidden, dtype=np.float64)
        copy[:, :, channel][hidden] = mean if pixels.dtype == np.float32 else round(mean)
    return copy
