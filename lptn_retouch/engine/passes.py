"""The CPU engine, pass by pass: a picture is read twice, to be shrunk and to be finished; what is small lies between.

The network sees a picture at level k (:mod:`lptn_retouch.model.graded`), moves its low band, and high bands follow.
With ``G[l]`` the graded levels from k to the low band, D, and ``G[0]`` the graded picture; ``A`` the field of matrices;
``m`` the mask; and ``p = amount * detail``, the result at another strength
(:meth:`~lptn_retouch.model.translation.Translation.dose`) is

    K[D] = amount * new_low - amount (1 - detail) low_band(picture)
    K[l] = up(K[l+1]) + (p (1 + A[l]) + detail gain m[l]) (G[l] - up(G[l+1]))                         for l from k on
    result = (1 - p) picture + enlarged(K[k]) + p (1 + A[0]) (G[0] - enlarged(G[k]))

In the last line bands slide into each other as the tubes of a telescope do: `A` is smooth, so to enlarge a level and
then multiply it, or to multiply it and then enlarge it, is the same. There remains

    result = (1 - p) picture + p (1 + A[0]) G[0] + enlarged(Q)                          Q = K[k] - p (1 + A[k]) G[k]

Of that change the network may give a picture but a share s, and no colour to one that has none
(:class:`~lptn_retouch.model.glance.Choice`). Both are linear, so they are done to what is small: the columns of
``p (1 + A)`` and `Q` become their luma, in part or wholly, and s times as much; and of the picture itself there is
added ``1 - s p``. Where s is 0 nothing is computed.

So between level k, which spans a few hundred samples whatever the picture's size, and the picture nothing is computed
and nothing is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from lptn_retouch.engine import inference, kernels
from lptn_retouch.engine.finite import check_finite
from lptn_retouch.engine.inference import Floats, Weights
from lptn_retouch.engine.taps import (
    SPLINE,
    averaging,
    doubling,
    enlarging,
    halved_rows,
    halving,
    halvings,
    resampled,
    steps,
)
from lptn_retouch.model.form import THUMBNAIL, seen_level
from lptn_retouch.threads import at_once, in_strips

Array = npt.NDArray[Any]
Sizes = Sequence[tuple[int, int]]  # of levels, finest first

_NOWHERE = np.empty((0, 0), np.float32)
_DIAGONAL = slice(None, None, 4)  # of nine numbers that are a 3x3 matrix
# The network's 20 terms (`cubic_terms`) in the order of `kernels._grade`: powers of blue within powers of green
# within powers of red.
_HORNER = (0, 3, 6, 12, 2, 8, 18, 5, 16, 11, 1, 9, 17, 7, 19, 15, 4, 14, 13, 10)


def shrunk(flat: Array, scale: np.float32, sizes: Sizes) -> Floats:
    """Level k of a picture (H, 3 W), in [0, 1]."""
    k = seen_level(len(sizes) - 1)
    if k == 0:
        planes = flat.reshape(len(flat), -1, 3).transpose(2, 0, 1)
        return np.asarray(np.multiply(planes, scale, dtype=np.float32, order="C"))
    heights, widths = zip(*sizes[: k + 1], strict=True)
    level = np.empty((3, *sizes[k]), np.float32)
    pairs, rows = halved_rows(heights[0]), tuple(halvings(heights[1:]))
    work = partial(kernels.shrink, flat, scale / np.float32(32), pairs, np.array(widths), rows, level)
    in_strips(work, len(level[0]))
    return level


def thumbnail_of(seen: Floats) -> Floats:
    """What the grade is chosen by, (3, 96, 96)."""
    return resampled(seen, averaging, (THUMBNAIL, THUMBNAIL))


def halved(level: Floats, sizes: Sizes) -> list[Floats]:
    """A level and those below it."""
    levels = [level]
    for size in sizes[1:]:
        finer, level = level, np.empty((3, *size), np.float32)
        in_strips(partial(kernels.halve, finer, tuple(halving(finer.shape[1])), level), size[0])
        levels.append(level)
    return levels


def translate(
    weights: Weights, levels: list[Floats], plain_low: Floats | None, sizes: Sizes, amount: float, detail: float
) -> tuple[Floats, Floats]:
    """Translate the small levels.

    Args:
        weights: of a graded network, by their names in its state dict.
        levels: ``G``, from level k on; the first is written over.
        plain_low: the low band of the picture before its grade; None if `detail` is 1, where it is not needed.
        sizes: of the levels.

    Returns:
        ``Q``, (3, h, w) on level k, and ``p (1 + A)``, (9, h, w) on the low band, matrices column by column.
    """
    low = levels[-1]
    transform = inference.low_transform(weights, low)
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
    ways = (low, enlarging), (low, doubling), (new_low, doubling)
    below, before, after = at_once(partial(resampled, level, step, size) for level, step in ways)
    mask = inference.predict_mask(weights, levels[-2] - below, before, after)
    for level in range(1, len(levels)):
        fine, coarse = levels[-1 - level], levels[-level]
        here = sizes[len(sizes) - 1 - level :]
        doubled = [(low.shape[1] << step, low.shape[2] << step) for step in range(level, -1, -1)]
        more = np.float32(detail) * weights["high.gain"][level - 1] * mask
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
    """``p (1 + A) G + enlarged(Q)`` and the `rest` of the picture itself, into `out`."""
    level, starts, weights, *across = _rows(change, sizes[: seen_level(len(sizes) - 1) + 1], doubling)
    rows = level, starts, np.pad(weights, ((0, 0), (0, SPLINE - weights.shape[1]))), *across
    bordered = np.pad(np.moveaxis(matrices, 0, 2), ((1, 1), (1, 1), (0, 0)), "edge")  # (h + 2, w + 2, 9)
    cells = bordered.reshape(len(bordered), -1), 2 ** (len(sizes) - 1)
    nowhere = _NOWHERE if where is None else where
    in_strips(partial(kernels.finish, flat, scale, curve, rows, cells, np.float32(rest), nowhere, out), len(out))


def _rows(level: Floats, sizes: Sizes, step: Any) -> tuple[Any, ...]:
    """A level's rows, and how they are enlarged to the first of the sizes in steps."""
    heights, widths = zip(*sizes[::-1], strict=True)
    taps = kernels.BLURRED if step is enlarging else kernels.BILINEAR
    return level, *steps(step, heights), np.array(widths), taps


def take_part(planes: Floats, choice: inference.Choice) -> None:
    """``translation.in_part`` of a change to nothing, (3, h, w), in place; no colour is left where `grey` is 1."""
    if choice.grey > 0:
        light = inference.luma_of(planes)
        planes *= np.float32(1 - choice.grey)
        planes += np.float32(choice.grey) * light
    planes *= np.float32(choice.share)


def _multiplied(matrices: Floats, level: Floats) -> Floats:
    """Matrices (9 or more, h, w), column by column, times colours (3, h, w)."""
    return np.asarray(matrices[0:3] * level[0] + matrices[3:6] * level[1] + matrices[6:9] * level[2])


def curve_of(coefficients: Floats) -> Floats:
    """What the grade makes of a colour, as a cubic of ``2 colour - 1`` a channel, (3, 20), for the kernels."""
    total = coefficients.astype(np.float64)
    total[:, 0] += 0.5  # the colour itself, to which the grade adds
    total[(0, 1, 2), (1, 2, 3)] += 0.5
    return np.ascontiguousarray(total[:, _HORNER], np.float32)
