"""What the GPU engine keeps for pictures of one size: buffers, tables, and the work that is recorded on them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import lru_cache
from itertools import pairwise
from typing import Generic, TypeVar

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from lptn_retouch.engine import triton_kernels as kernels
from lptn_retouch.engine.coarse import Coarse, translate_coarse
from lptn_retouch.engine.finite import check_finite
from lptn_retouch.engine.plan import level_sizes
from lptn_retouch.engine.taps import SPLINE, enlarging, spline
from lptn_retouch.errors import reason
from lptn_retouch.model.form import TERMS, THUMBNAIL, depth_for
from lptn_retouch.model.graded import GradedLPTN
from lptn_retouch.notices import log

T = TypeVar("T")

_alone = threading.Lock()  # in the process: torch's settings are changed, and a recording brings the device to rest


class Workspace:
    """What pictures of one kind and size share at one strength: buffers, tables, and the recorded work on them.

    Of 8-bit pictures, the largest level and the result there are held in float16: it is most of what is read and
    written, and rounds by a tenth of a step of 8 bits.
    """

    def __init__(
        self,
        net: GradedLPTN,
        height: int,
        width: int,
        dtype: torch.dtype,
        amount: float,
        detail: float,
        device: torch.device,
    ) -> None:
        self._net, self._amount, self._detail = net, amount, detail
        self._sizes = sizes = level_sizes(height, width, depth_for(height, width))
        self._thumbnail = torch.empty(3, THUMBNAIL, width, device=device)  # in y alone
        self._ungraded = torch.zeros(3, TERMS, device=device)
        kinds = [torch.float16 if dtype == torch.uint8 else torch.float32, *(torch.float32 for _ in sizes[2:])]
        self._levels = [
            torch.empty(3, *size, dtype=kind, device=device) for size, kind in zip(sizes[1:], kinds, strict=True)
        ]
        self._results = [torch.empty_like(level) for level in self._levels]
        self._doublings = [(doubling(h).to(device), doubling(w).to(device)) for h, w in sizes[1:]]
        ways = [tuple(zip(*sizes[level:][::-1], strict=True)) for level in range(len(sizes) - 1)]
        self._cells = [(in_cells(down).to(device), in_cells(across).to(device)) for down, across in ways]
        self._sound = False  # the weights: looked at with the first picture, since it waits for the device
        recorded = device.type == "cuda"
        self._choosing, self._translating = _Recording[Tensor](recorded), _Recording[kernels.Field](recorded)

    def retouch(self, picture: Tensor, where: Tensor | None) -> Tensor:
        """Retouch a picture, (H, W, C).

        Raises:
            InvalidPresetError: the weights overflow.
        """
        kernels.average_rows(picture, self._thumbnail)
        curve = self._choosing(self._choose)
        if not self._sound:
            check_finite(curve)
        kernels.halve(picture, curve, self._levels[0])
        if self._detail != 1:
            kernels.halve(picture, self._ungraded, self._results[0])
        field = self._translating(self._translate)
        if not self._sound:
            check_finite(self._results[-1], field.matrices, *([] if field.mask is None else [field.mask]))
            self._sound = True
        result = torch.empty_like(picture)
        kernels.translate(picture, curve, self._below(0), field, 1 - self._amount * self._detail, where, result)
        return result

    def _choose(self) -> Tensor:
        """The coefficients of the picture's grade, (3, 20)."""
        thumbnail = F.adaptive_avg_pool2d(self._thumbnail[None], THUMBNAIL)
        return self._net.grade.choose_curve(thumbnail)[0]

    def _translate(self) -> kernels.Field:
        """Translate all levels but the finest; returns the field for that."""
        for finer, half in pairwise(self._levels):
            kernels.halve(finer, None, half)
        plain = None
        if self._detail != 1:  # where results will be, there are first the levels of the picture before its grade
            for finer, half in pairwise(self._results):
                kernels.halve(finer, None, half)
            plain = self._results[-1][None]
        low, coarsest = self._levels[-1][None], self._levels[-2][None].float()
        coarse = translate_coarse(self._net, low, coarsest, plain, self._sizes, self._amount, self._detail)
        self._results[-1].copy_(coarse.start[0])
        for level in range(len(self._levels) - 1, 0, -1):
            fine, result = self._levels[level - 1], self._results[level - 1]
            kernels.translate(fine, None, self._below(level), self._field(coarse, level), 0, None, result)
        return self._field(coarse, 0)

    def _below(self, level: int) -> kernels.Below:
        return kernels.Below(self._levels[level], self._results[level], *self._doublings[level])

    def _field(self, coarse: Coarse, level: int) -> kernels.Field:
        above = len(self._levels) - level  # the coarsest level
        mask = coarse.masks[above - 1][0].contiguous() if above <= len(coarse.masks) else None
        return kernels.Field(coarse.field[0].contiguous(), *self._cells[level], 2**above, mask)


