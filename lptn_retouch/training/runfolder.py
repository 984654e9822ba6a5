"""A run's folder: the config it belongs to, its log, and checkpoints that are replaced whole."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import torch

from lptn_retouch.errors import TrainingError, shown
from lptn_retouch.formats.files import write_atomically
from lptn_retouch.training.config import TrainConfig, config_from_dict

CHECKPOINT = "checkpoint.pt"
WEIGHTS = "weights.pt"  # the averaged ones, to be shipped


def claim(run: Path, config: TrainConfig) -> None:
    """Make the folder this run's, if it is not another's.

    Raises:
        TrainingError: it holds a run of another config, or cannot be made.
    """
    file = run / "config.json"
    try:
        run.mkdir(parents=True, exist_ok=True)
        if file.exists() and _read(file) != config:
            raise TrainingError(f"{shown(run)} holds a run of another config; name another folder, or remove this one.")
    except OSError as error:
        raise TrainingError(f"{shown(run)}: cannot be used ({error.strerror}); name another folder.") from None
    described = json.dumps(config.as_dict(), indent=1)
    write_atomically(file, lambda stream: stream.write(described.encode()))


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
