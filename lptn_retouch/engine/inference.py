# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator"
"""The graded network's own networks without torch, whose import takes longer than a photograph.

There are three, and they are small whatever the picture's size: one looks at a thumbnail and chooses the grade, one
looks at the low band and answers with a field of transforms, one predicts the mask. The tests hold them to
:mod:`lptn_retouch.model.graded`, which is where they are explained and trained.

A 3x3 convolution is nine shifted copies of each plane, weighted and added up. A plane is stored with its border, row
after row in one long line, so a shift is an offset, and the inner loop is as long as the plane. A convolution of every
second sample is the same of four planes, those of the even and odd rows and columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lptn_retouch.engine.finite import check_finite
from lptn_retouch.engine.kernels import kept
from lptn_retouch.engine.taps import Band, antialiased, bilinear, resampled, steps
from lptn_retouch.model.form import COLOURED, COLOURLESS, EMPTY, FILLED, LOW_SPAN, LUMA, STRETCH
from lptn_retouch.threads import in_strips

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float32]
Weights = Mapping[str, Floats]  # by the names in the network's state dict

_BLOCK = 1024  # samples of a long plane worked on at once
_SHARED = 10_000_000  # multiplications from which a convolution is shared out among threads
_SLOPE = 0.1  # of the networks' leaky ReLUs
_BLOCK_SLOPE = 0.01  # of those within a residual block
_NO_SLOPE = 1.0
_at = np.uintp


class Choice(NamedTuple):
    """``model.glance.Choice`` of one picture: the curve's coefficients, (3, 20), and two numbers from 0 to 1."""

    curve: Floats
    share: float
    grey: float


def choose(weights: Weights, thumbnail: Floats) -> Choice:
    """``GradedLPTN.decide``, from a thumbnail (3, 96, 96) on.

    Raises:
        InvalidPresetError: the weights overflow.
    """
    statistics = _tone_statistics(thumbnail)
    curve = _glance(weights, "grade", thumbnail, statistics)
    share = 1.0
    if "gate.choose.3.bias" in weights:
        leaning = _glance(weights, "gate", thumbnail, statistics)
        check_finite(leaning)
        share = 0.5 + STRETCH * 0.5 * np.tanh(float(leaning[0]) / 2)  # a sigmoid's half, which cannot overflow
        varies = float(np.ptp(thumbnail, (1, 2)).max())
        share = min(max(share, 0.0), 1.0) * min(max((varies - EMPTY) / (FILLED - EMPTY), 0.0), 1.0)
    check_finite(curve)
    differ = float(np.ptp(thumbnail, 0).max())
    grey = (COLOURED - differ) / (COLOURED - COLOURLESS)
    return Choice(curve.reshape(3, -1), share, min(max(grey, 0.0), 1.0))


def _glance(weights: Weights, name: str, thumbnail: Floats, statistics: Floats) -> Floats:
    """``Glance.forward``, (n,)."""
    x = thumbnail * np.float32(2) - np.float32(1)
    for layer in range(0, 10, 2):
        x = _convolved(weights, f"{name}.eye.{layer}", _zero_bordered(x), _SLOPE, stride=2)
    seen = np.concatenate([x.mean((1, 2)), x.max((1, 2)), statistics])
    hidden = _weighed(weights[f"{name}.choose.0.weight"], seen) + weights[f"{name}.choose.0.bias"]
    hidden = np.where(hidden > 0, hidden, np.float32(_SLOPE) * hidden)
    return np.asarray(_weighed(weights[f"{name}.choose.3.weight"], hidden) + weights[f"{name}.choose.3.bias"])


def luma_of(planes: Floats) -> Floats:
    """``translation.luma`` of planes (3, h, w)."""
    return LUMA[0] * planes[0] + LUMA[1] * planes[1] + LUMA[2] * planes[2]  # type: ignore[no-any-return]


def _weighed(matrix: Floats, vector: Floats) -> Floats:
    """Their product, in float32. Not by BLAS, which adds up in another order for another processor, or if told so."""
    return np.asarray(np.einsum("oi,i->o", matrix, vector.astype(np.float32)), np.float32)


def low_transform(weights: Weights, low: Floats) -> Floats:
    """``LowBandTransform``: a low band (3, h, w) to affine transforms (12, h, w)."""
    size = low.shape[1:]
    scale = LOW_SPAN / np.sqrt(size[0] * size[1])
    small = [max(1, round(n * scale)) for n in size]
    canonical = resampled(low, antialiased, small)
    mean = canonical.mean((1, 2), keepdims=True)
    spread = np.sqrt(np.square(canonical - mean).mean((1, 2), keepdims=True) + np.float32(1e-4))
    x = np.concatenate([canonical * 2 - 1, (canonical - mean) / spread])  # (6, 48, 48)
    for layer, stride in ((0, 1), (2, 2), (4, 2)):
        x = _convolved(weights, f"low.inward.{layer}", _bordered(x), _SLOPE, stride)
    block = 0
    while f"low.body.{block}.block.0.weight" in weights:
        inner = _convolved(weights, f"low.body.{block}.block.0", _bordered(x), _BLOCK_SLOPE)
        x = x + _convolved(weights, f"low.body.{block}.block.2", _bordered(inner), _NO_SLOPE)
        block += 1
    x = np.concatenate([x, np.broadcast_to(x.mean((1, 2), keepdims=True), x.shape)])
    out, bias = weights["low.out.weight"][..., 0, 0], weights["low.out.bias"]
    field = np.float32(0.5) * np.tanh(np.einsum("oc,chw->ohw", out, x) + bias[:, None, None])
    return resampled(field, _smoothly, size)


