"""Random changes of pictures, so that what is learnt does not hang on exposure, white balance, contrast or crop."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from lptn_retouch.training.data.config import JitterConfig


def jittered(both: Tensor, config: JitterConfig, random: torch.Generator) -> Tensor:
    """Change exposure, white balance, contrast and colour of pairs (n, 2, 3, h, w): together, or the input alone.

    Pictures alone, (n, 1, 3, h, w), are changed like a pair's input.
    """
    n = both.shape[0]

    def draw(spread: float, *, share: float, channels: int = 1) -> Tensor:
        take = (torch.rand(n, 1, 1, 1, 1, generator=random) < share).float()
        value = torch.rand(n, 1, channels, 1, 1, generator=random) * 2 - 1
        return value * take * spread * config.strength

    def change(x: Tensor, share: float, darker: float) -> Tensor:
        gain = torch.exp2(draw(0.5, share=share) - darker * draw(0.5, share=share).abs())
        gain = gain * torch.exp2(draw(0.12, share=share, channels=3))
        x = x * gain
        grey = x.mean(2, keepdim=True)
        x = grey + (x - grey) * (1 + draw(0.25, share=share))
        middle = x.mean((2, 3, 4), keepdim=True)
        return (middle + (x - middle) * (1 + draw(0.15, share=share) - darker * draw(0.2, share=share).abs())).clamp(
            0, 1
        )

    both = change(both, config.both, 0.0)
    return torch.cat([change(both[:, :1], config.input, 1.0), both[:, 1:]], dim=1)


def varied(x: Tensor, side: int) -> Tensor:
    """Squares (n, 3, h, h) cropped, mirrored and changed a little in exposure, balance, contrast and colour.

    Args:
        x: in [0, 1].
        side: of what comes back, px.

    Example:
        >>> varied(torch.rand(2, 3, 12, 12), 8).shape
        torch.Size([2, 3, 8, 8])
    """
    n = len(x)

    def draw(spread: float, channels: int = 1) -> Tensor:
        return (torch.rand(n, channels, 1, 1) * 2 - 1) * spread

    size = 0.8 + draw(0.2)[:, 0, 0, 0]  # of the crop, a share of the frame
    mirror = (torch.rand(n) < 0.5).float() * 2 - 1
    shift = (torch.rand(n, 2) * 2 - 1) * (1 - size)[:, None]
    zero = torch.zeros(n)
    place = torch.stack([size * mirror, zero, shift[:, 0], zero, size, shift[:, 1]], 1).view(n, 2, 3)
    grid = F.affine_grid(place, [n, 3, side, side], align_corners=False)
    x = F.grid_sample(x, grid, align_corners=False, padding_mode="reflection")
    x = x * torch.exp2(draw(0.4) + draw(0.08, 3))
    grey = x.mean(1, keepdim=True)
    x = grey + (x - grey) * (1 + draw(0.25))
    middle = x.mean((2, 3), keepdim=True)
    return (middle + (x - middle) * (1 + draw(0.2))).clamp(0, 1)