class _Recording(Generic[T]):
    """Work on tensors that stay where they are: done plainly the first time, then recorded in a CUDA graph.

    The first time compiles kernels and chooses among torch's, which cannot be recorded; and a size that comes but
    once is not worth it.
    """

    def __init__(self, possible: bool) -> None:
        self._possible = possible
        self._begun = False
        self._graph: torch.cuda.CUDAGraph | None = None
        self._result: T

    def __call__(self, work: Callable[[], T]) -> T:
        """What `work` returns: from the second time on the same tensors, with new content."""
        if self._graph is None:
            with _alone, _exactly():
                if self._possible and self._begun:
                    self._record(work)
                self._begun = True
                if self._graph is None:
                    return work()
        self._graph.replay()
        return self._result

    def _record(self, work: Callable[[], T]) -> None:
        graph = torch.cuda.CUDAGraph()
        try:
            stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            # thread_local: other threads may go on with what cannot be recorded, such as taking memory
            with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
                self._result = work()
            self._graph = graph
        except RuntimeError as error:
            self._possible = False
            log.info("lptn_retouch: launches cannot be recorded here (%s), which costs some speed.", reason(error))


def _exactly() -> AbstractContextManager[None]:
    """Convolutions in all of float32's bits, which torch cuts to 10 where an NVIDIA GPU is faster with fewer."""
    enabled = torch.backends.cudnn.enabled
    return torch.backends.cudnn.flags(enabled=enabled, allow_tf32=False)


@lru_cache(maxsize=64)
def doubling(coarse: int) -> Tensor:
    """:func:`enlarging`'s weights by their place around the coarse sample from which a pair of fine ones is made.

    Returns:
        (n, 2, 5): sample 2 j + s is the sum over k of ``[j, s, k]`` times coarse sample j - 2 + k.

    Example:
        >>> (64 * doubling(5)[2]).tolist()
        [[1.0, 21.0, 35.0, 7.0, 0.0], [0.0, 7.0, 35.0, 21.0, 1.0]]
    """
    indices, weights = enlarging(coarse)
    fine = np.arange(2 * coarse)[:, None]
    around = np.zeros((2 * coarse, 5), np.float32)
    np.add.at(around, (fine, np.clip(indices - fine // 2 + 2, 0, 4)), weights)  # what is outside weighs nothing
    return torch.from_numpy(around.reshape(coarse, 2, 5))


@lru_cache(maxsize=64)
def in_cells(sizes: tuple[int, ...]) -> Tensor:
    """:func:`spline`'s weights of the coarse sample in whose cell a fine one lies, and of its two neighbours.

    Args:
        sizes: as for `spline`.

    Returns:
        (3, n), of the sample before, the cell's own, and the one after; beyond the last, it counts again.

    Example:
        >>> in_cells((3, 6, 12))[:, 6].tolist()
        [0.0625, 0.75, 0.1875]
    """
    carried = spline(sizes)
    fine = np.arange(sizes[-1])
    weights = np.zeros((2 * SPLINE, len(fine)), np.float32)
    first = carried.first - fine // 2 ** (len(sizes) - 1) + 1
    for k in range(SPLINE):
        weights[first + k, fine] = carried.weights[k]
    return torch.from_numpy(weights[:SPLINE].copy())
