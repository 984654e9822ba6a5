"""What all benchmarks are given: a scene, a folder, how thorough to be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lptn_retouch.bench.photograph import Rgb, write_photograph


@dataclass(frozen=True)
class Setting:
    """What all benchmarks are given.

    Args:
        scene: the picture that photographs are made of.
        folder: for files; removed afterwards.
        quick: fewer repeats, no large pictures.
        tell: is called with each line of progress.
    """

    scene: Rgb
    folder: Path
    quick: bool
    tell: Callable[[str], None]

    @property
    def repeats(self) -> int:
        """How often each thing is timed."""
        return 3 if self.quick else 5

    def photograph(self, megapixels: float) -> Path:
        """The JPEG of a photograph of this size; made when it is first asked for."""
        path = self.folder / f"{megapixels:g}-megapixels.jpg"
        if not path.exists():
            self.tell(f"  a photograph of {megapixels:g} megapixels")
            write_photograph(path, self.scene, *frame(megapixels))
        return path


def frame(megapixels: float) -> tuple[int, int]:
    """Width and height of a picture of three to two.

    Example:
        >>> frame(24)
        (6000, 4000)
    """
    height = round((megapixels * 1e6 / 1.5) ** 0.5)
    return round(1.5 * height), height
