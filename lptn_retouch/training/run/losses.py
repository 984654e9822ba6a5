"""How far a result is from its target: what every network but the critic learns to make small."""

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812
from kornia.color import rgb_to_lab
from torch import Tensor

from lptn_retouch.evaluation.looks import GRID, STILL_NEUTRAL


def colour_loss(result: Tensor, target: Tensor) -> Tensor:
    """L1 and L2 together, picture by picture: the first keeps the middle honest, the second the worst."""
    error = result - target
    return error.abs().mean() + error.square().mean((1, 2, 3)).add(1e-6).sqrt().mean()


def cast_on_greys(before: Tensor, target: Tensor, result: Tensor) -> Tensor:
    """How much colour the grey patches have got: mean CIELAB chroma above 4.5; all (n, 3, h, w).

    Patches are those of the evaluation; one is grey whose chroma is below about 4 before and below 6 in the target:
    where a tint is to be corrected, what looks grey before is to get a colour.

    Example:
        >>> import torch
        >>> grey = torch.full((1, 3, 48, 48), 0.5)
        >>> orange = grey * torch.tensor([1.3, 1, 0.7]).view(3, 1, 1)
        >>> float(cast_on_greys(grey, grey, grey)), bool(cast_on_greys(grey, grey, orange) > 10)
        (0.0, True)
        >>> float(cast_on_greys(grey, orange, orange))
        0.0
    """
    chroma = []
    for picture in (before, target, result):
        lab = rgb_to_lab(F.adaptive_avg_pool2d(picture, GRID).clamp(0, 1))
        chroma.append((lab[:, 1:].square().sum(1) + 1e-4).sqrt())
    grey = ((chroma[0] < 4.3) & (chroma[1] < STILL_NEUTRAL)).float()
    found: Tensor = (grey * F.relu(chroma[2] - 4.5)).sum() / grey.sum().clamp_min(50)
    return found
