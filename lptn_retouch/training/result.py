"""From a finished run to a preset: its header and its card, which say what it learnt from and how well."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import torch

from lptn_retouch.errors import shown
from lptn_retouch.preset import write_preset
from lptn_retouch.training.config import TrainConfig
from lptn_retouch.training.curves import read_log
from lptn_retouch.training.manifest import describe_manifest

_RECIPES = {
    "pairs": "pairs of pictures, before and after",
    "taught": "two folders without a common scene, by a colour transport between them that taught the network",
    "graded": "a grade set by hand that taught the network",
    "lut": "a look-up table of colours that taught the network",
    "adversarial": "two folders without a common scene, by a critic",
}


def write_result(config: TrainConfig, run: Path, weights: Path, file: Path, command: str) -> Path:
    """Write a run's weights as a preset with its card.

    Args:
        config: the run's.
        run: its folder.
        weights: what :func:`lptn_retouch.training.trainer.train` returned.
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
    log = read_log(run)
    lines = [f"# {config.preset.name}", "", config.preset.summary, ""] if config.preset.summary else []
    lines = lines or [f"# {config.preset.name}", ""]
    lines += [
        f"Learnt from {_RECIPES[config.recipe]}.",
        "",
        f"- {pictures[0].upper()}{pictures[1:]}",
        f"- Steps: {config.optim.steps} of {config.optim.batch} pictures, seed {config.optim.seed}",
    ]
    if held_out := log.get("validation_psnr"):
        right = "after pictures" if config.recipe == "pairs" else "teacher"
        step, best = max(held_out, key=lambda point: point[1])
        figure = f"- On held-out pictures, against the {right}: {best:.1f} dB PSNR (step {step})"
        if untouched := log.get("untouched_psnr"):
            figure += f"; the untouched pictures have {untouched[0][1]:.1f} dB"
        lines.append(figure)
    lines += [f"- Date: {datetime.now(UTC):%Y-%m-%d}", f"- Again: `{shown(command)}`", ""]
    return "\n".join(lines)
