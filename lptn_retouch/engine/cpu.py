"""The CPU engine: a picture is read twice, to be shrunk and to be finished, and all that is small lies between.

The network moves the low band, and every high band follows it (:mod:`lptn_retouch.model.graded`). With ``G`` the levels
of the graded picture, from the picture, 0, to the low band, D; ``A`` the field of matrices; ``m`` the mask; and
``p = amount * detail``, the result at another strength (:meth:`~lptn_retouch.model.translation.Translation.dose`) is

    K[D] = amount * new_low - amount (1 - detail) low_band(picture)
    K[l] = up(K[l+1]) + (p (1 + A[l]) + detail gain m[l]) (G[l] - up(G[l+1]))        result = K[0] + (1 - p) picture

The mask reaches three levels; let ``k`` be the finest. Above it a level is followed by the next as by a telescope: `A`
is smooth, so to enlarge a level and then multiply it, or to multiply it and then enlarge it, is the same. What
``p (1 + A)`` makes of a level's enlarged neighbour is added once and taken off once, at every level, and there remains

    result = p (1 + A[0]) G[0] + (1 - p) picture + up^k(Q)                    Q = K[k] - p (1 + A[k]) G[k]

So between level k, which spans a few hundred samples whatever the picture's size, and the picture nothing is computed
and nothing is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from lptn_retouch.engine import inference, kernels
from lptn_retouch.engine.compiling import compiled
from lptn_retouch.engine.finite import check_finite
from lptn_retouch.engine.inference import Floats, Weights
from lptn_retouch.engine.plan import FULL_SCALE, finest_masked, level_sizes, work_bytes
from lptn_retouch.engine.taps import averaging, doubling, enlarging, halving, halvings, resampled, steps
from lptn_retouch.model.form import THUMBNAIL, depth_for
from lptn_retouch.threads import in_strips

Array = npt.NDArray[Any]
Sizes = Sequence[tuple[int, int]]  # of levels, finest first

_NOWHERE = np.empty((0, 0), np.float32)
_DIAGONAL = slice(None, None, 4)  # of nine numbers that are a 3x3 matrix
# The network's 20 terms (`cubic_terms`) in the order of `kernels._grade`: powers of blue within powers of green
# within powers of red.
_HORNER = (0, 3, 6, 12, 2, 8, 18, 5, 16, 11, 1, 9, 17, 7, 19, 15, 4, 14, 13, 10)


class CpuEngine:
    """Retouch pictures on the CPU with a graded network.

    Args:
        weights: of a graded network, by their names in its state dict.
    """

    name = "cpu"
    device = "cpu"

    def __init__(self, weights: Weights) -> None:
        self._weights = weights

    def __call__(
        self, picture: Array, amount: float, detail: float, where: Array | None = None, out: Array | None = None
    ) -> Array:
        """Retouch one picture; as :meth:`ReferenceEngine.__call__`."""
        if not compiled(picture.dtype):
            return np.asarray(self._slow(picture, amount, detail, where, out))
        return self._retouch(picture, amount, detail, where, out)

    def memory(self, height: int, width: int, dtype: npt.DTypeLike) -> int:
        """Bytes at the peak besides the picture and its result; as :meth:`ReferenceEngine.memory`."""
        del dtype
        return work_bytes(height, width)

    def _retouch(self, picture: Array, amount: float, detail: float, where: Array | None, out: Array | None) -> Array:
        height, width, channels = picture.shape
        if channels == 4:  # alpha passes by
            out = picture.copy() if out is None else out
            out[..., :3] = self._retouch(picture[..., :3], amount, detail, where, None)
            return out
        sizes = level_sizes(height, width, depth_for(height, width))
        out = np.empty_like(picture, order="C") if out is None else out
        flat = np.ascontiguousarray(picture).reshape(height, 3 * width)
        flat.flags.writeable = False  # an array of another kind would be compiled for once more
        pixels = (flat, np.float32(1 / FULL_SCALE[picture.dtype]))

        coefficients = inference.choose_curve(self._weights, thumbnail_of(*pixels))
        check_finite(coefficients)
        curve = curve_of(coefficients)
        levels = graded_levels(*pixels, curve, sizes)
        plain_low = None if detail == 1 else graded_levels(*pixels, curve_of(np.zeros_like(coefficients)), sizes)[-1]
        change, matrices = self.translate(levels, plain_low, sizes, amount, detail)
        finish(*pixels, curve, change, matrices, sizes, 1 - amount * detail, where, out.reshape(flat.shape))
        return out

    def translate(
        self, levels: list[Floats], plain_low: Floats | None, sizes: Sizes, amount: float, detail: float
    ) -> tuple[Floats, Floats]:
        """Translate the small levels.

        Args:
            levels: ``G``, from level k on; the first is written over.
            plain_low: the low band of the picture before its grade; None if `detail` is 1, where it is not needed.
            sizes: of all levels.

        Returns:
            ``Q``, (3, h, w) on level k, and ``p (1 + A)``, (9, h, w) on the low band, matrices column by column.
        """
        low = levels[-1]
        transform = inference.low_transform(self._weights, low)
        new_low = low + _multiplied(transform, low) + transform[9:]
        result = np.float32(amount) * new_low
        if plain_low is not None:
            result -= np.float32(amount * (1 - detail)) * plain_low
        matrices = transform[:9]
        matrices[_DIAGONAL] += 1
        matrices *= np.float32(amount * detail)
        check_finite(result, matrices)
        if len(levels) == 1:
            return result - _multiplied(matrices, low), matrices
        size = sizes[-2]
        high = levels[-2] - resampled(low, enlarging, size)
        mask = inference.predict_mask(self._weights, high, *(resampled(x, doubling, size) for x in (low, new_low)))
        for level in range(1, len(levels)):
            fine, coarse = levels[-1 - level], levels[-level]
            here = sizes[len(sizes) - 1 - level :]
            doubled = [(low.shape[1] << step, low.shape[2] << step) for step in range(level, -1, -1)]
            more = np.float32(detail) * self._weights["high.gain"][level - 1] * mask
            check_finite(more)
            last = level == len(levels) - 1
            finer = fine if last else np.empty_like(fine)  # row by row, so in place
            rows = (
                _rows(coarse, here[:2], enlarging),
                _rows(result, here[:2], enlarging),
                _rows(more, here[:-1], doubling),
                _rows(matrices, doubled, doubling),
            )
            in_strips(partial(kernels.translate, fine, rows, last, finer), fine.shape[1])
            result = finer
        return result, matrices

    @cached_property
    def _slow(self) -> Any:
        """The reference, where compiled code cannot be had."""
        import torch

        from lptn_retouch.engine.reference import ReferenceEngine
        from lptn_retouch.model.checkpoint import build_network

        return ReferenceEngine(build_network(self._weights), torch.device("cpu"))


def thumbnail_of(flat: Array, scale: np.float32) -> Floats:
    """What the grade looks at, (3, 96, 96), of a picture (H, 3 W)."""
    height, width = flat.shape[0], flat.shape[1] // 3
    thumbnail = np.empty((3, THUMBNAIL, THUMBNAIL), np.float32)
    rows, columns = averaging(height, THUMBNAIL), averaging(width, THUMBNAIL)
    in_strips(partial(kernels.average, flat, scale, rows, columns, thumbnail), THUMBNAIL)
    return thumbnail


def graded_levels(flat: Array, scale: np.float32, curve: Floats, sizes: Sizes) -> list[Floats]:
    """``G`` from the finest level that the mask reaches on."""
    finest = finest_masked(len(sizes) - 1)
    heights, widths = zip(*sizes[: finest + 1], strict=True)
    level = np.empty((3, *sizes[finest]), np.float32)
    work = partial(kernels.shrink, flat, scale, curve, np.array(widths), tuple(halvings(heights)), level)
    in_strips(work, len(level[0]))
    levels = [level]
    for size in sizes[finest + 1 :]:
        finer, level = level, np.empty((3, *size), np.float32)
        in_strips(partial(kernels.halve, finer, tuple(halving(finer.shape[1])), level), size[0])
        levels.append(level)
    return levels


def finish(
    flat: Array,
    scale: np.float32,
    curve: Floats,
    change: Floats,
    matrices: Floats,
    sizes: Sizes,
    rest: float,
    where: Array | None,
    out: Array,
) -> None:
    """``p (1 + A) G + up^k(Q)`` and the `rest` of the picture itself, into `out`."""
    rows = _rows(change, sizes[: finest_masked(len(sizes) - 1) + 1], enlarging)
    bordered = np.pad(np.moveaxis(matrices, 0, 2), ((1, 1), (1, 1), (0, 0)), "edge")  # (h + 2, w + 2, 9)
    cells = bordered.reshape(len(bordered), -1), 2 ** (len(sizes) - 1)
    nowhere = _NOWHERE if where is None else where
    in_strips(partial(kernels.finish, flat, scale, curve, rows, cells, np.float32(rest), nowhere, out), len(out))


def _rows(level: Floats, sizes: Sizes, step: Any) -> tuple[Any, ...]:
    """A level's rows, and how they are enlarged to the first of the sizes in steps."""
    heights, widths = zip(*sizes[::-1], strict=True)
    taps = kernels.BLURRED if step is enlarging else kernels.BILINEAR
    return level, *steps(step, heights), np.array(widths), taps


def _multiplied(matrices: Floats, level: Floats) -> Floats:
    """Matrices (9 or more, h, w), column by column, times colours (3, h, w)."""
    return np.asarray(matrices[0:3] * level[0] + matrices[3:6] * level[1] + matrices[6:9] * level[2])


def curve_of(coefficients: Floats) -> Floats:
    """What the grade makes of a colour, as a cubic of ``2 colour - 1`` a channel, (3, 20), for the kernels."""
    total = coefficients.astype(np.float64)
    total[:, 0] += 0.5  # the colour itself, to which the grade adds
    total[(0, 1, 2), (1, 2, 3)] += 0.5
    return np.ascontiguousarray(total[:, _HORNER], np.float32)
