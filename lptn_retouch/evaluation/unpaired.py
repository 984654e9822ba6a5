"""Measure a look where there is no right answer for a picture: a set of pictures before, and a set of its style.

The definitions stand in docs/evaluation.md. Whatever the style should gain is told for the untouched pictures too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from lptn_retouch.errors import TrainingError, UsageError, shown
from lptn_retouch.evaluation.classifier import Classifier
from lptn_retouch.evaluation.halo import photo_glow, synthetic_glow
from lptn_retouch.evaluation.looks import (
    STILL_NEUTRAL,
    colour_cloud,
    content_kept,
    frechet,
    neutral_shift,
    noise_growth,
    rising,
    sliced_wasserstein,
)
from lptn_retouch.evaluation.metrics import delta_e
from lptn_retouch.training.data.pictures import load_srgb

LARGEST = 960  # px, the longer side at which pictures are measured; a larger one is made small first
AMOUNTS = (0.0, 0.5, 1.0, 1.5, 2.0)


class ApplyAt(Protocol):
    """A look with a strength: (1, 3, H, W) in [0, 1] to the same; 0 leaves colour and light alone, 1 is the look."""

    def __call__(self, image: Tensor, /, *, amount: float = 1.0) -> Tensor: ...


def score_unpaired(
    apply: ApplyAt, before: Sequence[Path], style: Sequence[Path], classifier: Classifier | None = None
) -> dict[str, Any]:
    """Apply a look to pictures, and compare what comes out with pictures of the style and with what went in.

    Args:
        apply: the look.
        before: files of pictures, none of which the look or the classifier has seen in training.
        style: files of real pictures of the style, likewise; two or more of both.
        classifier: trained on real pictures of both kinds; without it features and what it calls are left out.

    Returns:
        Figures as in docs/evaluation.md, ready for JSON.

    Raises:
        PhotoError: a picture cannot be read; the message names it.
        TrainingError: fewer than two pictures in a set.
        UsageError: the classifier sees no difference between the two sets.
    """
    if len(before) < 2 or len(style) < 2:
        raise TrainingError("a set to be measured has two pictures or more; add some to the smaller folder.")
    goal, source, result = _Set(classifier), _Set(classifier), _Set(classifier)
    for file in style:
        goal.add(opened(file))
    each: list[dict[str, Any]] = []
    neutrals, noise = [], []
    for file in before:
        picture = opened(file)
        after = eight_bits(apply(picture))
        source.add(picture)
        result.add(after)
        neutrals.append(neutral_shift(picture, after))
        noise.append(noise_growth(picture, after))
        glow = photo_glow(lambda _, after=after: after, picture)  # type: ignore[misc]
        each.append(
            {
                "name": file.name,
                "content": content_kept(picture, after),
                "delta_e": delta_e(picture, after),
                "glow": glow.mean if glow.edges else None,
                **_neutrals(neutrals[-1:]),
                "noisier": _share(noise[-1]),
                **({"says": result.said[-1]} if classifier else {}),
            }
        )
    figures: dict[str, Any] = {"pictures": len(before), "style_pictures": len(style)}
    figures["colour"] = {"distance": result.colour_from(goal), "untouched": source.colour_from(goal)}
    if classifier:
        figures["features"] = {"distance": result.features_from(goal), "untouched": source.features_from(goal)}
        figures["called"] = _called(classifier, goal, source, result)
    figures["content"] = {
        "mean": _mean([e["content"] for e in each]),
        "least": min(e["content"] for e in each),
    }
    figures["neutrals"] = _neutrals(neutrals)
    figures["halo"] = {"photos": _mean([e["glow"] for e in each]), "synthetic": synthetic_glow(apply).mean}
    figures["noisier"] = _share(torch.cat(noise))
    figures["strength"] = strength(apply, [opened(file) for file in _some(before, 8)])
    return figures | {"each": each}


def strength(apply: ApplyAt, pictures: Sequence[Tensor]) -> dict[str, Any]:
    """Does a look go farther from the input with every step of its amount?

    Args:
        pictures: (1, 3, H, W) in [0, 1], each.

    Returns:
        ``delta_e``: mean dE2000 from the input at each of :data:`AMOUNTS`; ``rising``: share of the pictures for which
        no step of the amount brings the result nearer to the input.
    """
    distances = [[delta_e(picture, apply(picture, amount=amount)) for amount in AMOUNTS] for picture in pictures]
    mean = {f"{amount:g}": _mean([d[k] for d in distances]) for k, amount in enumerate(AMOUNTS)}
    return {"delta_e": mean, "rising": _mean([float(rising(d)) for d in distances])}


def eight_bits(picture: Tensor) -> Tensor:
    """A result as a file would hold it."""
    return (picture.clamp(0, 1) * 255).round() / 255


@dataclass
class _Set:
    """What is kept of a set of pictures: colours, features, and what the classifier says of each."""

    classifier: Classifier | None
    clouds: list[Tensor] = field(default_factory=list)
    features: list[Tensor] = field(default_factory=list)
    said: list[dict[str, float]] = field(default_factory=list)

    def add(self, picture: Tensor) -> None:
        self.clouds.append(colour_cloud(picture))
        if self.classifier:
            self.features.append(self.classifier.features(picture))
            self.said.append(self.classifier.says(picture))

    def colour_from(self, other: _Set) -> float:
        return sliced_wasserstein(torch.cat(self.clouds), torch.cat(other.clouds))

    def features_from(self, other: _Set) -> float:
        return frechet(torch.stack(self.features), torch.stack(other.features))

    def called(self, name: str) -> float:
        """Share of the pictures that the classifier calls by a name."""
        return sum(max(said, key=lambda n: said[n]) == name for said in self.said) / len(self.said)


def _called(classifier: Classifier, goal: _Set, source: _Set, result: _Set) -> dict[str, Any]:
    # Which of its names is the style, and which the input, the classifier tells itself.
    style = max(classifier.names, key=goal.called)
    start = max(classifier.names, key=source.called)
    if style == start:
        raise UsageError(
            f"this classifier calls both sets {shown(style)}; give one that was trained on sets like these."
        )
    return {
        "style": style,
        "share": result.called(style),
        "untouched": source.called(style),
        "judge_accuracy": {start: source.called(start), style: goal.called(style)},
    }


def _neutrals(shifts: Sequence[Tensor]) -> dict[str, Any]:
    shift = torch.cat(list(shifts))
    if not len(shift):
        return {"neutral_patches": 0, "still_neutral": None, "shift_a": None, "shift_b": None}
    moved = (shift[:, 2:] - shift[:, :2]).mean(0)
    kept = shift[:, 2:].norm(dim=1) < STILL_NEUTRAL
    return {
        "neutral_patches": len(shift),
        "still_neutral": float(kept.float().mean()),
        "shift_a": float(moved[0]),
        "shift_b": float(moved[1]),
    }


def opened(file: Path) -> Tensor:
    """A picture as it is measured, (1, 3, H, W) in [0, 1]: made small if it is larger than :data:`LARGEST`."""
    picture = load_srgb(file)
    scale = LARGEST / max(picture.shape[-2:])
    if scale >= 1:
        return picture
    size = [max(1, round(side * scale)) for side in picture.shape[-2:]]
    return F.interpolate(picture, size=size, mode="bilinear", antialias=True)


def _some(files: Sequence[Path], count: int) -> Sequence[Path]:
    return files[:: -(-len(files) // count)]


def _share(flags: Tensor) -> float | None:
    return float(flags.float().mean()) if len(flags) else None


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
