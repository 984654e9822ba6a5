"""Pairs of pictures, before and after, by name; and the batches drawn from them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from lptn_retouch.errors import TrainingError
from lptn_retouch.formats import open_photo
from lptn_retouch.training.config import DataConfig, JitterConfig

_SHAPES = {"landscape": 2 / 3, "square": 1.0, "portrait": 3 / 2}  # height over width


def find_pairs(before: Path, after: Path) -> list[tuple[Path, Path]]:
    """Match two folders of pictures by file name without its ending.

    Raises:
        TrainingError: a folder is missing, or they have no name in common.
    """
    named: list[dict[str, Path]] = []
    for folder in (before, after):
        if not folder.is_dir():
            raise TrainingError(f"{folder}: no such folder; pairs need one of pictures before and one after.")
        named.append({p.stem: p for p in sorted(folder.iterdir()) if p.is_file() and not p.name.startswith(".")})
    both = sorted(named[0].keys() & named[1].keys())
    if not both:
        raise TrainingError(f"{before} and {after} have no file name in common; name each pair of pictures alike.")
    return [(named[0][stem], named[1][stem]) for stem in both]


def as_tensor(pixels: np.ndarray) -> Tensor:
    """Pixels (H, W, 3|4) of any depth to (1, 3, H, W) in [0, 1]; alpha is left out."""
    scale = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535}.get(pixels.dtype, 1)
    array = np.ascontiguousarray(pixels[..., :3].transpose(2, 0, 1)).astype(np.float32)
    return torch.from_numpy(array)[None] / scale


@dataclass
class PairSet:
    """Pairs in memory, each brought whole (statistics of the whole picture matter) to one of three shapes."""

    buckets: dict[str, Tensor]  # shape name to (n, 2, 3, h, w) uint8

    @classmethod
    def load(cls, folder: Path, config: DataConfig) -> PairSet:
        """Open every pair below ``folder`` (``input/`` and ``target/``)."""
        pairs = find_pairs(folder / "input", folder / "target")
        held: dict[str, list[Tensor]] = {name: [] for name in _SHAPES}
        with ThreadPoolExecutor(2) as pool:
            for shape, pair in pool.map(lambda pair: _shaped(pair[0], pair[1], config.pixels), pairs):
                held[shape].append(pair)
        return cls({name: torch.stack(pictures) for name, pictures in held.items() if pictures})

    def __len__(self) -> int:
        return sum(len(pictures) for pictures in self.buckets.values())

    def batch(self, size: int, config: DataConfig, jitter: JitterConfig, seed: int) -> tuple[Tensor, Tensor]:
        """Draw a batch: the same for the same seed, so that a resumed run sees what it would have seen.

        Returns:
            Inputs and targets, (size, 3, h, w) in [0, 1].
        """
        random = torch.Generator().manual_seed(seed)
        names = list(self.buckets)
        share = torch.tensor([float(len(self.buckets[name])) for name in names])
        pictures = self.buckets[names[int(torch.multinomial(share, 1, generator=random))]]
        chosen = pictures[torch.randint(len(pictures), (size,), generator=random)].float() / 255
        scale = config.smallest + (1 - config.smallest) * float(torch.rand(1, generator=random))
        h, w = (max(1, round(n * scale)) for n in chosen.shape[-2:])
        both = F.interpolate(chosen.flatten(0, 1), size=(h, w), mode="bilinear", antialias=True)
        both = both.view(size, 2, 3, h, w)
        mirrored = torch.rand(size, generator=random) < 0.5
        both = torch.where(mirrored.view(-1, 1, 1, 1, 1), both.flip(-1), both)
        both = jittered(both, jitter, random)
        return both[:, 0], both[:, 1]


def jittered(both: Tensor, config: JitterConfig, random: torch.Generator) -> Tensor:
    """Change exposure, white balance, contrast and colour of pairs (n, 2, 3, h, w): together, or the input alone."""
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


def load_native(folder: Path) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Open the pairs below ``folder`` one by one at their own size: name, input and target, (1, 3, H, W)."""
    yield from load_named(find_pairs(folder / "input", folder / "target"))


def load_named(pairs: list[tuple[Path, Path]]) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Open pairs one by one at their own size; the target is brought to the input's when they differ."""
    for before, after in pairs:
        a, b = as_tensor(open_photo(before).pixels), as_tensor(open_photo(after).pixels)
        if a.shape != b.shape:
            b = F.interpolate(b, size=a.shape[-2:], mode="bilinear", antialias=True)
        yield before.stem, a, b


def _shaped(before: Path, after: Path, pixels: int) -> tuple[str, Tensor]:
    a, b = as_tensor(open_photo(before).pixels), as_tensor(open_photo(after).pixels)
    ratio = a.shape[-2] / a.shape[-1]
    shape = min(_SHAPES, key=lambda name: abs(math.log(ratio / _SHAPES[name])))
    height = round(math.sqrt(pixels * _SHAPES[shape]))
    size = (height, round(pixels / height))
    pair = torch.cat([F.interpolate(x, size=size, mode="bilinear", antialias=True) for x in (a, b)])
    return shape, (pair * 255).round().to(torch.uint8)
