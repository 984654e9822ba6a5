"""OKLab, where equal steps look about equal: sRGB there and back (Ottosson, "A perceptual color space", 2020).

Pictures are (B, 3, H, W). Lightness runs from 0 to 1; a and b, the green-red and blue-yellow axes, stay within 0.4.
"""

from __future__ import annotations

import torch
from kornia.color import linear_rgb_to_rgb, rgb_to_linear_rgb
from torch import Tensor

_CONES = torch.tensor(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_AXES = torch.tensor(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def oklab(picture: Tensor) -> Tensor:
    """sRGB in [0, 1] to OKLab.

    Example:
        >>> [round(float(x), 3) for x in oklab(torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1)).flatten()]
        [0.628, 0.225, 0.126]
    """
    cones = _mix(_CONES, rgb_to_linear_rgb(picture.clamp(0, 1)))
    return _mix(_AXES, cones.clamp_min(0).pow(1 / 3))


def srgb(lab: Tensor) -> Tensor:
    """OKLab to sRGB, clipped to [0, 1] where the screen has no such colour."""
    cones = _mix(torch.linalg.inv(_AXES), lab) ** 3
    picture: Tensor = linear_rgb_to_rgb(_mix(torch.linalg.inv(_CONES), cones).clamp(0, 1))
    return picture


def _mix(matrix: Tensor, x: Tensor) -> Tensor:
    mixed: Tensor = torch.einsum("ij,bjhw->bihw", matrix.to(x), x)
    return mixed
