"""The small levels of a translation in torch, and what the full size needs of them: the pyramid telescopes.

What :mod:`lptn_retouch.engine.cpu` says of the mathematics, and calls by the same letters, is done here for a GPU. The
levels from k on, where the network sees the picture, are at most 0.8 megapixels together whatever its size. They are
computed as the network does it; and of them what is left to be added when each pixel has been multiplied by its matrix.
Where k is 0 that is exact. How much of it a picture gets, and whether with colour, is known on the device alone.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from lptn_retouch.model.form import seen_level
from lptn_retouch.model.graded import GradedLPTN, apply_affine, apply_linear
from lptn_retouch.model.pyramid import LaplacianPyramid, enlarge
from lptn_retouch.model.translation import greyed

_DIAGONAL = slice(None, None, 4)  # of nine numbers that are a 3x3 matrix


class Coarse(NamedTuple):
    """What the full size needs of the small levels.

    Args:
        left: ``Q``, (B, 3, H, W), what the matrices of level k leave to be added.
        field: ``p (1 + A[D])``, (B, 9, h, w), matrices column by column, on the low band.
    """

    left: Tensor
    field: Tensor

    def in_part(self, share: Tensor, grey: Tensor) -> Coarse:
        """What of it a picture gets, and without colour where it has none itself.

        Args:
            share, grey: (B, 1, 1, 1), of the network's :class:`~lptn_retouch.model.glance.Choice`.
        """
        left, *columns = (share * greyed(part, grey) for part in (self.left, *self.field.chunk(3, dim=1)))
        return Coarse(left, torch.cat(columns, dim=1))


def translate_coarse(net: GradedLPTN, seen: Tensor, graded: Tensor, depth: int, amount: float, detail: float) -> Coarse:
    """Translate the levels that have a mask.

    Args:
        net: in eval mode, on the tensors' device.
        seen: level k of the picture before its grade, (B, 3, H, W), float32.
        graded: ``G[k]``, that level with its grade.
        depth: D, of the picture's pyramid.
        amount, detail: 0 to 2.
    """
    pyramid = LaplacianPyramid(depth - seen_level(depth))
    with torch.no_grad():
        *highs, low = pyramid.decompose(graded)
        transform = net.low(low)
        new_low = low + apply_affine(transform, low)
        result = amount * new_low
        if detail != 1:
            result = result - amount * (1 - detail) * pyramid.low_band(seen)
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
