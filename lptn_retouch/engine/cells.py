"""Several levels of the pyramid at once, in one direction: what a fine sample has to do with the coarse ones near it.

A level's cell is the ``2**doublings`` samples that lie under one of its samples. Composed halvings are a B-spline of
degree 4, so a sample goes into its cell's own and two on each side; composed bilinear doublings are one of degree 2, so
it is made of its cell's own and one on each side (Chaikin, "An Algorithm for High-Speed Curve Generation", 1974). Hence
tables of 5 and 3 weights for each fine sample. Where they would reach outside they are zero: borders are in them, as
the pyramid itself has them, and odd sizes.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from lptn_retouch.engine import taps
from lptn_retouch.engine.taps import Array
from lptn_retouch.model.form import level_sizes


@lru_cache(maxsize=64)
def shrinking(size: int, doublings: int) -> Tensor:
    """What part a fine sample has in its cell's sample of the shrunk level and in two on each side.

    Args:
        size: fine samples, n.
        doublings: 0 or more.

    Returns:
        (5, n).

    Example:
        >>> (32 * shrinking(9, 1))[:, 4].tolist()
        [0.0, 5.0, 10.0, 1.0, 0.0]
    """
    band = taps.halvings(_sizes(size, doublings))
    coarse, tap = np.nonzero(band.weights)
    fine = band.first[coarse] + tap
    return _table(size, doublings, 2, fine, coarse, band.weights[coarse, tap])


@lru_cache(maxsize=64)
def interpolating(size: int, doublings: int) -> Tensor:
    """What part its cell's sample of the level below and one on each side have in a fine sample, (3, n).

    Example:
        >>> interpolating(12, 2)[:, 6].tolist()
        [0.0625, 0.75, 0.1875]
    """
    band = taps.steps(taps.doubling, _sizes(size, doublings)[::-1])
    fine, tap = np.nonzero(band.weights)
    return _table(size, doublings, 1, fine, band.first[fine] + tap, band.weights[fine, tap])


def _sizes(size: int, doublings: int) -> tuple[int, ...]:
    return tuple(level[0] for level in level_sizes(size, 1, doublings))


def _table(size: int, doublings: int, reach: int, fine: Array, coarse: Array, weights: Array) -> Tensor:
    """Weights between samples, by the fine one and by how far the coarse one is from the fine one's cell."""
    table = np.zeros((2 * reach + 1, size), np.float32)
    table[coarse - (fine >> doublings) + reach, fine] = weights
    return torch.from_numpy(table)
