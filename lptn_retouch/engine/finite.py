"""Whether weights lead to colours: finite ones can still overflow, and a clipped infinity would pass for white."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lptn_retouch.errors import InvalidPresetError

if TYPE_CHECKING:
    from torch import Tensor

_GREATEST = 1e9  # of what a network computes: a look stays below 100, and a product of two such is finite


def check_finite(*numbers: Tensor | npt.NDArray[Any]) -> None:
    """Refuse what a network has computed if it is not finite, or so large that what follows would not be.

    Raises:
        InvalidPresetError: one number is.

    Example:
        >>> import torch
        >>> check_finite(torch.zeros(3), np.ones(2))
    """
    for some in numbers:
        least, greatest = (some.min(), some.max()) if isinstance(some, np.ndarray) else some.aminmax()
        if not (float(least) > -_GREATEST and float(greatest) < _GREATEST):  # false for NaN
            raise InvalidPresetError("its weights lead to numbers that are no colours; fetch it again from its source.")
