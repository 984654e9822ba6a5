"""The CPU engine: the full-size levels by fused kernels, what is small by the network in torch.

How the mathematics follows from the network is said in :mod:`lptn_retouch.engine.coarse`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lptn_retouch.engine import kernels
from lptn_retouch.engine.coarse import Coarse, translate_coarse
from lptn_retouch.engine.finite import check_finite
from lptn_retouch.engine.plan import FULL_SCALE, Plan, plan_picture
from lptn_retouch.engine.reference import ReferenceEngine
from lptn_retouch.engine.taps import averaging, enlarging, halving, spline
from lptn_retouch.model.checkpoint import build_network
from lptn_retouch.model.form import TERMS, THUMBNAIL, depth_for
from lptn_retouch.model.graded import GradedLPTN
from lptn_retouch.notices import compiling, without_numba
from lptn_retouch.threads import in_strips, on_one

Array = npt.NDArray[Any]

_KERNELS = 5  # that numba keeps on the disk
_NOWHERE = np.empty((0, 0), np.float32)
_NO_MASK = np.empty((0, 0, 0), np.float32)
# The network's 20 terms (`cubic_terms`) in the order of `kernels._polynomial`: powers of blue within powers of green
# within powers of red.
_HORNER = (0, 3, 6, 12, 2, 8, 18, 5, 16, 11, 1, 9, 17, 7, 19, 15, 4, 14, 13, 10)


class CpuEngine:
    """Retouch pictures on the CPU with a graded network.

    Args:
        weights: a graded network's state dict.
    """

    name = "cpu"
    device = "cpu"

    def __init__(self, weights: Mapping[str, npt.NDArray[np.float32]] | GradedLPTN) -> None:
        net = weights if isinstance(weights, GradedLPTN) else build_network(weights)
        assert isinstance(net, GradedLPTN)
        self._net = net
        self._reference = ReferenceEngine(net, torch.device("cpu"))

    def __call__(
        self, picture: Array, amount: float, detail: float, where: Array | None = None, out: Array | None = None
    ) -> Array:
        """Retouch one picture; as :meth:`ReferenceEngine.__call__`."""
        if depth_for(*picture.shape[:2]) < 2 or not _compiled(picture.dtype):
            return self._reference(picture, amount, detail, where, out)
        return self._retouch(picture, amount, detail, where, out)

    def memory(self, height: int, width: int, dtype: npt.DTypeLike) -> int:
        """Bytes at the peak besides the picture and its result; as :meth:`ReferenceEngine.memory`."""
        return plan_picture(height, width, dtype).level_bytes

    def _retouch(self, picture: Array, amount: float, detail: float, where: Array | None, out: Array | None) -> Array:
        height, width, channels = picture.shape
        plan = plan_picture(height, width, picture.dtype, channels)
        sizes = plan.sizes
        scale = np.float32(1 / FULL_SCALE[picture.dtype])
        out = np.empty_like(picture, order="C") if out is None else out
        flat = np.ascontiguousarray(picture).reshape(height, width * channels)
        flat.flags.writeable = False  # an array of another kind would be compiled for once more
        plain = None
        if detail != 1:
            plain = _levels(flat, channels, scale, _curve(torch.zeros(3, TERMS)), plan)[-1]
        curve = _curve(self._coefficients(flat, channels, scale))
        levels = _levels(flat, channels, scale, curve, plan)
        low, coarsest, plain_low = _tensor(levels[-1]), _tensor(levels[-2]), None if plain is None else _tensor(plain)

        def translate() -> Coarse:
            coarse = translate_coarse(self._net, low, coarsest, plain_low, sizes, amount, detail)
            check_finite(coarse.start, coarse.field, *coarse.masks)
            return coarse

        coarse = on_one(translate)
        steps = _unit(levels[-1])
        result = _as_level(coarse.start, levels[-1].dtype)
        matrices = np.pad(coarse.field[0].numpy(), ((0, 0), (0, 2), (0, 2)), mode="edge")
        for level in range(len(sizes) - 2, -1, -1):
            coarser = levels.pop()
            down, across = (spline(tuple(size[axis] for size in sizes[level:][::-1])) for axis in (0, 1))
            masked = len(sizes) - 2 - level
            mask = coarse.masks[masked][0].numpy() if masked < len(coarse.masks) else _NO_MASK
            field = kernels.Field(matrices, down, across, mask)
            below = kernels.Below(coarser, result, steps, *enlarging(coarser.shape[1]))
            if level == 0:
                rest, nowhere = np.float32(1 - amount * detail), _NOWHERE if where is None else where
                finer = out.reshape(flat.shape)
                work = partial(
                    kernels.translate_picture, flat, channels, scale, curve, below, field, rest, nowhere, finer
                )
            else:
                finer = np.empty_like(levels[-1])
                work = partial(kernels.translate_level, levels[-1], below, field, finer)
            in_strips(work, coarser.shape[1])
            result = finer
        return out

    def _coefficients(self, flat: Array, channels: int, scale: np.float32) -> Tensor:
        """The grade's coefficients for a picture, (3, 20)."""
        height, width = flat.shape[0], flat.shape[1] // channels
        thumbnail = np.empty((3, THUMBNAIL, THUMBNAIL), np.float32)
        rows, columns = averaging(height, THUMBNAIL), averaging(width, THUMBNAIL)
        in_strips(partial(kernels.average, flat, channels, scale, rows, columns, thumbnail), THUMBNAIL)

        def choose() -> Tensor:
            with torch.no_grad():
                coefficients = self._net.grade.choose_curve(torch.from_numpy(thumbnail)[None])[0]
            check_finite(coefficients)
            return coefficients

        return on_one(choose)


