"""From a finished run to a preset: its header and its card, which say what it learnt from and how well."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import torch

from lptn_retouch.errors import shown
from lptn_retouch.preset import write_preset
from lptn_retouch.training.data.manifest import describe_manifest
from lptn_retouch.training.run.config import TrainConfig
from lptn_retouch.training.run.curves import read_log

_RECIPES = {
    "pairs": "pairs of pictures, before and after",
    "taught": "two folders without a common scene, by a colour transport between them that taught the network",
    "graded": "a grade set by hand that taught the network",
    "lut": "a look-up table of colours that taught the network",
    "adversarial": "two folders without a common scene, by a critic",
}


@dataclass(frozen=True)
class Outcome:
    """How near a run has come to the held-out pictures' right answers.

    Args:
        best: PSNR of the weights that were kept, dB.
        step: at which they were reached.
        untouched: PSNR of the pictures as they are, dB.
    """

    best: float
    step: int
    untouched: float

    @property
    def helps(self) -> bool:
        """Whether the preset is nearer than no preset."""
        return self.best > self.untouched


def read_outcome(run: Path) -> Outcome | None:
    """How well a run did; None where nothing was held out."""
    log = read_log(run)
    if not (log.get("validation_psnr") and log.get("untouched_psnr")):
        return None
    step, best = max(log["validation_psnr"], key=lambda point: point[1])
    return Outcome(best, step, log["untouched_psnr"][0][1])


def write_result(config: TrainConfig, run: Path, weights: Path, file: Path, command: str) -> Path:
    """Write a run's weights as a preset with its card.

    Args:
        config: the run's.
        run: its folder.
        weights: what :func:`lptn_retouch.training.run.trainer.train` returned.
        file: the preset to write.
        command: what repeats the run; it stands in the card.

    Raises:
        PresetError: the disk is full, the folder forbids it...
    """
    pictures = describe_manifest(run)
    header = {
        "version": "1",
        "summary": config.preset.summary or f"Learnt from {_RECIPES[config.recipe]}.",
        "training_data": "; ".join(filter(None, [config.preset.training_data, pictures])),
        "licence": config.preset.licence,
        "alters": config.preset.alters,
        "card": _card(config, run, pictures, command),
    }
    return write_preset(file, torch.load(weights, weights_only=True, map_location="cpu"), header)


def _card(config: TrainConfig, run: Path, pictures: str, command: str) -> str:
    lines = [f"# {config.preset.name}", "", config.preset.summary, ""] if config.preset.summary else []
    lines = lines or [f"# {config.preset.name}", ""]
    lines += [
        f"Learnt from {_RECIPES[config.recipe]}.",
        "",
        f"- {pictures[0].upper()}{pictures[1:]}",
        f"- Steps: {config.optim.steps} of {config.optim.batch} pictures, seed {config.optim.seed}",
    ]
    if outcome := read_outcome(run):
        right = "after pictures" if config.recipe == "pairs" else "teacher"
        lines.append(
            f"- On held-out pictures, against the {right}: {outcome.best:.1f} dB PSNR (step {outcome.step}); "
            f"the untouched pictures have {outcome.untouched:.1f} dB"
        )
    lines += [f"- Date: {datetime.now(UTC):%Y-%m-%d}", f"- Again: `{shown(command)}`", ""]
    return "\n".join(lines)
