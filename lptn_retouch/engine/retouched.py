"""What an engine hands back."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy.typing as npt


class Retouched(NamedTuple):
    """A picture's retouch, and how much of the look it got.

    Args:
        pixels: (H, W, 3) or (H, W, 4), like the picture's.
        shares: of each look, 0 to 1, as its network chose by a glance at the picture; 1 for one that does not choose.
            A stack has one for each step that is no nought; what nobody looked at has none.
    """

    pixels: npt.NDArray[Any]
    shares: tuple[float, ...] = ()
