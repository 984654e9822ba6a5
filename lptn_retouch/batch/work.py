"""What there is to do for one photograph, and what became of it: what a batch and its runner tell each other."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from lptn_retouch.batch.settings import Look, Output
from lptn_retouch.batch.storage import Place, named
from lptn_retouch.errors import shown


class Here(NamedTuple):
    """What of a photograph lies on this machine: its file, its results, its sidecars and their copies."""

    source: Path
    targets: tuple[Path, ...]
    copies: tuple[tuple[Path, Path], ...]

    @property
    def written(self) -> tuple[Path, ...]:
        """All files that come of it."""
        return (*self.targets, *(target for _, target in self.copies))


def _path(place: Place) -> Path:
    assert isinstance(place, Path)
    return place


@dataclass(frozen=True)
class Work:
    """A photograph to be retouched, by absolute paths or URLs.

    Args:
        file: its path from the source folder, by which it is known.
        source: the file.
        look: None for a file that is copied as it is.
        outputs: what is written of it.
        targets: where, one for each output.
        copies: sidecars and where they go.
        device: to compute on.
        memory: bytes that it may take; None for what the machine has.
        thumbnails: whether small pictures of before and after are wanted.
        new: those of the files it writes that may take the place of no other.
        skip: whether such a place, taken meanwhile, is no failure.
        again: whether what is a result of ours already is retouched once more.
        size: of the file, in bytes.
    """

    file: str
    source: Place
    look: Look | None
    outputs: tuple[Output, ...]
    targets: tuple[Place, ...]
    copies: tuple[tuple[Place, Place], ...] = ()
    device: str = "auto"
    memory: int | None = None
    thumbnails: bool = False
    new: frozenset[Place] = frozenset()
    skip: bool = False
    again: bool = False
    size: int = 0

    @property
    def here(self) -> Here:
        """Its paths, all of this machine."""
        return Here(
            _path(self.source),
            tuple(map(_path, self.targets)),
            tuple((_path(source), _path(target)) for source, target in self.copies),
        )

    @property
    def written(self) -> tuple[Place, ...]:
        """All files that come of it."""
        return (*self.targets, *(target for _, target in self.copies))


@dataclass(frozen=True)
class Result:
    """What became of one photograph.

    Args:
        file: its path from the source folder.
        outcome: "done", "failed", "copied" or "skipped": done before, and nothing has changed since; or for a `reason`.
        source: its file.
        outputs: the files written, the sidecars last.
        preset, amount, detail: its look; "" for a copy.
        reason: why it failed or was left out, one sentence.
        notices: what its user should know, one sentence each.
        metadata: how many tags of the first output were "kept", "changed", "added", "dropped" for a reason, or "lost".
            Empty if the batch strips them all, or for a copy.
        megapixels: of the photograph.
        seconds: that the work took.
        source_sha256: of the photograph's file.
        files: of each output: its path from the results' folder, size, date and SHA-256.
        before, after: JPEGs of 320 px, if a report wants them.
    """

    file: str
    outcome: str
    source: Place
    outputs: tuple[Place, ...] = ()
    preset: str = ""
    amount: float = 1.0
    detail: float = 1.0
    reason: str = ""
    notices: tuple[str, ...] = ()
    metadata: dict[str, int] = field(default_factory=dict)
    megapixels: float = 0.0
    seconds: float = 0.0
    source_sha256: str = ""
    files: tuple[dict[str, Any], ...] = field(default=(), repr=False)
    before: bytes | None = field(default=None, repr=False)
    after: bytes | None = field(default=None, repr=False)
    stops: bool = field(default=False, repr=False)  # the disk is full or gone: the others would fail as well
    is_result: bool = field(default=False, repr=False)  # of ours, and so it was left out
    unwritten: tuple[Place, ...] = field(default=(), repr=False)  # places that were meant for it and are not its own
    causes: tuple[str, ...] = field(default=(), repr=False)  # of a failure, in the libraries' words
    alone: bool = field(default=False, repr=False)  # it wants more than its share of the memory, and may have it alone

    def to_json(self) -> dict[str, Any]:
        """What scripts are told of it: plain values, and no pictures."""
        return {
            "file": self.file,
            "outcome": self.outcome,
            "source": named(self.source),
            "outputs": [named(path) for path in self.outputs],
            "preset": self.preset,
            "amount": self.amount,
            "detail": self.detail,
            "reason": self.reason,
            "notices": list(self.notices),
            "metadata": self.metadata,
            "megapixels": round(self.megapixels, 3),
            "seconds": round(self.seconds, 3),
        }


Ended: TypeAlias = tuple[Work, Result]
"""A photograph, and what became of it."""


def failed(work: Work, sentence: str, **more: Any) -> Result:
    """The result of a photograph that failed, with a sentence that need not name it once more."""
    sentence = sentence.removeprefix(f"{shown(str(work.source))}: ")
    look = work.look or Look("")
    return Result(
        work.file,
        "failed",
        work.source,
        preset=look.name,
        amount=look.amount,
        detail=look.detail,
        reason=sentence,
        **more,
    )


def skipped(work: Work, sentence: str, **more: Any) -> Result:
    """The result of a photograph that is left out, for a reason."""
    return replace(failed(work, sentence, **more), outcome="skipped")
