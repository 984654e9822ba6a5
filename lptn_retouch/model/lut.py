"""The form of a colour look-up table (LUT): its tensors, what they may hold, and the table as a value. Without torch.

A table says for colours that lie on a grid what becomes of them; between them it is interpolated. That is a look that
travels: every editor reads one. It is a model of its own kind beside the networks: it has weights, the table, and it
runs wherever a preset runs; but it looks at nothing, so a colour becomes the same in every picture.

Two tensors: ``lut.table``, (N, N, N, 3) by blue, green and red, or (N, 3) for three curves; and ``lut.domain``, (2, 3),
the colours of its first and last samples. That is the order of a ``.cube`` file, red running fastest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lptn_retouch.errors import InvalidPresetError
from lptn_retouch.model.form import Floats, check_shapes, not_finite

LUT = "lut"  # what a preset's header calls the architecture
TABLE, DOMAIN = "lut.table", "lut.domain"
CUBE_SIZES = (2, 144)  # samples a side; 144, that of a HaldCLUT of level 12, makes a preset of 36 MB
CURVE_SIZES = (2, 65536)  # samples of three curves
_GREATEST = 1e6  # of what a table makes of a colour; those made for photographs stay within a few
_NARROWEST = 1e-4  # distance of the domain's ends


@dataclass(frozen=True, eq=False)
class Lut:
    """A colour look-up table.

    Args:
        table: (N, N, N, 3) by blue, green, red, or (N, 3) for a curve each of red, green and blue; float32.
        domain: (2, 3), the colours of the first and the last samples; what lies outside is taken as lying there.
        title: what it calls itself; "" if it does not.

    Raises:
        InvalidPresetError: the shapes are not such, or a number is not finite.

    Example:
        >>> identity(33).table.shape, identity(33).size
        ((33, 33, 33, 3), 33)
    """

    table: npt.NDArray[np.float32]
    domain: npt.NDArray[np.float32]
    title: str = ""

    def __post_init__(self) -> None:
        found = checked_lut(self.weights)
        object.__setattr__(self, "table", found[TABLE])
        object.__setattr__(self, "domain", found[DOMAIN])

    @property
    def size(self) -> int:
        """Samples along an axis."""
        return len(self.table)

    @property
    def weights(self) -> Floats:
        """The tensors that a preset holds."""
        return {TABLE: self.table, DOMAIN: self.domain}


def identity(size: int) -> Lut:
    """The table, `size` samples a side, that leaves every colour as it is.

    Example:
        >>> identity(2).table[0, 1, 1].tolist()  # no blue, all green and red
        [1.0, 1.0, 0.0]
    """
    axis = np.linspace(0, 1, size, dtype=np.float32)
    blue, green, red = np.meshgrid(axis, axis, axis, indexing="ij")
    return Lut(np.stack([red, green, blue], axis=-1), UNIT)


def is_lut(names: Iterable[str]) -> bool:
    """Whether tensors of these names are a table, and not a network's weights."""
    return any(name.startswith("lut.") for name in names)


def checked_lut(weights: Mapping[str, npt.NDArray[Any]]) -> Floats:
    """The tensors of a table as arrays of float32 of their own, which cannot be written to.

    Raises:
        InvalidPresetError: says what is wrong with names, shapes, types or values.
    """
    table = weights.get(TABLE, np.empty(0))
    size = table.shape[0] if table.ndim else 0
    check_shapes(weights, {TABLE: (size, 3) if table.ndim == 2 else (size, size, size, 3), DOMAIN: (2, 3)})
    check_size(size, curves=table.ndim == 2)
    found: Floats = {}
    for name, array in weights.items():
        if array.dtype.kind != "f" or not np.isfinite(array).all():
            raise not_finite(name)
        if np.abs(array).max() > _GREATEST:
            raise InvalidPresetError(f"tensor {name!r} holds numbers that are no colours; white is 1 in a table.")
        found[name] = np.array(array, np.float32, order="C")
        found[name].flags.writeable = False
    first, last = found[DOMAIN]
    if (last - first < _NARROWEST).any():
        raise InvalidPresetError(
            "the table's domain ends before it begins; it runs from black, 0, to white, 1, mostly."
        )
    return found


def check_size(size: int, *, curves: bool) -> None:
    """Refuse a table of too few samples or too many, before there is room made for it.

    Raises:
        InvalidPresetError: it is such.
    """
    least, most = CURVE_SIZES if curves else CUBE_SIZES
    if not least <= size <= most:
        what = "curves have" if curves else "a cube has"
        raise InvalidPresetError(f"{what} {least} to {most:,} samples a side here, not {size}; sample it anew.")


UNIT = np.array([[0, 0, 0], [1, 1, 1]], np.float32)
UNIT.flags.writeable = False
