"""The small levels of a translation in torch, and what the full size needs of them: the pyramid telescopes.

The graded network (:mod:`lptn_retouch.model.graded`) says, for each level ``l`` from the coarsest, D, up, with ``G``
the graded picture's levels, ``A`` the field of matrices and ``m`` the mask ::

    H[l] = G[l] - up(G[l+1])
    result[l] = up(result[l+1]) + (1 + A[l] + gain m[l]) H[l]          colour[l] = up(colour[l+1]) + (1 + A[l]) H[l]

and :meth:`Translation.dose` mixes ``result``, ``colour``, ``light`` and the picture. All of them are carried up by the
same filter, so their mixture ``K`` is as well; with ``p = amount * detail`` ::

    K[D] = amount * new_low - amount (1 - detail) low_band(picture)
    K[l] = up(K[l+1]) + (p (1 + A[l]) + detail gain m[l]) H[l]         dosed = K[0] + (1 - p) picture

The mask ends at level ``k``, three above the low band. Finer levels add ``p (1 + A) (G - up(G'))``, with ``G'`` the
next coarser; and since ``A`` is smooth, what a level takes away with ``up(G')`` is what the next coarser has added.
Only the finest ``G`` is left, and what there is at ``k`` beside the matrices' share ::

    Q = K[k] - p (1 + A[k]) G[k]                                       K[0] = p (1 + A[0]) G[0] + up^k(Q)

This is exact where ``k`` is 0, and else within a fraction of an 8-bit level. The levels between are never there; those
from ``k`` on, at most 0.8 megapixels together whatever the picture's size, are computed here as the network does it.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from lptn_retouch.engine.plan import finest_masked
from lptn_retouch.model.graded import GradedLPTN, apply_affine, apply_linear
from lptn_retouch.model.pyramid import LaplacianPyramid, enlarge

_DIAGONAL = slice(None, None, 4)  # of nine numbers that are a 3x3 matrix


class Coarse(NamedTuple):
    """What the full size needs of the small levels.

    Args:
        left: ``Q``, (B, 3, H, W), what the matrices of level k leave to be added.
        field: ``p (1 + A[D])``, (B, 9, h, w), matrices column by column, on the low band.
    """

    left: Tensor
    field: Tensor


def translate_coarse(
    net: GradedLPTN, graded: Tensor, plain: Tensor | None, depth: int, amount: float, detail: float
) -> Coarse:
    """Translate the levels that have a mask.

    Args:
        net: in eval mode, on the tensors' device.
        graded: ``G[k]``, (B, 3, H, W), float32.
        plain: level k of the picture before its grade; None if `detail` is 1, where it is not needed.
        depth: D, of the picture's pyramid.
        amount, detail: 0 to 2.
    """
    pyramid = LaplacianPyramid(depth - finest_masked(depth))
    with torch.no_grad():
        *highs, low = pyramid.decompose(graded)
        transform = net.low(low)
        new_low = low + apply_affine(transform, low)
        result = amount * new_low
        if plain is not None:
            result = result - amount * (1 - detail) * pyramid.low_band(plain)
        field = matrices = _field(transform, amount * detail)
        mask = low
        for level, high in enumerate(reversed(highs)):
            size = high.shape[-2:]
            matrices = enlarge(matrices, size)
            mask = enlarge(mask, size) if level else net.high(high, enlarge(low, size), enlarge(new_low, size))
            refined = detail * net.high.gain[level] * mask * high
            result = pyramid.up(result, size) + apply_linear(matrices, high) + refined
        return Coarse(result - apply_linear(matrices, graded), field)


def _field(transform: Tensor, strength: float) -> Tensor:
    """``strength * (1 + A)`` of transforms (B, 12, h, w): their nine numbers of A, one more on the diagonal."""
    field = transform[:, :9].clone()
    field[:, _DIAGONAL] += 1
    return field * strength
