"""What the GPU engine keeps for pictures of one size: buffers, tables, and the work that is recorded on them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

import torch
from torch import Tensor

from lptn_retouch.engine import triton_kernels as kernels
from lptn_retouch.engine.cells import interpolating, shrinking
from lptn_retouch.engine.coarse import translate_coarse
from lptn_retouch.engine.finite import check_finite
from lptn_retouch.errors import reason
from lptn_retouch.model.form import depth_for, seen_level
from lptn_retouch.model.graded import GradedLPTN
from lptn_retouch.notices import log

Tensors = tuple[Tensor, ...]

_alone = threading.Lock()  # in the process: torch's settings are changed, and a recording brings the device to rest


class Workspace:
    """What pictures of one size share at one strength: buffers, tables, and the recorded work on them.

    Of a picture there is only its level k, at which the network sees it. The buffers are 4.9 bytes a pixel at 4K, 2.3
    at 24 megapixels and half as many for each doubling of the sides; torch's small levels come to it, up to 85 MB at
    any size.
    """

    def __init__(
        self, net: GradedLPTN, height: int, width: int, amount: float, detail: float, device: torch.device
    ) -> None:
        self._net, self._amount, self._detail = net, amount, detail
        self._depth = depth = depth_for(height, width)
        self._halvings = k = seen_level(depth)
        rows, columns, field_rows = -(-height // 2**k), -(-width // 2**k), -(-height // 2**depth)
        self._wide = torch.empty(3, rows, width, device=device)  # level k on its way down, then on its way up
        self._seen = torch.empty(3, rows, columns, device=device)
        self._field = torch.empty(9, field_rows, width, device=device)
        self._shrinking = shrinking(height, k).to(device), shrinking(width, k).to(device)
        self._enlarging = interpolating(height, k).to(device), interpolating(height, depth).to(device)
        self._across = interpolating(width, k).to(device), interpolating(width, depth).to(device)
        self._sound = False  # the weights: looked at with the first picture, since it waits for the device
        self._translating = _Recording(possible=device.type == "cuda")

    def retouch(self, picture: Tensor, where: Tensor | None) -> tuple[Tensor, Tensor]:
        """Retouch a picture, (H, W, C).

        Returns:
            The result, and the share of the look that it got, (1, 1, 1, 1).

        Raises:
            InvalidPresetError: the weights overflow.
        """
        kernels.shrink(picture, self._shrinking, self._halvings, self._wide, self._seen)
        curve, share, *coarse = self._translating(self._translate)
        if not self._sound:
            check_finite(curve, share, *coarse)
            self._sound = True
        result = torch.empty_like(picture)
        levels, doublings = (self._wide, self._field), (self._halvings, self._depth)
        strength = self._amount * self._detail
        kernels.finish(picture, curve, share, levels, self._enlarging, doublings, strength, where, result)
        return result, share.clone()  # the recorded work writes to the one it returned

    def _translate(self) -> Tensors:
        """Look at level k and choose, translate it and what is below, and enlarge across what the picture gets of that.

        Returns:
            The grade, (3, 20), the share, (1, 1, 1, 1), and the whole :class:`~lptn_retouch.engine.coarse.Coarse`, of
            which the picture gets that share: for a share of 0 no weights could be found wrong.
        """
        curves, share, grey = self._net.decide(self._seen[None])
        curve = curves[0]
        graded = torch.empty_like(self._seen)
        kernels.grade_level(self._seen, curve, graded)
        coarse = translate_coarse(self._net, self._seen[None], graded[None], self._depth, self._amount, self._detail)
        left, field = coarse.in_part(share, grey)
        kernels.enlarge_across(left[0].contiguous(), self._across[0], self._halvings, self._wide)
        kernels.enlarge_across(field[0].contiguous(), self._across[1], self._depth, self._field)
        return curve, share, *coarse


class _Recording:
    """Work on tensors that stay where they are: done plainly the first time, then recorded in a CUDA graph.

    The first time compiles kernels and chooses among torch's, which cannot be recorded; and a size that comes but
    once is not worth it.
    """

    def __init__(self, possible: bool) -> None:
        self._possible = possible
        self._begun = False
        self._graph: torch.cuda.CUDAGraph | None = None
        self._result: Tensors

    def __call__(self, work: Callable[[], Tensors]) -> Tensors:
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

    def _record(self, work: Callable[[], Tensors]) -> None:
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
