"""A Gaussian blur for pictures of any size: the surroundings that a teacher and the measures look at."""

from __future__ import annotations

import math

from kornia.filters import gaussian_blur2d
from torch import Tensor


def blur(x: Tensor, sigma: float) -> Tensor:
    """Blur planes, (B, C, H, W), by a Gaussian of ``sigma`` px, no wider than they are; their border is repeated.

    Example:
        >>> import torch
        >>> blur(torch.ones(1, 2, 3, 40), 5.0).shape
        torch.Size([1, 2, 3, 40])
    """
    kernel = [min(2 * math.ceil(3 * sigma) + 1, 2 * side - 1) for side in x.shape[-2:]]
    blurred: Tensor = gaussian_blur2d(x, (kernel[0], kernel[1]), (sigma, sigma), "replicate")
    return blurred
