"""Pairs of pictures, before and after, by name; and the batches drawn from them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from lptn_retouch.errors import TrainingError, shown
from lptn_retouch.training.data.augment import jittered
from lptn_retouch.training.data.config import DataConfig, JitterConfig
from lptn_retouch.training.data.pictures import ALL, Album, list_pictures, load_srgb


def find_pairs(before: Path, after: Path) -> list[tuple[Path, Path]]:
    """Match two folders of pictures by file name without its ending.

    Raises:
        TrainingError: a folder is missing, or they have no name in common.
    """
    named = [{p.stem: p for p in list_pictures(folder)} for folder in (before, after)]
    both = sorted(named[0].keys() & named[1].keys())
    if not both:
        raise TrainingError(
            f"{shown(before)} and {shown(after)} have no file name in common; name each pair of pictures alike."
        )
    return [(named[0][stem], named[1][stem]) for stem in both]


@dataclass
class PairSet:
    """Pairs in memory."""

    album: Album  # entries of two

    @classmethod
    def load(cls, pairs: list[tuple[Path, Path]], config: DataConfig) -> PairSet:
        """Open pairs."""
        return cls(Album.load(pairs, config.pixels))

    def __len__(self) -> int:
        return len(self.album)

    def batch(
        self, size: int, config: DataConfig, jitter: JitterConfig, seed: int, rows: slice = ALL
    ) -> tuple[Tensor, Tensor]:
        """Draw a batch: the same for the same seed, so that a resumed run sees what it would have seen.

        Args:
            size: of the whole batch.
            config, jitter: how pictures are scaled and changed.
            seed: of every random choice.
            rows: those wanted of the batch, where several processes share it.

        Returns:
            Inputs and targets, (rows, 3, h, w) in [0, 1].
        """
        random = torch.Generator().manual_seed(seed)
        both = jittered(self.album.draw(size, config.smallest, random), jitter, random)
        return both[rows, 0], both[rows, 1]

    def examples(self) -> list[tuple[Tensor, Tensor]]:
        """All pairs as they are, to validate a network on: inputs and targets, (1, 3, h, w)."""
        return [(entry[:1], entry[1:]) for entry in self.album.entries()]


def load_named(pairs: list[tuple[Path, Path]]) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Open pairs one by one at their own size; the target is brought to the input's when they differ."""
    for before, after in pairs:
        a, b = load_srgb(before), load_srgb(after)
        if a.shape != b.shape:
            b = F.interpolate(b, size=a.shape[-2:], mode="bilinear", antialias=True)
        yield before.stem, a, b
