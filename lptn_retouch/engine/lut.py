# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator"
# ruff: noqa: ARG001, ARG005
"""The CPU engine of colour look-up tables: a picture is read once, and every pixel looked up, in compiled code.

The mathematics is that of :class:`lptn_retouch.model.lut_network.LutNetwork`, tetrahedral in a cube and linear in
curves. With ``T`` the table, a pixel becomes ``I + amount (T(I) - I)``. A table has no bands, so `detail` says nothing.

The kernel is in one file with its parts, since numba's cache on the disk looks at no other.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, lru_cache, partial
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from numba.extending import overload

from lptn_retouch.engine.plan import FULL_SCALE
from lptn_retouch.engine.retouched import Retouched, Retouching
from lptn_retouch.model.lut import DOMAIN, TABLE
from lptn_retouch.notices import compiling, without_numba
from lptn_retouch.threads import in_strips

Array = npt.NDArray[Any]

_NOWHERE = np.empty((0, 0), np.float32)
_OPTIONS: Any = {"nogil": True, "error_model": "numpy"}
_PART: Any = {"forceinline": True, **_OPTIONS}
_F = np.float32
_at = np.uintp  # of an index that is never negative: the compiler need not count it from the end
_part = numba.njit(**_PART)


class LutEngine(Retouching):
    """Retouch pictures on the CPU with a table.

    Args:
        weights: as :mod:`lptn_retouch.model.lut` describes them, checked.
    """

    name = "cpu"
    device = "cpu"

    def __init__(self, weights: Mapping[str, npt.NDArray[np.float32]]) -> None:
        self._weights = weights
        table, (first, last) = weights[TABLE], weights[DOMAIN]
        self._table = np.ascontiguousarray(table.reshape(-1, 3))
        self._axes = first, np.asarray((len(table) - 1) / (last - first), np.float32)
        self._size = len(table) if table.ndim == 4 else 0  # 0: curves

    def retouch(
        self, picture: Array, amount: float, detail: float, where: Array | None = None, out: Array | None = None
    ) -> Retouched:
        """Retouch one picture; as :meth:`Retouching.retouch`. A table does not choose."""
        if not _compiled(picture.dtype.name):
            return self._slow.retouch(picture, amount, detail, where, out)  # type: ignore[no-any-return]
        return Retouched(self._retouch(picture, amount, where, out), (1.0,))

    def memory(self, height: int, width: int, dtype: npt.DTypeLike) -> int:
        """Bytes at the peak besides the picture and its result; as :meth:`ReferenceEngine.memory`. None, by pixel."""
        del height, width, dtype
        return 0

    def _retouch(self, picture: Array, amount: float, where: Array | None, out: Array | None) -> Array:
        out = np.empty_like(picture, order="C") if out is None else out
        source = np.ascontiguousarray(picture).view()
        source.flags.writeable = False  # an array of another kind would be compiled for once more
        scale = np.float32(1 / FULL_SCALE[picture.dtype])
        nowhere = _NOWHERE if where is None else where
        work = partial(_look_up, source, scale, self._table, self._size, *self._axes, _F(amount), nowhere, out)
        in_strips(work, len(picture))
        return out

    @cached_property
    def _slow(self) -> Any:
        """The reference, where compiled code cannot be had."""
        import torch

        from lptn_retouch.engine.reference import ReferenceEngine
        from lptn_retouch.model.checkpoint import build_network

        return ReferenceEngine(build_network(self._weights), torch.device("cpu"))


@lru_cache
def _compiled(dtype: str) -> bool:
    """Have the kernel for a kind of picture; say so if that takes long, or fails."""
    try:
        with compiling():
            table = {TABLE: np.zeros((2, 3), np.float32), DOMAIN: np.array([[0] * 3, [1] * 3], np.float32)}
            LutEngine(table)._retouch(np.zeros((1, 1, 3), dtype), 1.0, None, None)
    except Exception as error:  # numba is there, but not for this processor
        without_numba(error)
        return False
    return True


def _kept(function):
    """A kernel that is called from Python: compiled once for a machine, and kept in numba's cache on the disk."""
    try:
        return numba.njit(cache=True, **_OPTIONS)(function)
    except RuntimeError:  # no folder for a cache can be written to
        return numba.njit(**_OPTIONS)(function)


