"""Where a sample's neighbours are and what they weigh: the pyramid's filters as tables, borders included.

The reference engine filters whole tensors (:mod:`lptn_retouch.model.pyramid`). The fused kernels go row by row, and
read here, once per picture, what a row needs. All tables are of one axis; the filters are separable.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int32]

SPLINE = 3  # coarse samples that a fine one depends on, however many doublings lie between them


def enlarging(coarse: int) -> tuple[Indices, Floats]:
    """Rows of a level and their weights in the level above it, as ``LaplacianPyramid.up`` gives them.

    Args:
        coarse: samples of the level, n.

    Returns:
        Indices (2n, 4) and weights (2n, 4). Within the picture the weights are [1 21 35 7]/64 and [7 35 21 1]/64 by
        turns: bilinear doubling, then the binomial blur. At a border the doubled picture is mirrored.

    Example:
        >>> indices, weights = enlarging(5)
        >>> indices[4].tolist(), (64 * weights[4]).tolist()
        ([0, 1, 2, 3], [1.0, 21.0, 35.0, 7.0])
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
    indices = np.clip(indices, 0, last).reshape(-1, 4)
    return indices.astype(np.int32), (weights.reshape(-1, 4) / 64).astype(np.float32)


def halving(fine: int) -> Indices:
    """The six rows of a level that one row of the next coarser level is made of, weighing [1 5 10 10 5 1]/32.

    Args:
        fine: samples of the finer level, n.

    Returns:
        Indices (ceil(n / 2), 6): an odd size is completed by its last sample, and what lies outside is mirrored.

    Example:
        >>> halving(4).tolist()
        [[2, 1, 0, 1, 2, 3], [0, 1, 2, 3, 2, 1]]
    """
    even = fine + fine % 2
    outside = np.arange(0, even, 2)[:, None] + np.arange(-2, 4)
    period = 2 * (even - 1)
    mirrored = outside % period
    return np.asarray(np.minimum(np.minimum(mirrored, period - mirrored), fine - 1), np.int32)


class Spline(NamedTuple):
    """A smooth field carried up many levels at once: fine sample i is ``sum(weights[k, i] * coarse[first[i] + k])``.

    Doubling by bilinear steps is Chaikin's corner cutting, whose limit is the quadratic B-spline; so however many
    levels lie between, three coarse samples decide (Chaikin, "An Algorithm for High-Speed Curve Generation", 1974).

    Args:
        first: (n,).
        weights: (3, n).
        runs: (m + 1,), where `first` changes: it is the same within ``runs[j] : runs[j + 1]``.
    """

    first: Indices
    weights: Floats
    runs: Indices


@lru_cache(maxsize=64)
def spline(sizes: tuple[int, ...]) -> Spline:
    """Compose the doublings that carry a field from the first size to the last, each cropped to the next size.

    Args:
        sizes: samples of the levels on the way, coarsest first; each the half, rounded up, of the next.

    Example:
        >>> carried = spline((3, 6, 12))
        >>> carried.first[5:9].tolist(), carried.weights[:, 6].tolist()
        ([0, 0, 1, 1], [0.0625, 0.75, 0.1875])
    """
    if len(sizes) == 1:
        first = np.arange(sizes[0], dtype=np.int32)
        weights = np.zeros((SPLINE, sizes[0]), np.float32)
        weights[0] = 1
        return Spline(first, weights, np.arange(sizes[0] + 1, dtype=np.int32))
    coarser = spline(sizes[:-1])
    n = len(coarser.first)
    here = np.arange(n, dtype=np.int32)
    first, weights = np.empty((n, 2), np.int32), np.empty((SPLINE, n, 2), np.float32)
    for side, far in enumerate((np.maximum(here - 1, 0), np.minimum(here + 1, n - 1))):
        start = np.minimum(coarser.first[far], coarser.first)
        mixed = np.float32(0.25) * _from(start, coarser, far) + np.float32(0.75) * _from(start, coarser, here)
        unused = mixed[0] == 0  # a sample that begins with nothing begins one later
        first[:, side] = start + unused
        weights[:, :, side] = np.where(unused, mixed[1:], mixed[:-1])
    first = first.reshape(-1)[: sizes[-1]]
    edges = np.flatnonzero(np.diff(first)) + 1
    runs = np.concatenate([[0], edges, [len(first)]]).astype(np.int32)
    return Spline(first, np.ascontiguousarray(weights.reshape(SPLINE, -1)[:, : sizes[-1]]), runs)


def _from(start: Indices, coarser: Spline, index: Indices) -> Any:
    """Some of the coarser samples' weights, (4, n), counted from `start`, which is their own first or one less."""
    weights = np.pad(coarser.weights[:, index], ((1, 1), (0, 0)))
    return np.where(coarser.first[index] == start, weights[1:], weights[:-1])


def averaging(fine: int, coarse: int) -> Indices:
    """The rows that torch's adaptive average pooling takes for each of `coarse` bins: (coarse, 2), first and end.

    Example:
        >>> averaging(5, 3).tolist()
        [[0, 2], [1, 4], [3, 5]]
    """
    bins = np.arange(coarse)
    return np.stack([bins * fine // coarse, -(-(bins + 1) * fine // coarse)], axis=1).astype(np.int32)
