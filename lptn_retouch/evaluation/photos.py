"""Measure a preset on large photographs, without targets: its halos, and whether a preview looks like the export."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from lptn_retouch.evaluation.figures import for_json, mean
from lptn_retouch.evaluation.halo import photo_glow, synthetic_glow
from lptn_retouch.evaluation.metrics import Apply, delta_e, psnr
from lptn_retouch.training.data.pictures import list_pictures, load_srgb


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
            for_json(
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
        "mean": {key: mean([e[key] for e in each if e[key] is not None]) for key in keys},
        "synthetic_glow": synthetic.mean,
        "synthetic_glow_p95": synthetic.p95,
        "each": each,
    }


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


def _blown(picture: Tensor) -> float:
    """Share of pixels whose brightest channel stands at full white."""
    return float((picture.amax(1) >= 254.5 / 255).float().mean())