@_part
def _clipped(value):
    value = value if value > 0 else _F(0)
    return value if value < 1 else _F(1)


@_part
def _place(value, first, step, size):
    """The cell of an axis in which a value lies, and how far in."""
    place = (value - first) * step
    place = place if place > 0 else _F(0)
    cell = min(np.int32(min(place, _F(size - 1))), size - 2)
    return cell, min(place - _F(cell), _F(1))


@_part
def _between(table, c, near, one, two, far, most, middle, least):
    """The average of a tetrahedron's corners, from the near one along its edges to the far one."""
    value = (_F(1) - most) * table[_at(near), c] + (most - middle) * table[_at(one), c]
    return value + (middle - least) * table[_at(two), c] + least * table[_at(far), c]


@_kept
def _look_up(picture, scale, table, size, first, steps, amount, where, out, start, end):
    """Rows `start` to `end` of a picture, (H, W, 3 or 4), looked up.

    Args: scale, the inverse of the picture's full range; table (n, 3), of a cube or, if its size is 0, of curves;
    first and steps (3,), the least colour of the domain and the samples to a unit; where (H, W), or empty.
    """
    masked = where.size > 0
    side = size if size > 0 else len(table)
    plane = size * size
    for y in range(start, end):
        for x in range(picture.shape[1]):
            r, g, b = _F(picture[y, x, 0]) * scale, _F(picture[y, x, 1]) * scale, _F(picture[y, x, 2]) * scale
            i, u = _place(r, first[0], steps[0], side)
            j, v = _place(g, first[1], steps[1], side)
            k, w = _place(b, first[2], steps[2], side)
            if size == 0:
                red = table[_at(i), 0] + u * (table[_at(i + 1), 0] - table[_at(i), 0])
                green = table[_at(j), 1] + v * (table[_at(j + 1), 1] - table[_at(j), 1])
                blue = table[_at(k), 2] + w * (table[_at(k + 1), 2] - table[_at(k), 2])
            else:
                near = (k * size + j) * size + i
                far = near + 1 + size + plane
                # Where two parts are equal either corner will do: it weighs nothing.
                most, least = max(u, v, w), min(u, v, w)
                middle = max(min(u, v), min(max(u, v), w))
                one = near + (1 if u == most else size if v == most else plane)
                two = far - (1 if u == least else size if v == least else plane)
                red = _between(table, 0, near, one, two, far, most, middle, least)
                green = _between(table, 1, near, one, two, far, most, middle, least)
                blue = _between(table, 2, near, one, two, far, most, middle, least)
            share = where[y, x] if masked else _F(1)
            _put(out, y, x, 0, r, _clipped(r + amount * (red - r)), share)
            _put(out, y, x, 1, g, _clipped(g + amount * (green - g)), share)
            _put(out, y, x, 2, b, _clipped(b + amount * (blue - b)), share)
            if picture.shape[2] == 4:
                out[y, x, 3] = picture[y, x, 3]


@_part
def _put(out, y, x, c, before, after, share):
    """A colour's result, where the user's mask says so."""
    out[y, x, c] = _sample(_clipped(before + share * (after - before)) if share < 1 else after, out)


def _sample(value, like):
    """A number in [0, 1] as the picture `like` stores it."""


@overload(_sample, jit_options=_PART)
def _sample_compiled(value, like):
    if like.dtype == numba.uint8:
        return lambda value, like: np.uint8(np.int32(value * _F(255) + _F(0.5)))
    if like.dtype == numba.uint16:
        return lambda value, like: np.uint16(np.int32(value * _F(65535) + _F(0.5)))
    return lambda value, like: value
