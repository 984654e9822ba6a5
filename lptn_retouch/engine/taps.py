"""Where a sample's neighbours are and what they weigh: the pyramid's filters as tables, borders included.

All filters are separable and linear. So a table is of one axis, and several steps in a row are one table
(:func:`steps`): six halvings of a picture's rows are weighted sums of its rows, and nothing lies between.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, reduce
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int32]

SPLINE = 3  # coarse samples that a fine one depends on, however many bilinear doublings lie between them


class Band(NamedTuple):
    """A linear map along one axis: sample i is ``sum(weights[i, t] * source[first[i] + t])``.

    Args:
        first: (n,). No sample lies outside the source.
        weights: (n, m).
    """

    first: Indices
    weights: Floats

    def __call__(self, source: Floats, axis: int) -> Floats:
        """Map an array along an axis.

        Example:
            >>> halving(4)(np.array([0, 0, 32, 32], np.float32), 0).tolist()
            [7.0, 25.0]
        """
        shape = [1] * source.ndim
        shape[axis] = -1
        total: Floats = self.weights[:, 0].reshape(shape) * source.take(self.first, axis)
        for tap in range(1, self.weights.shape[1]):
            part = source.take(self.first + tap, axis)
            part *= self.weights[:, tap].reshape(shape)
            total += part
        return total


def halving(fine: int) -> Band:
    """``LaplacianPyramid.down``: [1 5 10 10 5 1]/32, an odd size completed by its last sample, borders mirrored.

    Example:
        >>> band = halving(4)
        >>> band.first.tolist(), (32 * band.weights).tolist()
        ([0, 0], [[10.0, 15.0, 6.0, 1.0], [1.0, 6.0, 15.0, 10.0]])
    """
    indices = halved_rows(fine)
    return _band(indices, np.broadcast_to(np.array([1, 5, 10, 10, 5, 1]) / 32, indices.shape), fine)


def halved_rows(fine: int) -> Indices:
    """The six samples that each of a half's is made of, in :func:`halving`'s order, borders mirrored: (n, 6).

    Example:
        >>> halved_rows(5)[-1].tolist()
        [2, 3, 4, 4, 4, 3]
    """
    even = fine + fine % 2
    outside = np.arange(0, even, 2)[:, None] + np.arange(-2, 4)
    period = 2 * (even - 1)
    mirrored = outside % period
    return np.asarray(np.minimum(np.minimum(mirrored, period - mirrored), fine - 1), np.int32)


def enlarging(coarse: int, fine: int) -> Band:
    """``LaplacianPyramid.up``: bilinear doubling, then the binomial blur, the doubled picture mirrored at its borders.

    Args:
        coarse: samples of the level, n.
        fine: of the level above it, 2n or 2n - 1.

    Example:
        >>> (64 * enlarging(4, 8).weights[3:5]).tolist()
        [[7.0, 35.0, 21.0, 1.0], [1.0, 21.0, 35.0, 7.0]]
    """
    here = np.arange(coarse)[:, None]
    indices = np.stack([here + np.arange(-2, 2), here + np.arange(-1, 3)], axis=1)  # (n, 2, 4)
    weights = np.tile(np.array([[1, 21, 35, 7], [7, 35, 21, 1]]), (coarse, 1, 1))
    indices[0] = [[0, 1, 2, 3], [0, 1, 2, 3]]
    weights[0] = [[50, 14, 0, 0], [41, 22, 1, 0]]
    last = coarse - 1
    indices[last, 1] = last - np.arange(4)
    weights[last, 1] = [50, 14, 0, 0]
    if last:
        indices[last, 0] = last - np.arange(4)
        weights[last, 0] = [41, 22, 1, 0]
    indices = np.clip(indices, 0, last)
    return _band(indices.reshape(-1, 4)[:fine], weights.reshape(-1, 4)[:fine] / 64, coarse)


def doubling(coarse: int, fine: int) -> Band:
    """``pyramid.enlarge``: bilinear doubling, the border repeated.

    Example:
        >>> doubling(2, 4).weights.tolist()
        [[1.0, 0.0], [0.75, 0.25], [0.25, 0.75], [0.0, 1.0]]
    """
    return bilinear(coarse, 2 * coarse, fine)


def bilinear(before: int, after: int, kept: int | None = None) -> Band:
    """torch's ``interpolate(mode="bilinear", align_corners=False)``; of the result, the first `kept` samples.

    Example:
        >>> bilinear(3, 2).weights.tolist()
        [[0.75, 0.25], [0.25, 0.75]]
    """
    at = np.maximum((np.arange(kept or after) + 0.5) * before / after - 0.5, 0)
    low = np.minimum(at.astype(int), before - 1)
    share = np.minimum(at - low, 1)
    return _band(np.minimum(np.stack([low, low + 1], 1), before - 1), np.stack([1 - share, share], 1), before)


def antialiased(before: int, after: int) -> Band:
    """torch's ``interpolate(mode="bilinear", antialias=True)``: a triangle as wide as a sample of the result is.

    Example:
        >>> (7 * antialiased(4, 2).weights).round().tolist()
        [[3.0, 3.0, 1.0], [1.0, 3.0, 3.0]]
    """
    wide = max(before / after, 1.0)
    centre = (np.arange(after)[:, None] + 0.5) * before / after
    first = np.maximum((centre - wide + 0.5).astype(int), 0)
    indices = first + np.arange(int(2 * wide) + 3)
    end = np.minimum((centre + wide + 0.5).astype(int), before)
    weights = np.maximum(1 - np.abs((indices - centre + 0.5) / wide), 0) * (indices < end)
    return _band(np.minimum(indices, before - 1), weights / weights.sum(1, keepdims=True), before)


@lru_cache(maxsize=128)
def steps(step: Callable[[int, int], Band], sizes: tuple[int, ...]) -> Band:
    """Several steps in a row as one map: from the first size to the last.

    Args:
        step: what makes a step's map from two sizes; for example :func:`enlarging`.
        sizes: samples before the first step, after it, and so on; one alone for no step.

    Example:
        >>> steps(doubling, (3, 6, 12)).weights[5:7].tolist()
        [[0.1875, 0.75, 0.0625], [0.0625, 0.75, 0.1875]]
    """
    bands = [step(*pair) for pair in pairwise(sizes)]
    return reduce(_after, bands, _band(np.arange(sizes[0])[:, None], np.ones((sizes[0], 1)), sizes[0]))


def resampled(planes: Floats, step: Callable[[int, int], Band], size: Sequence[int]) -> Floats:
    """Planes (C, h, w) taken to another size by one step each way.

    Example:
        >>> resampled(np.ones((3, 2, 5), np.float32), doubling, (4, 9)).shape
        (3, 4, 9)
    """
    rows, columns = (steps(step, pair) for pair in zip(planes.shape[1:], size, strict=True))
    return columns(rows(planes, 1), 2)


def halvings(sizes: tuple[int, ...]) -> Band:
    """All halvings from the first size to the last as one map.

    Example:
        >>> halvings((64, 32, 16, 8)).weights.shape
        (8, 36)
    """
    return steps(_halved, sizes)


def _halved(fine: int, coarse: int) -> Band:  # noqa: ARG001  (which follows)
    return halving(fine)


def averaging(fine: int, coarse: int) -> Band:
    """torch's adaptive average pooling.

    Example:
        >>> (6 * averaging(5, 3).weights).tolist()
        [[3.0, 3.0, 0.0], [2.0, 2.0, 2.0], [0.0, 3.0, 3.0]]
    """
    bins = np.arange(coarse)
    first, end = bins * fine // coarse, -(-(bins + 1) * fine // coarse)
    indices = first[:, None] + np.arange((end - first).max())
    inside = indices < end[:, None]
    return _band(np.where(inside, indices, first[:, None]), inside / (end - first)[:, None], fine)


def _after(inner: Band, outer: Band) -> Band:
    """The map that is `outer` after `inner`."""
    source = int(inner.first.max()) + inner.weights.shape[1]
    middle = outer.first[:, None] + np.arange(outer.weights.shape[1])  # (n, m), samples between the two
    indices = inner.first[middle][..., None] + np.arange(inner.weights.shape[1])
    weights = outer.weights[..., None] * inner.weights[middle].astype(np.float64)
    return _band(indices.reshape(len(middle), -1), weights.reshape(len(middle), -1), source)


def _band(indices: Array, weights: Array, source: int) -> Band:
    """A band of sums over (n, m) samples of a source, in any order and named more than once."""
    used = np.where(weights != 0, indices, source)
    low = used.min(1)
    width = int((np.where(weights != 0, indices, -1).max(1) - low).max()) + 1
    first = np.minimum(low, source - width)
    dense = np.zeros((len(indices), width))
    np.add.at(dense, (np.arange(len(indices))[:, None], np.clip(indices - first[:, None], 0, width - 1)), weights)
    return Band(first.astype(np.int32), np.ascontiguousarray(dense, np.float32))
