"""The GPU engine: the full size by kernels in Triton, what is small by the network in torch.

How the mathematics follows from the network is said in :mod:`lptn_retouch.engine.coarse`.

A picture is read twice and written once: shrunk, to what the network sees; graded, translated and saved. What lies
between these is many launches of little work, the same for all pictures of a size; so it is recorded in a CUDA graph.
All pictures pass through one stream of the engine's, which keeps them out of each other's buffers.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import lru_cache, partial
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lptn_retouch.engine.reference import ReferenceEngine
from lptn_retouch.engine.retouched import Retouched, Retouching
from lptn_retouch.errors import reason
from lptn_retouch.model.graded import GradedLPTN
from lptn_retouch.notices import compiling_for_gpu

_missing: str | None = None
try:
    from lptn_retouch.engine.gpu_workspace import Workspace
    from lptn_retouch.engine.triton_kernels import INTERPRETED
except Exception as error:  # not there, or not for this Python or this processor
    _missing = f"Triton cannot be imported ({reason(error)}); pip install --upgrade triton may help."

Array = npt.NDArray[Any]
T = TypeVar("T")

_KEPT = 4  # sizes and strengths whose buffers are kept
_UNDER_WAY = 3  # pictures of a stream: one on its way up, one in work, one on its way down
_TYPES = {"uint8": torch.uint8, "uint16": torch.uint16, "float32": torch.float32}


@lru_cache
def obstacle(device: torch.device) -> str | None:
    """Why this engine cannot run on a device, found out by running it; None if it can.

    Returns:
        One sentence that ends with what may help.

    Example:
        >>> (obstacle(torch.device("meta")) or "").endswith(".")
        True
    """
    if _missing is not None:
        return _missing
    if INTERPRETED and device.type == "cpu":
        return None
    if device.type != "cuda":  # as torch calls AMD's as well
        return f"a device of type {device.type!r} runs no Triton kernels; take an NVIDIA or AMD GPU, or 'cpu'."
    try:
        with compiling_for_gpu():
            agrees = _agrees(device)
    except Exception as error:
        return f"its kernels cannot be compiled here ({reason(error)}); pip install --upgrade triton may help."
    return None if agrees else "its kernels compute something else here; pip install --upgrade triton may help."


def _agrees(device: torch.device) -> bool:
    """Whether the engine agrees with the reference on a small picture of several levels, plainly and recorded."""
    with torch.random.fork_rng(devices=[]):
        net = GradedLPTN(width=1, blocks=0, mask_width=1).eval().to(device)
    picture = np.resize(np.arange(251, dtype=np.uint8), (1536, 1536, 3))  # stripes, askew
    expected = ReferenceEngine(net, device)(picture, 1, 1)
    engine = GpuEngine(net, device)
    return all(np.abs(engine(picture, 1, 1) - expected.astype(int)).max() <= 1 for _ in range(2))


class GpuEngine(Retouching):
    """Retouch pictures on a GPU with a graded network.

    Args:
        net: in eval mode, on the device.
        device: one for which :func:`obstacle` knows none.
    """

    name = "gpu"

    def __init__(self, net: GradedLPTN, device: torch.device) -> None:
        self.device = device
        self._net = net
        self._workspaces: OrderedDict[tuple[Any, ...], Workspace] = OrderedDict()
        self._lock = threading.Lock()
        self._apart = device.type == "cuda"  # else Triton interprets the kernels, in the host's own memory
        if self._apart:
            self._up, self._work, self._down = (torch.cuda.Stream(device) for _ in range(3))  # type: ignore[no-untyped-call]

    def retouch(
        self, picture: Array, amount: float, detail: float, where: Array | None = None, out: Array | None = None
    ) -> Retouched:
        """Retouch one picture, and say how much of the look it got; as :meth:`Retouching.retouch`."""
        return self._begin(picture, amount, detail, where)(out)

    def stream(self, pictures: Iterable[Array], amount: float, detail: float) -> Iterator[Array]:
        """Retouch pictures one after the other; while one is in work, others are on their way up and down.

        Args:
            pictures: as :meth:`__call__` takes them; three at a time are held.
            amount, detail: 0 to 2.

        Yields:
            The results, in order.
        """
        under_way: deque[Callable[[], Retouched]] = deque()
        for picture in pictures:
            under_way.append(self._begin(picture, amount, detail, None))
            if len(under_way) == _UNDER_WAY:
                yield under_way.popleft()().pixels
        while under_way:
            yield under_way.popleft()().pixels

    def on_device(self, picture: Tensor, amount: float, detail: float, where: Tensor | None = None) -> Tensor:
        """Retouch a picture in the device's memory, on the current stream; returns before it is done.

        Args:
            picture: (H, W, 3) or (H, W, 4), uint8, uint16 or float32 in [0, 1]; alpha passes through.
            amount, detail: 0 to 2.
            where: (H, W), float32 in [0, 1], on the device: where to apply the retouch; None for everywhere.

        Returns:
            A new tensor like `picture`.

        Raises:
            torch.OutOfMemoryError: the picture is too large for the device.
        """
        if not self._apart:
            return self._retouch(picture, amount, detail, where)[0]
        current = torch.cuda.current_stream(self.device)
        result, _ = self._fitting(partial(self._wait_and_retouch, current, picture, amount, detail, where))
        for tensor in (picture, where):
            if tensor is not None:
                tensor.record_stream(self._work)
        current.wait_stream(self._work)
        result.record_stream(current)
        return result

    def tensors(self, pictures: Tensor, amount: float, detail: float) -> Tensor:
        """Retouch a batch of pictures; as :meth:`ReferenceEngine.tensors`."""
        rows = pictures.permute(0, 2, 3, 1).contiguous()  # (B, 3, H, W) to (B, H, W, 3)
        results = torch.stack([self.on_device(picture, amount, detail) for picture in rows])
        return results.permute(0, 3, 1, 2).contiguous()

    def memory(self, height: int, width: int, dtype: npt.DTypeLike) -> int:
        """Bytes of the host's at the peak besides the picture and its result: what is sent and what is fetched.

        They are pinned, for which torch takes up to twice as much.
        """
        return 2 * 2 * 4 * height * width * np.dtype(dtype).itemsize

    def _begin(self, picture: Array, amount: float, detail: float, where: Array | None) -> Callable[..., Retouched]:
        """Put a picture on its way; what is returned waits for the result and puts it into an array."""
        if self._apart:
            return self._fitting(partial(self._send_and_fetch, picture, amount, detail, where))
        mask = None if where is None else torch.from_numpy(where.copy())
        return partial(_put, *self._retouch(torch.from_numpy(picture.copy()), amount, detail, mask), None)

    def _send_and_fetch(
        self, picture: Array, amount: float, detail: float, where: Array | None
    ) -> Callable[..., Retouched]:
        with torch.cuda.stream(self._up):
            sent = self._send(picture)
            mask = None if where is None else self._send(where)
        results = self._wait_and_retouch(self._up, sent, amount, detail, mask)
        self._down.wait_stream(self._work)
        with torch.cuda.stream(self._down):
            fetched = [torch.empty(result.shape, dtype=result.dtype, pin_memory=True) for result in results]
            for here, result in zip(fetched, results, strict=True):
                here.copy_(result, non_blocking=True)
                result.record_stream(self._down)  # or the next picture would be given its memory before it is fetched
        return partial(_put, fetched[0], fetched[1], self._down.record_event())

    def _send(self, array: Array) -> Tensor:
        """An array on the device, for the working stream; returns before it is there."""
        pinned = torch.empty(array.shape, dtype=_TYPES[array.dtype.name], pin_memory=True)
        np.copyto(pinned.numpy(), array)
        sent = pinned.to(self.device, non_blocking=True)
        sent.record_stream(self._work)
        return sent

    def _wait_and_retouch(
        self, given: torch.cuda.Stream, picture: Tensor, amount: float, detail: float, where: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """On the working stream, after what is under way on the stream that gives the picture."""
        self._work.wait_stream(given)
        with torch.cuda.stream(self._work):
            return self._retouch(picture, amount, detail, where)

    def _retouch(self, picture: Tensor, amount: float, detail: float, where: Tensor | None) -> tuple[Tensor, Tensor]:
        """The result, and the share of the look."""
        with self._lock, torch.no_grad():
            height, width = picture.shape[:2]
            key = (height, width, amount, detail)
            workspace = self._workspaces.get(key)
            if workspace is None:
                if len(self._workspaces) == _KEPT:
                    self._forget(next(iter(self._workspaces)))
                workspace = self._workspaces[key] = Workspace(self._net, *key, self.device)
            self._workspaces.move_to_end(key)
            return workspace.retouch(picture.contiguous(), None if where is None else where.contiguous())

    def _fitting(self, work: Callable[[], T]) -> T:
        """What `work` returns; if memory is short, without what is kept for other pictures."""
        with suppress(torch.OutOfMemoryError):
            return work()
        with self._lock:
            self._forget(*self._workspaces)
        return work()

    def _forget(self, *keys: tuple[Any, ...]) -> None:
        if self._apart:
            self._work.synchronize()  # its buffers may be in use
        for key in keys:
            del self._workspaces[key]


def _put(result: Tensor, share: Tensor, arrived: torch.cuda.Event | None, out: Array | None = None) -> Retouched:
    """A result that has arrived, in an array."""
    if arrived is not None:
        arrived.synchronize()
    if out is None:
        return Retouched(result.numpy().copy(), (float(share),))
    np.copyto(out, result.numpy())
    return Retouched(out, (float(share),))
