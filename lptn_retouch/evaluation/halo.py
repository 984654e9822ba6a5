"""Halos: how far the change made beside an edge differs from the change made farther away, on the same flat ground."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from lptn_retouch.evaluation.metrics import Apply, lab

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
