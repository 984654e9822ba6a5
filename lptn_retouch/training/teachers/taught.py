"""Lessons from a teacher: a photograph, its exposure and balance changed at random, and what the teacher makes of it.

A teacher answers for any picture, so there are pairs without end, exact at every size. Beside edges its answer matters
most, for that is where a network that works on a pyramid would leave a glow; so some lessons are nothing but an edge.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from lptn_retouch.files import write_atomically
from lptn_retouch.luts.files import read_lut
from lptn_retouch.model.checkpoint import as_tensors
from lptn_retouch.model.lut_network import LutNetwork
from lptn_retouch.training.data.augment import jittered
from lptn_retouch.training.data.config import DataConfig, JitterConfig
from lptn_retouch.training.data.pictures import ALL, Album
from lptn_retouch.training.teachers.transport import Care, Teacher


@dataclass
class TaughtSet:
    """Pictures in memory and the teacher who retouches them."""

    album: Album  # entries of one
    teacher: Callable[[Tensor], Tensor]

    def __len__(self) -> int:
        return len(self.album)

    def batch(
        self, size: int, config: DataConfig, jitter: JitterConfig, seed: int, rows: slice = ALL
    ) -> tuple[Tensor, Tensor]:
        """Draw a batch, the same for the same seed: inputs, and what the teacher makes of them, (rows, 3, h, w)."""
        random = torch.Generator().manual_seed(seed)
        pictures = self.album.draw(size, config.smallest, random)
        instead = torch.rand(size, generator=random) < jitter.edges
        for i in instead.nonzero().flatten().tolist():
            pictures[i, 0] = edge_picture(pictures.shape[-2], pictures.shape[-1], random)
        before = jittered(pictures, jitter, random)[rows, 0]
        return before, self.answers(before)

    def examples(self) -> list[tuple[Tensor, Tensor]]:
        """All pictures as they are, to validate a network on, and the teacher's answers, (1, 3, h, w)."""
        return [(entry, self.answers(entry)) for entry in self.album.entries()]

    def answers(self, pictures: Tensor) -> Tensor:
        """What the teacher makes of pictures (n, 3, h, w); one at a time, for it holds a hundred numbers a pixel."""
        with torch.no_grad():
            return torch.cat([self.teacher(picture[None]) for picture in pictures])


def edge_picture(height: int, width: int, random: torch.Generator) -> Tensor:
    """Two flat grounds of random colours that meet in a soft edge somewhere, (3, height, width) in [0, 1].

    Example:
        >>> edge_picture(40, 60, torch.Generator().manual_seed(0)).shape
        torch.Size([3, 40, 60])
    """
    one, other = torch.rand(2, 3, 1, 1, generator=random)
    turn, where, soft = torch.rand(3, generator=random).tolist()
    y = torch.linspace(-1, 1, height).view(-1, 1) * height / max(height, width)
    x = torch.linspace(-1, 1, width) * width / max(height, width)
    along = x * math.cos(2 * math.pi * turn) + y * math.sin(2 * math.pi * turn) + where - 0.5
    share = torch.sigmoid(along * max(height, width) / (0.5 + 4 * soft))  # half a pixel to a few
    return one + (other - one) * share  # type: ignore[no-any-return]


def itself(picture: Tensor) -> Tensor:
    """The teacher of the adversarial recipe, which holds the result to the input."""
    return picture


def of_table(file: Path) -> Callable[[Tensor], Tensor]:
    """The teacher that a look-up table is, a ``.cube`` file or a HaldCLUT.

    Raises:
        InvalidPresetError: it is neither.
    """
    table = LutNetwork.from_state_dict(as_tensors(read_lut(file).weights))
    return lambda pictures: table(pictures).clamp(0, 1)


def save_teacher(teacher: Teacher, file: Path) -> None:
    """Write a teacher's weights; its care stands in the run's config."""
    write_atomically(file, lambda stream: torch.save(teacher.state_dict(), stream))


def load_teacher(file: Path, care: Care) -> Teacher:
    """Read what :func:`save_teacher` wrote."""
    teacher = Teacher(care)
    teacher.load_state_dict(torch.load(file, weights_only=True))
    return teacher.eval().requires_grad_(requires_grad=False)
