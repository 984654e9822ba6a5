"""A look taken from two folders of photographs that show no common scene, such as summer and winter.

Optimal transport moves the colours of the source pictures, each seen together with its surroundings, onto those of the
style pictures; a small network learns the movement. The result is a **teacher**: a smooth function of colour and
surroundings that answers for any picture at any size in the same way, and so makes pairs without end from which a
GradedLPTN can learn. It is fitted in half a minute.

Every sample is eight numbers: its colour in OKLab, the mean colour around it, how much texture is there, and how high
in the frame it lies. The cloud is moved by iterative distribution transfer: along random axes, one-dimensional
histograms are matched (Pitié, Kokaram & Dahyot, "Automated colour grading using colour distribution transfer",
CVIU 2007).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from lptn_retouch.training.blur import blur
from lptn_retouch.training.oklab import oklab, srgb

SPAN = 96  # px, sqrt(H W) of the copy of a picture in which surroundings are seen
_AROUND = 16.0  # px there, sigma of the mean colour around a sample: wide, so that no rim follows an edge
_FINE, _COARSE = 1.2, 8.0  # px there: texture is what differs from the first, averaged over the second
_NOISE = 0.22  # OKLab lightness below which one darkness is as good as another
# How much a distance in each number counts: chroma more than lightness, surroundings less than the sample's own colour.
_SCALE = (1.0, 2.5, 2.5, 0.5, 1.5, 1.5, 0.03, 0.15)


@dataclass(frozen=True)
class Care:
    """What a look leaves alone, and how far it goes.

    Args:
        strength: of the whole movement; 1 lays the source's colours exactly over the style's.
        neutrals: 0 to 1, how much greys and whites are kept free of a cast.
        skin: 0 to 1, how much the hues of skin keep their hue.
        whites: 0 to 1, how much what is white, or blown, stays as it is.
        foliage: 0 to 1, how much the look keeps to the hues of plants.
        greens: 0 to 1, how much plants keep their hue.
        blues: 0 to 1, how much the blue of skies and water keeps its hue.
        blacks: 0 to 1, how much what is black stays as dark as it is.
        lamps: 0 to 1, how much small warm lights keep their light, where what is around them is darker.
        sky: 0 to 1, how far what is bright and high in the frame falls to a night sky.
        dawn: 0 to 1, how far what is dark and high in the frame, a night sky, turns into a day's.
        glow: 0 to 1, how far what is bright and high in the frame turns into an evening's sky: gold at the horizon.
    """

    strength: float = 1.0
    neutrals: float = 0.7
    skin: float = 0.3
    whites: float = 0.0
    foliage: float = 0.0
    greens: float = 0.0
    blues: float = 0.0
    blacks: float = 0.0
    lamps: float = 0.0
    sky: float = 0.0
    dawn: float = 0.0
    glow: float = 0.0


class Teacher(nn.Module):
    """A look as a smooth function of colour and surroundings. Made by :func:`fit_teacher`.

    Shape:
        (B, 3, H, W) sRGB in [0, 1] to (B, 3, H, W), clipped to [0, 1]; any size.
    """

    def __init__(self, care: Care, hidden: int = 48) -> None:
        super().__init__()
        self.care = care
        self.move = nn.Sequential(
            nn.Linear(8, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, 3)
        )

    def forward(self, picture: Tensor) -> Tensor:
        lab = oklab(picture)
        seen = samples(lab)  # (B, 8, H, W)
        known = seen
        if self.care.dawn:  # near black OKLab tells apart what is but a JPEG's noise, and lifting makes it seen
            known = torch.cat([seen[:, :1].clamp_min(_NOISE), seen[:, 1:]], dim=1)
        move = self.move(known.movedim(1, -1)).movedim(-1, 1)  # (B, 3, H, W), OKLab
        return srgb(lab + self._with_care(lab, seen, move)).clamp(0, 1)

    def _with_care(self, lab: Tensor, seen: Tensor, move: Tensor) -> Tensor:
        care = self.care
        chroma = lab[:, 1:].square().sum(1, keepdim=True).add(1e-8).sqrt()
        kept = 1 - care.neutrals * (1 - _ramp(chroma, 0.01, 0.05))
        kept = kept * (1 - care.skin * _skin(lab, chroma)) * (1 - care.blues * _blue(lab))
        plants = _plants(lab, chroma)
        kept = kept * (1 - care.foliage * (1 - plants)) * (1 - care.greens * plants)
        tint = care.strength * kept * move[:, 1:]
        # A colour that is strong already gains no more.
        outward = lab[:, 1:] / chroma
        gain = (tint * outward).sum(1, keepdim=True).clamp_min(0)
        tint = tint - outward * gain * _ramp(chroma, 0.09, 0.17)
        light = care.strength * move[:, :1]
        light = light - care.blacks * light.clamp_min(0) * (1 - _ramp(lab[:, :1], 0.1, 0.35))
        if care.lamps:
            light = light * (1 - care.lamps * _lamp(lab, chroma, seen))
        moved = torch.cat([light, tint], dim=1)
        if care.sky:  # night is dark, not black; its sky keeps a little of its shape and turns a deep blue
            darkest = -0.66 + 0.16 * (1 - _ramp(lab[:, :1], 0.15, 0.5))  # what is dark already falls less
            moved = torch.cat([torch.maximum(light, darkest * lab[:, :1]), tint], dim=1)
            night = torch.cat([0.08 + 0.28 * lab[:, :1], 0.25 * lab[:, 1:2], 0.25 * lab[:, 2:] - 0.04], dim=1)
            moved = torch.lerp(moved, night - lab, care.sky * _sky(lab, seen))
        if care.dawn:
            even = 0.5 + 0.5 * lab[:, :1].clamp_min(_NOISE)  # an overcast one
            day = torch.cat([even, 0.5 * lab[:, 1:2] - 0.004, 0.5 * lab[:, 2:] - 0.017], dim=1)
            moved = torch.lerp(moved, day - lab, care.dawn * _dark_sky(lab, seen))
        if care.glow:  # it is dimmer above, and keeps a little of its blue there
            near = _ramp(seen[:, 7:8] / _SCALE[7], 0.0, 0.55)
            light = (0.78 + 0.17 * near) * lab[:, :1]
            red = 0.5 * lab[:, 1:2] + 0.03 + 0.045 * near
            gold = (0.75 - 0.3 * near) * lab[:, 2:] + 0.045 + 0.075 * near
            moved = torch.lerp(moved, torch.cat([light, red, gold], dim=1) - lab, care.glow * _sky(lab, seen))
        return moved * (1 - care.whites * _white(lab, chroma))


def samples(lab: Tensor) -> Tensor:
    """What the teacher knows of every pixel: (B, 3, H, W) in OKLab to (B, 8, H, W), scaled for transport."""
    h, w = lab.shape[-2:]
    small = _canonical(lab)
    around = blur(small, _AROUND)
    light = small[:, :1]
    texture = (1e-3 + blur((light - blur(light, _FINE)).abs(), _COARSE)).log()
    context = F.interpolate(torch.cat([around, texture], dim=1), size=(h, w), mode="bilinear", align_corners=False)
    height = torch.linspace(0, 1, h, dtype=lab.dtype, device=lab.device).view(1, 1, h, 1).expand(len(lab), 1, h, w)
    seen = torch.cat([lab, context, height], dim=1)
    return seen * seen.new_tensor(_SCALE).view(1, 8, 1, 1)


def fit_teacher(
    source: Sequence[Tensor],
    style: Sequence[Tensor],
    care: Care | None = None,
    *,
    seed: int = 0,
    steps: int = 1500,
    say: Callable[[str], None] = lambda _: None,
) -> Teacher:
    """Fit the look that turns pictures like ``source`` into pictures like ``style``.

    Args:
        source, style: pictures, (1, 3, H, W) sRGB in [0, 1], of any sizes; thirty of each at least, better
            three hundred.
        care: what to leave alone.
        seed: the same seed, pictures and machine give the same teacher.
        steps: of the small network that learns the movement.
        say: called with a line now and then.

    Example:
        >>> day = [torch.rand(1, 3, 40, 60) * 0.5 + 0.5 for _ in range(8)]
        >>> dusk = [picture * 0.5 for picture in day]
        >>> teacher = fit_teacher(day, dusk, Care(neutrals=0, skin=0), steps=300)
        >>> bool(teacher(day[0]).mean() < 0.6 * day[0].mean())
        True
    """
    care = care or Care()
    random = torch.Generator().manual_seed(seed)
    before, after = _cloud(source, random), _cloud(style, random)
    say(f"moving {len(before)} samples of {len(source)} pictures onto {len(after)} of {len(style)}")
    start, moved = transport(before, after, random)
    move = (moved - start)[:, :3] / start.new_tensor(_SCALE[:3])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        teacher = Teacher(care)
    _learn(teacher.move, start, move, steps, random)
    return teacher.eval().requires_grad_(requires_grad=False)


def transport(before: Tensor, after: Tensor, random: torch.Generator, rounds: int = 80) -> tuple[Tensor, Tensor]:
    """Move one cloud of points onto another: (n, d) and (m, d) to the points used, (k, d), and where they came to."""
    count = min(len(before), len(after))
    start = before[torch.randperm(len(before), generator=random)[:count]]
    goal = after[torch.randperm(len(after), generator=random)[:count]]
    moved, axes = start.clone(), start.shape[1]
    for _ in range(rounds):
        turn = torch.linalg.qr(torch.randn(axes, axes, generator=random)).Q
        along = moved @ turn
        order = along.argsort(0)
        new = torch.empty_like(along).scatter_(0, order, (goal @ turn).sort(0).values)
        moved += 0.35 * (new - along) @ turn.T
    return start, moved


def _cloud(pictures: Sequence[Tensor], random: torch.Generator, each: int = 500) -> Tensor:
    clouds = []
    for picture in pictures:
        seen = samples(oklab(_canonical(picture)))[0].flatten(1).T  # (pixels, 8)
        clouds.append(seen[torch.randint(len(seen), (each,), generator=random)])
    return torch.cat(clouds)


def _canonical(x: Tensor) -> Tensor:
    """A picture, (B, 3, H, W), at the size in which surroundings are seen."""
    scale = SPAN / math.sqrt(x.shape[-2] * x.shape[-1])
    size = [max(2, round(side * scale)) for side in x.shape[-2:]]
    return F.interpolate(x, size=size, mode="bilinear", antialias=True)


def _learn(net: nn.Module, points: Tensor, move: Tensor, steps: int, random: torch.Generator) -> None:
    optimizer = torch.optim.Adam(net.parameters(), 3e-3)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 3e-3 * 0.5 * (1 + math.cos(math.pi * step / steps))
        chosen = torch.randint(len(points), (4096,), generator=random)
        loss = (net(points[chosen]) - move[chosen]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def _ramp(x: Tensor, low: float, high: float) -> Tensor:
    """0 below ``low``, 1 above ``high``, smooth between."""
    t = ((x - low) / (high - low)).clamp(0, 1)
    return t * t * (3 - 2 * t)


def _sky(lab: Tensor, seen: Tensor) -> Tensor:
    """1 where there may be a day's sky: bright, neither green nor warm, in the upper part.

    It goes by a pixel's own colour, so that it follows a tower's outline without a rim.
    """
    light, a, b = lab[:, :1], lab[:, 1:2], lab[:, 2:3]
    height = seen[:, 7:8] / _SCALE[7]
    cool = (1 - _ramp(b, 0.03, 0.08)) * (1 - _ramp(-a, 0.06, 0.12))
    return _ramp(light, 0.45, 0.7) * cool * (1 - _ramp(height, 0.35, 0.85))


def _dark_sky(lab: Tensor, seen: Tensor) -> Tensor:
    """1 where there may be a night sky: dark, in the upper part."""
    height = seen[:, 7:8] / _SCALE[7]
    return (1 - _ramp(lab[:, :1], 0.15, 0.5)) * (1 - _ramp(height, 0.2, 0.7))


def _white(lab: Tensor, chroma: Tensor) -> Tensor:
    """1 where there is white, or light that the camera did not hold."""
    return _ramp(lab[:, :1], 0.9, 0.985) * (1 - _ramp(chroma, 0.02, 0.06))


def _plants(lab: Tensor, chroma: Tensor) -> Tensor:
    """1 where the colour may be that of leaves or grass: hue 85 to 165 degrees."""
    hue = torch.atan2(lab[:, 2:3], lab[:, 1:2]) * (180 / math.pi)
    return _ramp(hue, 75, 95) * (1 - _ramp(hue, 160, 185)) * _ramp(chroma, 0.02, 0.045)


def _blue(lab: Tensor) -> Tensor:
    """1 where there is the blue of a sky or of water."""
    return _ramp(-lab[:, 2:3], 0.015, 0.05) * (1 - _ramp(lab[:, 1:2], 0.0, 0.03))


def _lamp(lab: Tensor, chroma: Tensor, seen: Tensor) -> Tensor:
    """1 where there may be a lamp or a lit window: bright, warm, and much brighter than what is around it."""
    brighter = lab[:, :1] - seen[:, 3:4] / _SCALE[3]
    warm = _ramp(lab[:, 2:3], 0.03, 0.07) * _ramp(lab[:, 1:2], 0.0, 0.03) * _ramp(chroma, 0.04, 0.08)
    return _ramp(lab[:, :1], 0.55, 0.75) * warm * _ramp(brighter, 0.1, 0.25)


def _skin(lab: Tensor, chroma: Tensor) -> Tensor:
    """1 where the colour may be skin: hue 20 to 60 degrees, moderate chroma, not dark."""
    hue = torch.atan2(lab[:, 2:3], lab[:, 1:2]) * (180 / math.pi)
    likely = _ramp(hue, 15, 30) * (1 - _ramp(hue, 55, 75))
    return likely * _ramp(chroma, 0.02, 0.04) * (1 - _ramp(chroma, 0.11, 0.16)) * _ramp(lab[:, :1], 0.3, 0.45)