def predict_mask(weights: Weights, high: Floats, low_before: Floats, low_after: Floats) -> Floats:
    """``HighBandMask``: the coarsest high band and the low band there before and after, (3, H, W), to (3, H, W)."""
    x = np.concatenate([4 * high, low_before, low_after])
    for layer, slope in ((0, _SLOPE), (2, _SLOPE), (4, _NO_SLOPE)):
        x = _convolved(weights, f"high.model.{layer}", _bordered(x), slope)
    return np.asarray(np.tanh(x))


def _smoothly(coarse: int, fine: int) -> Band:
    """From the translator's last layer to the low band: twice up by bilinear steps, the rest between like sizes."""
    return steps(bilinear, (coarse, 2 * coarse, 4 * coarse, fine))


def _tone_statistics(thumbnail: Floats) -> Floats:
    """Of a thumbnail (3, 96, 96), as `glance._tone_statistics`, (40,)."""
    luma = luma_of(thumbnail)[None]
    flat = np.concatenate([thumbnail, luma]).reshape(4, -1)
    ordered = np.sort(flat)
    at = [round((flat.shape[1] - 1) * q) for q in (0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99)]
    chroma = np.abs(thumbnail - luma).mean((1, 2))
    spread = (thumbnail.max(0) - thumbnail.min(0)).mean()
    parts = [ordered[:, at].reshape(-1) * 2 - 1, flat.mean(1), flat.std(1, ddof=1), chroma, spread[None]]
    return np.concatenate(parts).astype(np.float32)


def _convolved(weights: Weights, name: str, planes: Floats, slope: float, stride: int = 1) -> Floats:
    """A 3x3 convolution with bias and leaky ReLU: planes with their border, (C, h + 2, w + 2), to (O, h, w)."""
    # Copies, as for arrays that may not be written to the kernel would be compiled once more.
    kernel, bias = (np.array(weights[f"{name}.{part}"]) for part in ("weight", "bias"))
    channels, height, width = planes.shape
    height, width = -(-(height - 2) // stride), -(-(width - 2) // stride)
    if stride == 2:
        phases = np.zeros((channels, 2, 2, height + 1, width + 1), np.float32)
        for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
            phase = planes[:, i::2, j::2]
            phases[:, i, j, : phase.shape[1], : phase.shape[2]] = phase[:, : height + 1, : width + 1]
        planes = phases
    pitch = planes.shape[-1]
    shifts = _shifts(channels, planes[0].size, pitch, stride)
    out = np.empty((len(kernel), height * pitch), np.float32)
    length = height * pitch - (pitch - width)
    taps = kernel.reshape(len(kernel), -1)
    work = partial(convolve, planes.reshape(-1), shifts, taps, bias, np.float32(slope), out, length)
    in_strips(work, len(kernel)) if taps.size * length > _SHARED else work(0, len(kernel))
    return out.reshape(len(kernel), height, pitch)[:, :, :width]


@lru_cache(maxsize=64)
def _shifts(channels: int, plane: int, pitch: int, stride: int) -> npt.NDArray[np.int64]:
    """Where in the line of all planes each weight of a kernel finds its first sample, (9 C,)."""
    at = np.arange(3)
    if stride == 1:
        window = at[:, None] * pitch + at
    else:
        part = plane // 4
        window = (at[:, None] % 2 * 2 + at % 2) * part + at[:, None] // 2 * pitch + at // 2
    return (np.arange(channels)[:, None] * plane + window.reshape(-1)).reshape(-1)


@kept
def convolve(line, shifts, taps, bias, slope, out, length, first, end):
    """Weighted sums of shifted copies of a line, with a leaky ReLU; results `first` to `end`.

    Args: line (n,); shifts (9 C,); taps (O, 9 C); bias (O,); slope, of what is negative; out (O, length or more).
    """
    for begin in range(0, length, _BLOCK):
        n = min(_BLOCK, length - begin)
        for o in range(first, end):
            total = out[o, begin : begin + n]
            total[:] = bias[o]
            for t in range(0, len(shifts), 9):
                a, b, c = begin + shifts[t], begin + shifts[t + 1], begin + shifts[t + 2]
                d, e, f = begin + shifts[t + 3], begin + shifts[t + 4], begin + shifts[t + 5]
                g, h, i = begin + shifts[t + 6], begin + shifts[t + 7], begin + shifts[t + 8]
                k0, k1, k2 = taps[o, t], taps[o, t + 1], taps[o, t + 2]
                k3, k4, k5 = taps[o, t + 3], taps[o, t + 4], taps[o, t + 5]
                k6, k7, k8 = taps[o, t + 6], taps[o, t + 7], taps[o, t + 8]
                for x in range(n):
                    upper = k0 * line[_at(a + x)] + k1 * line[_at(b + x)] + k2 * line[_at(c + x)]
                    middle = k3 * line[_at(d + x)] + k4 * line[_at(e + x)] + k5 * line[_at(f + x)]
                    lower = k6 * line[_at(g + x)] + k7 * line[_at(h + x)] + k8 * line[_at(i + x)]
                    total[x] += upper + middle + lower
            for x in range(n):
                total[x] = total[x] if total[x] > 0 else slope * total[x]


def _bordered(x: Floats) -> Floats:
    """Planes with their border repeated once around."""
    out = _zero_bordered(x)
    out[:, 0], out[:, -1] = out[:, 1], out[:, -2]
    out[:, :, 0], out[:, :, -1] = out[:, :, 1], out[:, :, -2]
    return out


def _zero_bordered(x: Floats) -> Floats:
    out = np.zeros((x.shape[0], x.shape[1] + 2, x.shape[2] + 2), np.float32)
    out[:, 1:-1, 1:-1] = x
    return out
