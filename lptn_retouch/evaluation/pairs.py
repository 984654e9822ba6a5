"""Measure a preset on pairs: how near its results are to their targets, by PSNR, SSIM and CIE dE2000."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lptn_retouch.evaluation.figures import for_json, mean
from lptn_retouch.evaluation.metrics import Apply, delta_e, psnr, ssim
from lptn_retouch.training.data.pairs import find_pairs, load_named


@dataclass(frozen=True)
class PairScore:
    """One pair: the result against the target, and the untouched input against it."""

    name: str
    psnr: float
    ssim: float
    delta_e: float
    untouched_psnr: float


def score_pairs(apply: Apply, before: Path, after: Path) -> list[PairScore]:
    """Retouch every picture of ``before`` and compare it with the picture of that name in ``after``.

    Raises:
        TrainingError: no pairs.
        UsageError: scikit-image is not installed.
    """
    scores = []
    for name, picture, target in load_named(find_pairs(before, after)):
        # compared as a file would hold it, in 8 bits
        result = (apply(picture) * 255).round() / 255
        scores.append(
            PairScore(name, psnr(result, target), ssim(result, target), delta_e(result, target), psnr(picture, target))
        )
    return scores


def summary(scores: list[PairScore]) -> dict[str, Any]:
    """Means, and each pair, ready for JSON; equal pictures, whose PSNR is infinite, have None."""
    means = {key: mean([getattr(s, key) for s in scores]) for key in ("psnr", "ssim", "delta_e", "untouched_psnr")}
    return {"pairs": len(scores), "mean": for_json(means), "each": [for_json(asdict(s)) for s in scores]}
