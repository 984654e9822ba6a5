"""The coarse part of a translation, which every engine leaves to torch: it is small whatever the picture's size.

The graded network (:mod:`lptn_retouch.model.graded`) says, for each level ``l`` from the coarsest, D, up, with ``G``
the graded picture's levels, ``A`` the field of matrices and ``m`` the mask ::

    H[l] = G[l] - up(G[l+1])
    result[l] = up(result[l+1]) + (1 + A[l] + gain m[l]) H[l]          colour[l] = up(colour[l+1]) + (1 + A[l]) H[l]

and :meth:`Translation.dose` mixes ``result``, ``colour``, ``light`` and the picture. All of them are carried up by the
same filter, so their mixture ``K`` is as well; with ``p = amount * detail`` ::

    K[D] = amount * new_low - amount (1 - detail) low_band(picture)
    K[l] = up(K[l+1]) + (p (1 + A[l]) + detail gain m[l]) H[l]         dosed = K[0] + (1 - p) picture

So one pass down and one pass up do, at any strength, and a level needs the two next to it and nothing else. What
stands in brackets is a smooth field of matrices. Here it is computed at the coarsest level, from where
:func:`lptn_retouch.engine.taps.spline` carries it up, and so is the mask of the few levels that have one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from lptn_retouch.model.form import MASKED_LEVELS
from lptn_retouch.model.graded import GradedLPTN, apply_affine
from lptn_retouch.model.pyramid import LaplacianPyramid, enlarge

_DIAGONAL = slice(None, None, 4)  # of nine numbers that are a 3x3 matrix


class Coarse(NamedTuple):
    """What the coarse part hands to the levels above.

    Args:
        start: ``K[D]``, (B, 3, h, w).
        field: ``p (1 + A[D])``, (B, 9, h, w), matrices column by column.
        masks: ``detail * gain * m`` of the levels that have a mask, coarsest (D - 1) first; (B, 3, H, W) each. It
            belongs on the diagonal of the level's matrices.
    """

    start: Tensor
    field: Tensor
    masks: list[Tensor]


def translate_coarse(
    net: GradedLPTN,
    low: Tensor,
    coarsest: Tensor,
    plain_low: Tensor | None,
    sizes: Sequence[tuple[int, int]],
    amount: float,
    detail: float,
) -> Coarse:
    """Translate the low band and predict the masks.

    Args:
        net: in eval mode, on the tensors' device.
        low: ``G[D]``, (B, 3, h, w), float32.
        coarsest: ``G[D-1]``, the level above it.
        plain_low: the low band of the picture before its grade; None if `detail` is 1, where it is not needed.
        sizes: of all levels, from :func:`lptn_retouch.engine.plan.level_sizes`; at least two.
        amount, detail: 0 to 2.
    """
    with torch.no_grad():
        transform = net.low(low)
        new_low = low + apply_affine(transform, low)
        start = amount * new_low
        if plain_low is not None:
            start = start - amount * (1 - detail) * plain_low
        masks: list[Tensor] = []
        mask = low
        for level, size in enumerate(reversed(sizes[:-1][-MASKED_LEVELS:])):
            if level == 0:
                high = coarsest - LaplacianPyramid(1).up(low, size)
                mask = net.high(high, enlarge(low, size), enlarge(new_low, size))
            else:
                mask = enlarge(mask, size)
            masks.append(detail * net.high.gain[level] * mask)
        return Coarse(start, _field(transform, amount * detail), masks)


def _field(transform: Tensor, strength: float) -> Tensor:
    """``strength * (1 + A)`` of transforms (B, 12, h, w): their nine numbers of A, one more on the diagonal."""
    field = transform[:, :9].clone()
    field[:, _DIAGONAL] += 1
    return field * strength
