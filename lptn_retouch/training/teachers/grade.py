"""A look set by hand, as at a grading desk: exposure, contrast, warmth, and what becomes of single hues.

Where there are no photographs to take a look from, a :class:`Grade` can be the teacher instead of a transport: it too
answers for any picture at any size, and a GradedLPTN learns from it in the same way. All of it happens in OKLab.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lptn_retouch.training.oklab import oklab, srgb


@dataclass(frozen=True)
class Band:
    """What becomes of the colours about one hue.

    Args:
        hue: degrees in OKLab: skin about 50, dry grass 90, leaves 130, sky 250.
        width: degrees to either side over which it fades.
        turn: degrees by which the hue moves.
        light: added to the lightness, -1 to 1.
        colour: factor of the chroma.
    """

    hue: float
    width: float = 40.0
    turn: float = 0.0
    light: float = 0.0
    colour: float = 1.0


@dataclass(frozen=True)
class Grade:
    """The settings of a grading desk.

    Args:
        exposure: added to the lightness of the middle tones, -1 to 1; black and white stay.
        contrast: factor of the slope at the middle, about 1.
        shadows: how much the blacks are lifted, 0 to 1.
        warmth: towards yellow (positive) or blue, OKLab units; 0.02 is plainly seen.
        tint: towards red (positive) or green, OKLab units.
        colour: factor of all chroma.
        bands: single hues.
    """

    exposure: float = 0.0
    contrast: float = 1.0
    shadows: float = 0.0
    warmth: float = 0.0
    tint: float = 0.0
    colour: float = 1.0
    bands: tuple[Band, ...] = ()


class GradeTeacher(nn.Module):
    """Applies a :class:`Grade`.

    Shape:
        (B, 3, H, W) sRGB in [0, 1] to (B, 3, H, W), clipped to [0, 1]; any size.

    Example:
        >>> picture = torch.full((1, 3, 2, 2), 0.5)
        >>> bool(GradeTeacher(Grade(exposure=0.1))(picture).mean() > 0.5)
        True
    """

    def __init__(self, grade: Grade) -> None:
        super().__init__()
        self.grade = grade

    def forward(self, picture: Tensor) -> Tensor:
        grade = self.grade
        lab = oklab(picture)
        light, a, b = lab[:, :1], lab[:, 1:2], lab[:, 2:]
        chroma, hue = torch.hypot(a, b), torch.atan2(b, a)
        middle = 4 * light * (1 - light)  # nothing at black and white
        new_light = light + grade.exposure * middle + (grade.contrast - 1) * (light - 0.5) * middle
        new_light = new_light + grade.shadows * 0.25 * (1 - light) ** 3
        new_chroma, new_hue = grade.colour * chroma, hue
        for band in grade.bands:
            apart = torch.remainder(hue - math.radians(band.hue) + math.pi, 2 * math.pi) - math.pi
            near = torch.exp(-((apart / math.radians(band.width)) ** 2)) * (chroma / 0.05).clamp(0, 1)
            new_hue = new_hue + near * math.radians(band.turn)
            new_light = new_light + near * band.light * middle
            new_chroma = new_chroma * (1 + near * (band.colour - 1))
        # Pure black and white keep no tint, as on film.
        new_a = new_chroma * new_hue.cos() + grade.tint * middle
        new_b = new_chroma * new_hue.sin() + grade.warmth * middle
        return srgb(torch.cat([new_light, new_a, new_b], dim=1)).clamp(0, 1)
