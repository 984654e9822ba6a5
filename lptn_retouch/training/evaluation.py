"""Measure a preset: on pairs (PSNR, SSIM, dE2000), for its halos, and for its constancy across sizes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from lptn_retouch.training.metrics import delta_e, lab, psnr, ssim
from lptn_retouch.training.pairs import find_pairs, load_named
from lptn_retouch.training.pictures import list_pictures, load_srgb

Apply = Callable[[Tensor], Tensor]  # (1, 3, H, W) in [0, 1] to the same


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
    means = {key: _mean([getattr(s, key) for s in scores]) for key in ("psnr", "ssim", "delta_e", "untouched_psnr")}
    return {"pairs": len(scores), "mean": _json(means), "each": [_json(asdict(s)) for s in scores]}


def size_constancy(apply: Apply, picture: Tensor, long_side: int, export: Tensor | None = None) -> float:
    """Does a small preview look like the export? PSNR, dB, of export made small against preview made from small.

    Args:
        picture: (1, 3, H, W), large.
        long_side: of the preview, px.
        export: ``apply(picture)``, where it is known already.
    """
    h, w = picture.shape[-2:]
    scale = long_side / max(h, w)
    size = (round(h * scale), round(w * scale))

    def small(x: Tensor) -> Tensor:
        return F.interpolate(x, size=size, mode="bilinear", antialias=True)

    return psnr(small(apply(picture) if export is None else export), apply(small(picture)))


# Halo: beside an edge, how far does the change made to flat ground differ from the change made farther away?
_NEAR, _FAR = 0.012, 0.06  # distances from the edge, shares of sqrt(H W)


@dataclass(frozen=True)
class Glow:
    """Overshoot beside edges, in CIE L*: the mean over edges, and the 95th percentile."""

    mean: float
    p95: float
    edges: int


def synthetic_glow(apply: Apply, size: int = 384) -> Glow:
    """Overshoot on synthetic edges: two flat grounds, a soft boundary 2 px wide, at many contrasts and hues.

    On each side of the edge the change of L* is read along the profile from 1.2 % to 6 % of the frame; a retouch that
    sees the edge changes a flat ground evenly, so the spread between the near and the far reading is the glow.
    """
    random = np.random.default_rng(5)
    found = []
    column = torch.arange(size, dtype=torch.float32)
    for _ in range(24):
        dark, light = random.uniform(0.05, 0.4, 3), random.uniform(0.5, 0.95, 3)
        blend = torch.sigmoid((column - size / 2) / 0.8).view(1, 1, 1, -1)
        picture = torch.tensor(dark).view(1, 3, 1, 1) * (1 - blend) + torch.tensor(light).view(1, 3, 1, 1) * blend
        picture = picture.float().expand(1, 3, size, size).contiguous()
        profile = (lab(apply(picture))[..., 0] - lab(picture)[..., 0])[size // 4 : -size // 4].mean(0)
        for side in (-1, 1):
            near = profile[[round(size / 2 + side * size * d) for d in np.linspace(_NEAR, _FAR / 2, 6)]]
            far = profile[round(size / 2 + side * size * _FAR)]
            found.append(float(np.abs(near - far).max()))
    return _glow(found)


def photo_glow(apply: Apply, picture: Tensor) -> Glow:
    """Overshoot beside the strong edges of a photograph whose ground is flat, see the definition in docs/halos.md.

    For every strong edge of L* the ground is followed along the gradient, away from the edge, on both sides. Where the
    input is flat between the near and the far reading (1 L* at most), the glow is the difference of the change.
    """
    before, after = lab(picture)[..., 0], lab(apply(picture))[..., 0]
    h, w = before.shape
    span = math.sqrt(h * w)
    smooth = _box(before, max(1, round(span / 400)))
    gy, gx = np.gradient(smooth)
    steep = np.hypot(gy, gx)
    near, far = span * _NEAR, span * _FAR
    strong = np.argwhere(steep > np.quantile(steep, 0.985))
    random = np.random.default_rng(7)
    strong = strong[random.permutation(len(strong))[:20000]]
    change = _box(after - before, max(1, round(span / 400)))
    direction = np.stack([gy, gx], -1)[strong[:, 0], strong[:, 1]]
    direction /= np.linalg.norm(direction, axis=1, keepdims=True) + 1e-9
    found: list[float] = []
    for side in (-1.0, 1.0):
        steps = [np.rint(strong + side * d * direction).astype(int) for d in np.linspace(near, far, 6)]
        inside = np.all([(p[:, 0] >= 0) & (p[:, 0] < h) & (p[:, 1] >= 0) & (p[:, 1] < w) for p in steps], axis=0)
        along = np.stack([smooth[p[inside, 0], p[inside, 1]] for p in steps])
        moved = np.stack([change[p[inside, 0], p[inside, 1]] for p in steps])
        flat = np.ptp(along, axis=0) < 1.0
        found += np.abs(moved[:, flat] - moved[-1, flat]).max(0).tolist()
    return _glow(found)


def _glow(found: list[float]) -> Glow:
    if not found:
        return Glow(0.0, 0.0, 0)
    return Glow(float(np.mean(found)), float(np.quantile(found, 0.95)), len(found))


def _box(x: Any, radius: int) -> Any:
    n = 2 * radius + 1
    plane = torch.from_numpy(np.ascontiguousarray(x, np.float32))[None, None]
    return F.avg_pool2d(F.pad(plane, (radius,) * 4, mode="replicate"), n, 1)[0, 0].numpy()


def _json(figures: dict[str, Any]) -> dict[str, Any]:
    return {key: None if value == math.inf else value for key, value in figures.items()}


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def score_photos(apply: Apply, folder: Path) -> dict[str, Any]:
    """Figures that need no target, over a folder of large photographs.

    Returns:
        For each photo and as means: preview against export (exact quarter, and a ratio of 3.75), PSNR in dB, None
        where the two are equal, since the look leaves the photo alone; glow in
        L* at a quarter of the size, None where no flat ground lies beside an edge; dE2000 from the input; share of
        pixels newly at full white.
    """
    each: list[dict[str, Any]] = []
    for file in list_pictures(folder):
        picture = load_srgb(file)
        long_side = max(picture.shape[-2:])
        quarter = F.interpolate(picture, scale_factor=0.25, mode="bilinear", antialias=True)
        result, export = apply(quarter), apply(picture)
        glow = photo_glow(lambda _, result=result: result, quarter)  # type: ignore[misc]
        each.append(
            _json(
                {
                    "name": file.name,
                    "quarter_psnr": size_constancy(apply, picture, round(long_side / 4), export),
                    "odd_psnr": size_constancy(apply, picture, round(long_side / 3.75), export),
                    "glow": glow.mean if glow.edges else None,
                    "glow_p95": glow.p95 if glow.edges else None,
                    "edges": glow.edges,
                    "delta_e": delta_e(quarter, result),
                    "blown": _blown(result) - _blown(quarter),
                }
            )
        )
    keys = [key for key in each[0] if key not in ("name", "edges")]
    synthetic = synthetic_glow(apply)
    return {
        "mean": {key: _mean([e[key] for e in each if e[key] is not None]) for key in keys},
        "synthetic_glow": synthetic.mean,
        "synthetic_glow_p95": synthetic.p95,
        "each": each,
    }


def _blown(picture: Tensor) -> float:
    """Share of pixels whose brightest channel stands at full white."""
    return float((picture.amax(1) >= 254.5 / 255).float().mean())
