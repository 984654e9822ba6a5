"""A run's folder: the config it belongs to, its log, and checkpoints that are replaced whole."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from lptn_retouch.errors import TrainingError, shown
from lptn_retouch.files import write_atomically
from lptn_retouch.training.run.config import TrainConfig, config_from_dict

CHECKPOINT = "checkpoint.pt"
WEIGHTS = "weights.pt"  # the averaged ones, to be shipped
_NOTHING_LEARNT = {"config.json", "manifest.json", "log.jsonl"}  # what a run leaves that never came to its first step


def claim(run: Path, config: TrainConfig, say: Callable[[str], None]) -> None:
    """Make the folder this run's; a run of other settings that lies there is kept beside it.

    Raises:
        TrainingError: it cannot be made, or holds something else.
    """
    file = run / "config.json"
    try:
        if file.exists() and (found := _read(file)) != config:
            if found is None:
                raise TrainingError(f"{shown(file)} is not of a run that this version knows; name another folder.")
            set_aside(run, "had other settings", say)
        run.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(f"{shown(run)}: cannot be used ({error.strerror}); name another folder.") from None
    described = json.dumps(config.as_dict(), indent=1)
    write_atomically(file, lambda stream: stream.write(described.encode()))


def set_aside(run: Path, why: str, say: Callable[[str], None]) -> None:
    """Make room for another run: keep one that has learnt something under the next free name, drop one that has not.

    Args:
        run: the folder of a run.
        why: what its run was or had that this one is not.
        say: called with what became of it.
    """
    if {file.name for file in run.iterdir()} <= _NOTHING_LEARNT:
        for file in run.iterdir():
            file.unlink()
        say(f"starting anew: the run in {shown(run)} {why}, and had not learnt anything yet")
        return
    kept = next(name for k in itertools.count(1) if not (name := run.with_name(f"{run.name}-{k}")).exists())
    run.rename(kept)
    say(f"starting anew: the run in {shown(run)} {why}; it is kept as {shown(kept)}")


def _read(file: Path) -> TrainConfig | None:
    """A config as it was written, also by a version that knew fewer names."""
    try:
        return config_from_dict(json.loads(file.read_text("utf-8")), file.name)
    except (TrainingError, ValueError):
        return None


def save(file: Path, state: object) -> None:
    """Write tensors whole: a run killed while saving still has the file of before."""
    write_atomically(file, lambda stream: torch.save(state, stream))


def load_checkpoint(run: Path, device: torch.device) -> dict[str, Any] | None:
    """The run's state where it stood last, or None at its start."""
    file = run / CHECKPOINT
    if not file.exists():
        return None
    state: dict[str, Any] = torch.load(file, weights_only=True, map_location=device)
    return state


def note(run: Path, **values: float) -> None:
    """Add a line to ``log.jsonl``.

    Raises:
        TrainingError: the disk is full, the folder forbids it...
    """
    file = run / "log.jsonl"
    try:
        with file.open("a", encoding="utf-8") as log:
            print(json.dumps({"time": round(time.time(), 1), **values}), file=log)
    except OSError as error:
        raise TrainingError(f"{shown(file)}: cannot be written ({error.strerror}); free some space.") from None
