"""The CPU engine: what it does to a picture stands in `passes`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from lptn_retouch.engine import inference, kernels, passes
from lptn_retouch.engine.compiling import compiled
from lptn_retouch.engine.inference import Weights
from lptn_retouch.engine.plan import FULL_SCALE, work_bytes
from lptn_retouch.engine.retouched import Retouched, Retouching
from lptn_retouch.model.form import depth_for, level_sizes, seen_level
from lptn_retouch.threads import in_strips

Array = npt.NDArray[Any]
Sizes = Sequence[tuple[int, int]]  # of levels, finest first

_NOWHERE = np.empty((0, 0), np.float32)
_DIAGONAL = slice(None, None, 4)  # of nine numbers that are a 3x3 matrix
# The network's 20 terms (`cubic_terms`) in the order of `kernels._grade`: powers of blue within powers of green
# within powers of red.
_HORNER = (0, 3, 6, 12, 2, 8, 18, 5, 16, 11, 1, 9, 17, 7, 19, 15, 4, 14, 13, 10)


class CpuEngine(Retouching):
    """Retouch pictures on the CPU with a graded network.

    Args:
        weights: of a graded network, by their names in its state dict.
    """

    name = "cpu"
    device = "cpu"

    def __init__(self, weights: Weights) -> None:
        self._weights = weights

    def retouch(
        self, picture: Array, amount: float, detail: float, where: Array | None = None, out: Array | None = None
    ) -> Retouched:
        """Retouch one picture, and say how much of the look it got; as :meth:`Retouching.retouch`."""
        if not compiled(picture.dtype):
            return self._slow.retouch(picture, amount, detail, where, out)  # type: ignore[no-any-return]
        return self._retouch(picture, amount, detail, where, out)

    def memory(self, height: int, width: int, dtype: npt.DTypeLike) -> int:
        """Bytes at the peak besides the picture and its result; as :meth:`ReferenceEngine.memory`."""
        del dtype
        return work_bytes(height, width)

    def _retouch(
        self, picture: Array, amount: float, detail: float, where: Array | None, out: Array | None
    ) -> Retouched:
        height, width, channels = picture.shape
        if channels == 4:  # alpha passes by
            out = picture.copy() if out is None else out
            out[..., :3], shares = self._retouch(picture[..., :3], amount, detail, where, None)
            return Retouched(out, shares)
        sizes = level_sizes(height, width, depth_for(height, width))
        out = np.empty_like(picture, order="C") if out is None else out
        flat = np.ascontiguousarray(picture).reshape(height, 3 * width)
        flat.flags.writeable = False  # an array of another kind would be compiled for once more
        pixels = (flat, np.float32(1 / FULL_SCALE[picture.dtype]))

        seen = passes.shrunk(*pixels, sizes)
        choice = inference.choose(self._weights, passes.thumbnail_of(seen))
        if choice.share == 0:
            if out is not picture:
                out[...] = picture
            return Retouched(out, (0.0,))
        curve = passes.curve_of(choice.curve)
        inner = sizes[seen_level(len(sizes) - 1) :]
        plain_low = (
            None if detail == 1 else passes.halved(seen, inner)[-1].copy()
        )  # of seen itself, if that is the low band
        in_strips(partial(kernels.grade, seen, curve, seen), len(seen[0]))
        change, matrices = passes.translate(self._weights, passes.halved(seen, inner), plain_low, inner, amount, detail)
        for planes in (change, *np.split(matrices, 3)):  # of the matrices, a column
            passes.take_part(planes, choice)
        rest = 1 - choice.share * amount * detail
        passes.finish(*pixels, curve, change, matrices, sizes, rest, where, out.reshape(flat.shape))
        return Retouched(out, (choice.share,))

    @cached_property
    def _slow(self) -> Any:
        """The reference, where compiled code cannot be had."""
        import torch

        from lptn_retouch.engine.reference import ReferenceEngine
        from lptn_retouch.model.checkpoint import build_network

        return ReferenceEngine(build_network(self._weights), torch.device("cpu"))
