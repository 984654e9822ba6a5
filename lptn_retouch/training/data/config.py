"""What a run's TOML file may say of its pictures: ``[data]``, where they are; ``[jitter]``, how they are changed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DataConfig:
    """Where the pictures are: pairs (``train``, or ``before`` and ``after``) or two folders (``source``, ``style``)."""

    train: str = ""  # a folder with input/ and target/ in it; pairs share a file name
    validate: str = ""  # the same, held out
    leave_out: str = ""  # a text file with the names, a line each, of pairs not to learn from: held-out scenes, say
    before: str = ""
    after: str = ""
    source: tuple[str, ...] = ()  # a folder or several: pictures as they are
    style: str = ""  # pictures as they shall look; no scene in common is needed
    keep: str = ""  # a text file with the names, a line each, of the style pictures to use; "" for all
    practice: tuple[str, ...] = ()  # further folders: the teacher is not fitted to them, but teaches on them too
    still: tuple[
        str, ...
    ] = ()  # taught: folders of pictures to be left as they are, such as those of the style already
    table: str = ""  # taught: a text file that says of which kind pictures are, a line each: kind, tab, name
    table_root: str = ""  # the folder that its names are beneath
    kinds: tuple[str, ...] = ()  # of the table, to be left as they are; with them, screens and charts that are drawn
    wanted: tuple[str, ...] = ()  # of the table, such as the look is for: to practise on
    validate_source: str = ""  # source pictures held out
    check: bool = True  # pairs: leave out those whose two pictures do not lie on each other
    hold_out: int = 10  # where no folder is held out, every so manyth picture is; 0 for none
    pixels: int = 46_000  # area that every picture is brought to in memory, px
    smallest: float = 0.6  # a step's pictures are scaled by a factor between this and 1

    @property
    def leaves_alone(self) -> bool:
        """Whether there are pictures that the look is to leave as they are."""
        return bool(self.still or self.kinds)


@dataclass(frozen=True)
class JitterConfig:
    """Random changes of the pictures. ``both`` teaches the same look from another start; ``input`` teaches recovery."""

    both: float = 0.5  # share whose two pictures get the same exposure, balance and contrast (taught: the input does)
    input: float = 0.0  # share of pairs whose input alone is darkened, tinted or flattened; see docs/training.md
    strength: float = 1.0  # scales all of them
    edges: float = 0.1  # taught: share of pictures replaced by two flat grounds with a soft edge
