"""A glance at the whole picture: what the network decides by a thumbnail of it.

The colour curve of the whole picture is chosen so, and how much of the look the picture gets at all.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from lptn_retouch.model.form import CHOOSING, EYE, STATISTICS, STRETCH
from lptn_retouch.model.translation import luma


class Choice(NamedTuple):
    """What a look at the whole picture decides.

    Args:
        curve: of the grade, (B, 3, 20).
        share: of the look that the picture gets, 0 to 1, (B, 1, 1, 1): none where the look has no business with it.
        grey: 1 for a picture without colour, which shall have none afterwards, 0 for one with, (B, 1, 1, 1).
    """

    curve: Tensor
    share: Tensor
    grey: Tensor


class Glance(nn.Module):
    """Look at a picture's thumbnail and its tones, and answer with a few numbers.

    Args:
        outputs: how many. They are nought to begin with.
    """

    def __init__(self, outputs: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in pairwise(EYE):
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.LeakyReLU(0.1)]
        self.eye = nn.Sequential(*layers)
        self.choose = nn.Sequential(
            nn.Linear(2 * EYE[-1] + STATISTICS, CHOOSING),
            nn.LeakyReLU(0.1),
            nn.Dropout(0.3),
            nn.Linear(CHOOSING, outputs),
        )
        last = self.choose[3]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, thumbnail: Tensor) -> Tensor:
        """Thumbnails (B, 3, 96, 96) in [0, 1] to (B, outputs)."""
        features = self.eye(thumbnail * 2 - 1)  # (B, 96, 3, 3)
        seen = torch.cat([features.mean((2, 3)), features.amax((2, 3)), _tone_statistics(thumbnail)], dim=1)
        return self.choose(seen)  # type: ignore[no-any-return]


def share_of(leaning: Tensor) -> Tensor:
    """Logits to shares of the look, 0 and 1 included."""
    return (0.5 + STRETCH * (leaning.sigmoid() - 0.5)).clamp(0, 1)


def _tone_statistics(thumbnail: Tensor) -> Tensor:
    """Quantiles of red, green, blue and luminance, and the spread of colour, (B, 40)."""
    light = luma(thumbnail)
    flat = torch.cat([thumbnail, light], dim=1).flatten(2)  # (B, 4, n)
    ordered = _sorted(flat.detach())
    n = ordered.shape[2]
    at = [round((n - 1) * q) for q in (0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99)]
    quantiles = torch.stack([ordered[:, :, i] for i in at], dim=2)  # (B, 4, 7); a list as index would go to a GPU
    chroma = thumbnail - light
    return torch.cat(
        [
            quantiles.flatten(1) * 2 - 1,
            flat.mean(2),
            flat.std(2),
            chroma.abs().mean((2, 3)),
            (thumbnail.amax(1) - thumbnail.amin(1)).mean((1, 2))[:, None],
        ],
        dim=1,
    )


def _sorted(rows: Tensor) -> Tensor:
    """The numbers of each row in order. NumPy's sort uses vectors; for a thumbnail, torch's takes 3 ms."""
    if rows.device.type == "cpu" and rows.dtype == torch.float32:
        return torch.from_numpy(np.sort(rows.numpy()))
    return rows.sort(dim=-1).values
