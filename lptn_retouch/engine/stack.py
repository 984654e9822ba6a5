"""Several engines one after the other, as one: what lies between them has 16 bits or is floats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lptn_retouch.engine.retouched import Retouched, Retouching
from lptn_retouch.threads import in_strips

if TYPE_CHECKING:
    import torch

    from lptn_retouch.engine.choose import Engine

Array = npt.NDArray[Any]

_ROWS = 32  # worked on at once


class StackEngine(Retouching):
    """Retouch pictures by steps, each an engine and its strength.

    The strengths of a call scale each step's. A mask is for the whole stack: the engines see the picture everywhere
    retouched, so where the mask is 1 the result is as without. A step of strength 0 is left out; one that is left
    alone gets the picture itself, so its result is as without a stack, bit for bit.

    Args:
        steps: from first to last; all on one device.
    """

    name = "stack"

    def __init__(self, steps: Sequence[tuple[Engine, float]]) -> None:
        self._first = steps[0][0]
        self.steps = tuple(step for step in steps if step[1] > 0)

    @property
    def device(self) -> torch.device | str:
        return self._first.device

    def retouch(
        self, picture: Array, amount: float, detail: float, where: Array | None = None, out: Array | None = None
    ) -> Retouched:
        """Retouch one picture, and say how much of each look it got; as :meth:`Retouching.retouch`."""
        if len(self.steps) == 1:
            engine, strength = self.steps[0]
            return engine.retouch(picture, strength * amount, strength * detail, where, out)
        wide = _widened(picture)
        shares: tuple[float, ...] = ()
        for engine, strength in self.steps:
            shares += engine.retouch(wide, strength * amount, strength * detail, None, wide).shares
        return Retouched(_settled(picture, wide, where, out), shares)

    def memory(self, height: int, width: int, dtype: npt.DTypeLike) -> int:
        """Bytes at the peak besides the picture and its result; as :meth:`ReferenceEngine.memory`."""
        if len(self.steps) == 1:
            return self.steps[0][0].memory(height, width, dtype)
        between = _wide(np.dtype(dtype))
        work = max((engine.memory(height, width, between) for engine, _ in self.steps), default=0)
        return 4 * height * width * between.itemsize + work


def _wide(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype(np.uint16) if dtype == np.uint8 else dtype


def _widened(picture: Array) -> Array:
    """A copy for engines to write to."""
    if picture.dtype == np.uint8:
        return np.multiply(picture, 257, dtype=np.uint16, order="C")
    return picture.copy()


def _settled(picture: Array, wide: Array, where: Array | None, out: Array | None) -> Array:
    """The result at the picture's depth, laid over the picture where the mask says so."""
    if out is None:
        if where is None and wide.dtype == picture.dtype:
            return wide
        out = np.empty_like(picture, order="C")
    white = np.float32(257 if picture.dtype == np.uint8 else 1)

    def settle(first: int, end: int) -> None:
        for top in range(first, end, _ROWS):
            rows = slice(top, min(top + _ROWS, end))
            part = wide[rows, :, :3] / white
            if where is not None:
                share, before = where[rows, :, None], picture[rows, :, :3]
                part = np.where(share < 1, before + share * (part - before), part)  # as it is where nothing changed
            out[rows, :, 3:] = picture[rows, :, 3:]
            out[rows, :, :3] = part if picture.dtype == np.float32 else np.rint(part)

    in_strips(settle, len(picture))
    return out
