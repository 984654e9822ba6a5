"""Pictures that a look is to leave as they are: those of its style already, and those that it has no business with.

A look that was taught on landscapes alone takes a face for one. What else people photograph is kind by kind in a table,
so that kinds of which there are few are taught as often as the others; and screens, charts, empty frames, stars and
fireworks are drawn here, five kinds more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter
from torch import Tensor

from lptn_retouch.errors import TrainingError, shown
from lptn_retouch.training.data.pictures import SHAPES, Album

DRAWN = 60  # pictures of each kind that is drawn
OWN = 0.4  # share of the lessons that are of the look's own style already, where there are both


@dataclass(frozen=True)
class Still:
    """Pictures to be left as they are.

    Args:
        style: of the look's style already; entries of one.
        kinds: what the look has no business with, an album a kind.
    """

    style: Album | None
    kinds: list[Album]


def read_table(file: Path, root: Path, kinds: Iterable[str]) -> dict[str, list[Path]]:
    """Read which pictures are of which kind.

    Args:
        file: text, a line each: kind, tab, name; lines that begin with # are passed over.
        root: the folder that names are beneath.
        kinds: those wanted.

    Raises:
        TrainingError: the file cannot be read, a line is none of these, or a kind is not in it.
    """
    try:
        lines = file.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise TrainingError(f"{shown(file)}: cannot be read; name a text file of kinds and pictures.") from None
    found: dict[str, list[Path]] = {kind: [] for kind in kinds}
    for line in lines:
        if line.strip() and not line.startswith("#"):
            kind, tab, name = line.partition("\t")
            if not tab:
                raise TrainingError(f"{shown(file)}: {shown(line)!r} is not a kind, a tab and a name; mend the line.")
            found.get(kind, []).append(root / name)
    if empty := next((kind for kind, files in found.items() if not files), None):
        raise TrainingError(f"{shown(file)} has no picture of the kind {shown(empty)}; mend [data] kinds.")
    return found


def drawn(pixels: int, count: int = DRAWN) -> list[Album]:
    """Screens and pages of text; charts and ramps; empty frames; stars; fireworks: of all shapes.

    Args:
        pixels: area of each, px.
        count: how many of each kind.

    Example:
        >>> [len(album) for album in drawn(2_000, 9)]
        [9, 9, 9, 9, 9]
    """
    return [_album(kind, pixels, count) for kind in (_screen, _ramp, _frame, _stars, _fireworks)]


def _album(kind: Callable[[tuple[int, int], np.random.Generator], Image.Image], pixels: int, count: int) -> Album:
    random = np.random.default_rng(0)
    buckets: dict[str, list[Tensor]] = {shape: [] for shape in SHAPES}
    for i in range(count):
        shape = list(SHAPES)[i % len(SHAPES)]
        height = round((pixels * SHAPES[shape]) ** 0.5)
        picture = kind((max(1, round(pixels / height)), height), random)
        buckets[shape].append(torch.from_numpy(np.asarray(picture).transpose(2, 0, 1).copy())[None])
    return Album({shape: torch.stack(pictures) for shape, pictures in buckets.items() if pictures})


def _screen(size: tuple[int, int], random: np.random.Generator) -> Image.Image:
    """Windows, bars, lines of text and a few coloured signs, on white, grey or black."""
    ground = int(random.choice([255, 250, 240, 128, 60, 48, 40, 32, 20, 0]))
    ink = round(ground + random.uniform(0.4, 1) * ((0 if ground > 100 else 255) - ground))
    picture = Image.new("RGB", size, (ground,) * 3)
    draw = ImageDraw.Draw(picture)
    width, height = size
    if random.random() < 0.5:  # bars along two edges, with signs in a row
        bar, sign = (ground + 24 if ground < 100 else ground - 20,) * 3, max(3, height // 14)
        draw.rectangle((0, 0, width, 3 * sign), fill=bar)
        draw.rectangle((0, 0, int(width * random.uniform(0, 0.3)), height), fill=bar)
        for x in range(sign, min(width, int(random.integers(3, 12)) * 2 * sign), 2 * sign):
            draw.rectangle((x, sign, x + sign, 2 * sign), fill=tuple(int(c) for c in random.integers(0, 256, 3)))
    for _ in range(random.integers(0, 4)):
        shade = int(random.integers(0, 256))
        draw.rectangle(_box(size, random, 0.6), fill=(shade,) * 3)
    for y in range(int(random.integers(2, 12)), height, int(random.integers(5, 12))):
        x = 4
        while x < width * random.uniform(0.4, 1):
            word = int(random.integers(3, 18))
            draw.line((x, y, x + word, y), fill=(ink,) * 3, width=int(random.integers(1, 3)))
            x += word + 3
    for _ in range(random.integers(0, 6)):
        draw.rectangle(_box(size, random, 0.15), fill=tuple(int(c) for c in random.integers(0, 256, 3)))
    return picture


def _ramp(size: tuple[int, int], random: np.random.Generator) -> Image.Image:
    """A grey ramp, in steps or smooth, or a chart of patches."""
    width, height = size
    if random.random() < 0.6:
        steps = int(random.choice([6, 12, 24, 256]))
        line = np.floor(np.linspace(0, steps - 1e-6, width)) * (255 / max(steps - 1, 1))
        planes = np.repeat(np.tile(line, (height, 1))[..., None], 3, axis=2)
        return Image.fromarray(planes.astype(np.uint8))
    patches = random.integers(0, 256, (int(random.integers(2, 6)), int(random.integers(3, 8)), 3)).astype(np.uint8)
    return Image.fromarray(patches).resize(size, Image.Resampling.NEAREST)


def _frame(size: tuple[int, int], random: np.random.Generator) -> Image.Image:
    """An empty frame, black, grey or white, with hardly any noise."""
    ground = float(random.choice([0, 2, 8, 30, 128, 200, 245, 255]))
    planes = np.full((size[1], size[0], 1), ground) + random.normal(0, random.choice([0, 1, 3]), (size[1], size[0], 1))
    return Image.fromarray(np.clip(planes, 0, 255).astype(np.uint8).repeat(3, 2))


def _stars(size: tuple[int, int], random: np.random.Generator) -> Image.Image:
    """Points of light, few or many, white or tinted, sharp or soft, on black or deep blue."""
    planes = np.zeros((size[1], size[0], 3)) + random.uniform(0, 1) * np.array([8, 10, 24])
    lit = random.random(planes.shape[:2]) < 10 ** random.uniform(-3.5, -1.5)
    light = random.uniform(20, 255, (int(lit.sum()), 1)) * random.uniform(0.7, 1, (int(lit.sum()), 3))
    planes[lit] = light
    soft = Image.fromarray(planes.astype(np.uint8)).filter(ImageFilter.GaussianBlur(random.uniform(0, 1.2)))
    return ImageEnhance.Brightness(soft).enhance(random.uniform(1, 2))


def _fireworks(size: tuple[int, int], random: np.random.Generator) -> Image.Image:
    """Bursts of rays on black, with smoke in their light, and sometimes a dark horizon with windows below."""
    width, height = size
    picture = Image.new("RGB", size, tuple(int(c) for c in random.uniform(0, 14, 3)))
    draw = ImageDraw.Draw(picture)
    for _ in range(random.integers(1, 6)):
        x, y, reach = random.uniform(0, width), random.uniform(0, 0.8 * height), random.uniform(0.08, 0.4) * height
        hue = random.dirichlet((0.7, 0.7, 0.7)) + random.uniform(0, 0.3)
        for _ in range(random.integers(20, 120)):
            angle, far = random.uniform(0, 2 * np.pi), reach * random.uniform(0.5, 1)
            near = far * random.uniform(0, 0.7)
            ends = [(x + r * np.cos(angle), y + r * np.sin(angle) + 0.1 * r * r / reach) for r in (near, far)]
            light = np.clip(255 * hue / hue.max() * random.uniform(0.3, 1.2), 0, 255).astype(int)
            draw.line([ends[0], ends[1]], fill=tuple(int(c) for c in light), width=int(random.integers(1, 3)))
    if random.random() < 0.4:
        ground = height * random.uniform(0.75, 0.95)
        draw.rectangle((0, ground, width, height), fill=(3, 3, 4))
        for _ in range(random.integers(0, 40)):
            at = random.uniform(0, width), random.uniform(ground, height)
            draw.point(at, fill=(255, 200, int(random.integers(80, 200))))
    smoke = picture.filter(ImageFilter.GaussianBlur(height * random.uniform(0.01, 0.06)))
    return Image.blend(picture, ImageChops.add(picture, smoke), random.uniform(0.2, 0.9))


def _box(size: tuple[int, int], random: np.random.Generator, most: float) -> tuple[int, int, int, int]:
    w, h = (int(side * random.uniform(0.03, most)) + 1 for side in size)
    x, y = int(random.uniform(0, size[0] - w)), int(random.uniform(0, size[1] - h))
    return x, y, x + w, y + h
