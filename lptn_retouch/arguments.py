"""What a caller may give besides a picture, and in one of floats: checked before any work, refused in a sentence."""

from __future__ import annotations

import math
import numbers
import sys
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
import numpy.typing as npt

from lptn_retouch.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

# Resampling overshoots by a fifth at the most, sharpening here and there by the whole range, and what is brightened
# by a stop reaches 1.4. So anything may lie within the wide range, and all but a few values lie within the usual one.
_USUAL = (-0.25, 1.5)
_WIDE = (-1.5, 2.5)
_FEW = 1 / 20


def is_tensor(value: object) -> TypeGuard[Tensor]:
    """Whether it is a torch tensor; torch is not imported for that, since whoever has one has imported it.

    Example:
        >>> is_tensor(np.zeros(3))
        False
    """
    kind = getattr(sys.modules.get("torch"), "Tensor", None)
    return kind is not None and isinstance(value, kind)


def check_limit(memory_limit: int | None) -> None:
    """Raise a UsageError unless it is a number of bytes, or None."""
    if memory_limit is not None and not (isinstance(memory_limit, numbers.Real) and memory_limit > 0):
        raise UsageError(f"memory_limit is a number of bytes above 0, or None, not {str(memory_limit)[:40]!r}.")


def check_floats(values: npt.NDArray[Any] | Tensor) -> None:
    """Refuse a picture of floats that are not meant as 0 (black) to 1 (white), and say what they look like.

    A few that overshoot, as resampling and sharpening make them, are fine: results are clipped.

    Args:
        values: of any shape.

    Raises:
        UsageError: there is NaN or infinity among them; or one lies outside -1.5 to 2.5, or a twentieth of them
            outside -0.25 to 1.5.

    Example:
        >>> check_floats(np.array([0.0, 0.5, 1.02], np.float32))
        >>> check_floats(np.array([0.0, 128.0, 255.0], np.float32))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        lptn_retouch.errors.UsageError: a picture's floats ... from 0 to 255; divide 8-bit values by 255.
    """
    least, greatest = float(values.min()), float(values.max())
    if not (math.isfinite(least) and math.isfinite(greatest)):
        raise UsageError("this picture of floats holds NaN or infinity; replace those pixels first.")
    if _USUAL[0] <= least and greatest <= _USUAL[1]:
        return
    outside = float(((values < _USUAL[0]) | (values > _USUAL[1])).sum()) / math.prod(values.shape)
    if _WIDE[0] <= least and greatest <= _WIDE[1] and outside <= _FEW:
        return
    raise UsageError(
        f"a picture's floats lie from 0 to 1, not from {least:.4g} to {greatest:.4g}; {_cure(least, greatest)}."
    )


def _cure(least: float, greatest: float) -> str:
    """What was likely meant, by the range."""
    if _WIDE[0] <= least and greatest <= _USUAL[1]:
        return "if they were made for -1 to 1 give (x + 1) / 2, else clip them"
    if least < 0 and greatest <= 16:
        return "undo what they were normalised by, or clip them"
    if greatest <= 16:  # light in a scene, or nearly all black
        return "clip what is brighter than white, or divide by the value that white has"
    if greatest <= 300:
        return "divide 8-bit values by 255"
    if greatest <= 70_000:
        return "divide 16-bit values by 65535, or others by the greatest that they can have"
    return "divide them by the value that white has"


def weight(mask: Any, size: tuple[int, ...]) -> npt.NDArray[np.float32] | None:
    """A mask as an array (H, W) of floats; None for none.

    Args:
        mask: array, tensor or what NumPy makes an array of, (H, W) in [0, 1].
        size: (H, W) of the picture.

    Raises:
        UsageError: it is not that.

    Example:
        >>> weight([[0, 1]], (1, 2))
        array([[0., 1.]], dtype=float32)
    """
    if mask is None:
        return None
    try:
        array = _numbers(mask) if is_tensor(mask) else np.asarray(mask)
        if array.dtype.kind not in "biuf":
            raise TypeError
    except (TypeError, ValueError, RuntimeError, OSError):  # the last two of a tensor and a PIL image without content
        raise UsageError("a mask is an array or tensor (H, W) of numbers from 0 to 1, not something else.") from None
    weights = np.array(array, np.float32, order="C")
    if weights.shape != tuple(size):
        raise UsageError(f"the mask has shape {weights.shape}, the picture {tuple(size)}; they must agree.")
    if not np.isfinite(weights).all():
        raise UsageError("this mask holds NaN or infinity; replace those numbers first.")
    if not ((weights >= 0) & (weights <= 1)).all():
        raise UsageError("a mask holds numbers from 0 to 1; divide an 8-bit mask by 255, or clip one that overshoots.")
    return weights


def _numbers(mask: Tensor) -> npt.NDArray[Any]:
    here = mask.detach().cpu()
    return np.asarray((here.float() if here.is_floating_point() else here).numpy())
