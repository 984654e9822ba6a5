"""Folders of pictures: found, opened, brought to one of three shapes, and drawn from at random."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from lptn_retouch.errors import TrainingError, shown
from lptn_retouch.opening import open_photo
from lptn_retouch.training.data.cache import cached, prune

ALL = slice(None)  # rows of a batch
FEWEST = 8  # pictures that a look can be learnt from at all
SHAPES = {"landscape": 2 / 3, "square": 1.0, "portrait": 3 / 2}  # height over width
# What cameras, editors and systems leave beside photographs.
_COMPANIONS = {".xmp", ".pp3", ".dop", ".thm", ".txt", ".csv", ".json", ".toml", ".md", ".db", ".ini"}


def list_pictures(folder: Path) -> list[Path]:
    """The files of a folder that may be pictures, by name; sidecars and hidden files are passed over.

    Raises:
        TrainingError: there is no such folder, or none in it.

    Example:
        >>> list_pictures(Path("nowhere"))
        Traceback (most recent call last):
        lptn_retouch.errors.TrainingError: nowhere: no such folder; name a folder of pictures.
    """
    if not folder.is_dir():
        raise TrainingError(f"{shown(folder)}: no such folder; name a folder of pictures.")
    try:
        files = [p for p in sorted(folder.iterdir()) if p.is_file() and not p.name.startswith(".")]
    except OSError as error:
        raise TrainingError(f"{shown(folder)}: cannot be read ({error.strerror}); change its permissions.") from None
    files = [p for p in files if p.suffix.lower() not in _COMPANIONS]
    if not files:
        raise TrainingError(f"{shown(folder)}: there is no picture in it; name a folder of pictures.")
    return files


def as_tensor(pixels: np.ndarray) -> Tensor:
    """Pixels (H, W, 3|4) of any depth to (1, 3, H, W) in [0, 1]; alpha is left out."""
    scale = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535}.get(pixels.dtype, 1)
    array = np.ascontiguousarray(pixels[..., :3].transpose(2, 0, 1)).astype(np.float32)
    return torch.from_numpy(array)[None] / scale


def load_srgb(file: Path) -> Tensor:
    """A picture as a network sees it, (1, 3, H, W) in [0, 1]: in sRGB, whatever its profile.

    Raises:
        PhotoError: it cannot be read; the message names it.
    """
    return as_tensor(open_photo(file).to_srgb().pixels)


@dataclass
class Album:
    """Entries of one picture or more (a pair has two) in memory, each whole and in one of three shapes.

    Whole, because a network that looks at the picture's statistics would take a crop for another picture.
    """

    buckets: dict[str, Tensor]  # shape name to (n, pictures of an entry, 3, h, w) uint8

    @classmethod
    def load(cls, entries: Sequence[tuple[Path, ...]], pixels: int) -> Album:
        """Open every picture and bring it to an area of about ``pixels``.

        Raises:
            PhotoError: a picture cannot be read; the message names it.
        """
        held: dict[str, list[Tensor]] = {name: [] for name in SHAPES}
        with ThreadPoolExecutor(2) as pool:
            for shape, entry in pool.map(lambda files: small_entry(files, pixels), entries):
                held[shape].append(entry)
        prune()
        return cls({name: torch.stack(pictures) for name, pictures in held.items() if pictures})

    def __len__(self) -> int:
        return sum(len(pictures) for pictures in self.buckets.values())

    def __str__(self) -> str:
        return ", ".join(f"{len(pictures)} {shape}" for shape, pictures in self.buckets.items())

    def entries(self) -> list[Tensor]:
        """All entries one by one, (pictures of an entry, 3, h, w) in [0, 1]."""
        return [entry.float() / 255 for pictures in self.buckets.values() for entry in pictures]

    def draw(self, size: int, smallest: float, random: torch.Generator) -> Tensor:
        """Draw entries of one shape, at one random scale, some mirrored: (size, pictures of an entry, 3, h, w)."""
        names = list(self.buckets)
        share = torch.tensor([float(len(self.buckets[name])) for name in names])
        pictures = self.buckets[names[int(torch.multinomial(share, 1, generator=random))]]
        chosen = pictures[torch.randint(len(pictures), (size,), generator=random)].float() / 255
        scale = smallest + (1 - smallest) * float(torch.rand(1, generator=random))
        h, w = (max(1, round(n * scale)) for n in chosen.shape[-2:])
        scaled = F.interpolate(chosen.flatten(0, 1), size=(h, w), mode="bilinear", antialias=True)
        scaled = scaled.view(*chosen.shape[:3], h, w)
        mirrored = torch.rand(size, generator=random) < 0.5
        return torch.where(mirrored.view(-1, 1, 1, 1, 1), scaled.flip(-1), scaled)


def small_entry(files: tuple[Path, ...], pixels: int) -> tuple[str, Tensor]:
    """An entry's pictures made small, (n, 3, h, w) uint8, all in the shape of the first, and that shape's name."""
    first = _small(files[0], pixels, "")
    shape = min(SHAPES, key=lambda name: abs(math.log(first.shape[-2] / first.shape[-1] / SHAPES[name])))
    return shape, torch.stack([first, *(_small(file, pixels, shape) for file in files[1:])])


def _small(file: Path, pixels: int, shape: str) -> Tensor:
    """A picture made small, (3, h, w) uint8, in the shape named or else in the one nearest to its own."""

    def make() -> Tensor:
        picture = load_srgb(file)
        ratio = SHAPES.get(shape, picture.shape[-2] / picture.shape[-1])
        ratio = min(SHAPES.values(), key=lambda known: abs(math.log(ratio / known)))
        height = round(math.sqrt(pixels * ratio))
        size = (height, max(1, round(pixels / height)))
        small = F.interpolate(picture, size=size, mode="bilinear", antialias=True)[0]
        return (small * 255).round().to(torch.uint8)

    return cached(file, f"{pixels} {shape}", make)