def _levels(flat: Array, channels: int, scale: np.float32, curve: Array, plan: Plan) -> list[Array]:
    """The graded picture's levels but for the finest, the largest first."""
    sizes, dtype = plan.sizes, plan.level_type
    levels = [np.empty((3, *sizes[1]), dtype)]
    in_strips(
        partial(kernels.half_of_picture, flat, channels, scale, curve, halving(flat.shape[0]), levels[0]), sizes[1][0]
    )
    for size in sizes[2:]:
        finer = levels[-1]
        levels.append(np.empty((3, *size), dtype))
        in_strips(partial(kernels.half, finer, _unit(finer), halving(finer.shape[1]), levels[-1]), size[0])
    return levels


def _curve(coefficients: Tensor) -> Array:
    """What the grade makes of a colour, as a cubic of ``2 colour - 1`` a channel, (60,), for the kernels."""
    total = coefficients.double().numpy().copy()
    total[:, 0] += 0.5  # the colour itself, to which the grade adds
    total[(0, 1, 2), (1, 2, 3)] += 0.5
    return np.ascontiguousarray(total[:, _HORNER].reshape(-1), np.float32)


def _unit(level: Array) -> np.float32:
    return np.float32(1 / kernels.STEPS if level.dtype == np.int16 else 1)


def _tensor(level: Array) -> Tensor:
    return torch.from_numpy(level.astype(np.float32) * _unit(level))[None]


def _as_level(tensor: Tensor, dtype: npt.DTypeLike) -> Array:
    array = tensor[0].numpy()
    if dtype != np.int16:
        return np.ascontiguousarray(array)
    return np.asarray(np.clip(np.rint(array * kernels.STEPS), -32768, 32767), np.int16)


_lock = threading.Lock()


def _unlock() -> None:
    """In a forked process: whoever may have held the lock is not there."""
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unlock)


def _compiled(dtype: npt.DTypeLike) -> bool:
    """Have the kernels for a kind of picture, compiled or from the cache; say so if that takes long, or fails."""
    with _lock:
        return _compile(np.dtype(dtype))


@lru_cache
def _compile(dtype: np.dtype[Any]) -> bool:
    small = np.zeros((192, 192, 3), dtype)  # the smallest with a pyramid of two levels, which need every kernel
    with torch.random.fork_rng(devices=[]):  # no random number of the user's is used up
        engine = CpuEngine(GradedLPTN(width=1, blocks=0, mask_width=1).eval())
    try:
        with compiling("processor"):
            for _ in range(_KERNELS):
                with suppress(OSError):  # a kernel is there, but the disk is full and does not keep it
                    engine._retouch(small, 1, 1, None, None)
                    break
            else:
                engine._retouch(small, 1, 1, None, None)
    except Exception as error:
        without_numba(error)
        return False
    return True
