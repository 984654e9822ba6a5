"""What an engine hands back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import numpy.typing as npt

Array = npt.NDArray[Any]


class Retouched(NamedTuple):
    """A picture's retouch, and how much of the look it got.

    Args:
        pixels: (H, W, 3) or (H, W, 4), like the picture's.
        shares: of each look, 0 to 1, as its network chose by a glance at the picture; 1 for one that does not choose.
            A stack has one for each step that is no nought; what nobody looked at has none.
    """

    pixels: Array
    shares: tuple[float, ...] = ()


class Retouching(ABC):
    """An engine: it retouches, and is called by those who want the pixels alone."""

    @abstractmethod
    def retouch(
        self, picture: Array, amount: float, detail: float, where: Array | None = None, out: Array | None = None
    ) -> Retouched:
        """Retouch one picture, and say how much of the look it got.

        Args:
            picture: (H, W, 3) or (H, W, 4), uint8, uint16 or float32 in [0, 1]; alpha passes through.
            amount, detail: 0 to 2.
            where: (H, W), float32 in [0, 1]: where to apply the retouch; None for everywhere.
            out: where to put the result, an array like `picture` or itself; None for a new one.

        Returns:
            `out`, and the share of the look.
        """

    def __call__(
        self, picture: Array, amount: float, detail: float, where: Array | None = None, out: Array | None = None
    ) -> Array:
        """Retouch one picture; as :meth:`retouch`, but `out` alone is returned."""
        return self.retouch(picture, amount, detail, where, out).pixels
