"""Which engine does the work: the same mathematics three times, chosen by device and by what is installed."""

from __future__ import annotations

import copy
from typing import Any, Protocol

import numpy.typing as npt
import torch
from torch import Tensor

from lptn_retouch.engine.reference import ReferenceEngine
from lptn_retouch.errors import UsageError
from lptn_retouch.model.checkpoint import Network
from lptn_retouch.model.graded import GradedLPTN
from lptn_retouch.notices import log, without_numba

Array = npt.NDArray[Any]


class Engine(Protocol):
    """What a Retoucher asks of an engine; each method as :class:`ReferenceEngine` describes it."""

    name: str
    device: torch.device

    def __call__(
        self, picture: Array, amount: float, detail: float, where: Array | None = None, out: Array | None = None
    ) -> Array: ...

    def tensors(self, pictures: Tensor, amount: float, detail: float) -> Tensor: ...

    def memory(self, height: int, width: int, dtype: npt.DTypeLike) -> int: ...


def choose_engine(network: Network, device: str) -> Engine:
    """The fastest engine that can run a network on a device.

    Args:
        network: in eval mode, on the CPU; it stays there, other devices get a copy.
        device: "auto", the accelerator that torch finds or else the CPU; torch's own word for a device, "cpu",
            "cuda:1", "mps"; or "reference", the network in plain torch on the CPU, which the others are measured
            against ("reference:cuda" on another device).

    Raises:
        UsageError: torch does not know or does not have that device.

    Example:
        >>> from lptn_retouch import load_preset
        >>> choose_engine(load_preset("retouch").network, "reference").name
        'reference'
    """
    plain = isinstance(device, str) and device.partition(":")[0] == "reference"
    chosen = choose_device(device.partition(":")[2] or "cpu" if plain else device)
    if chosen.type != "cpu":
        network = copy.deepcopy(network).to(chosen)
    if plain or not isinstance(network, GradedLPTN):
        return ReferenceEngine(network, chosen)  # the published form's cost lies in its networks, not in its levels
    return _on_cpu(network, chosen) if chosen.type == "cpu" else _on_accelerator(network, chosen)


def choose_device(device: str) -> torch.device:
    """The device to compute on; see :func:`choose_engine`.

    Example:
        >>> choose_device("cpu")
        device(type='cpu')
    """
    if device == "auto":
        accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
        return accelerator or torch.device("cpu")
    try:
        chosen = torch.device(device)
        torch.zeros(1, device=chosen).cpu()  # the device can be written to and read from
    except (RuntimeError, AssertionError, NotImplementedError, TypeError):
        raise UsageError(f"there is no device {device!r} here; use 'auto', 'cpu' or 'reference'.") from None
    return chosen


def _on_accelerator(network: GradedLPTN, device: torch.device) -> Engine:
    from lptn_retouch.engine.gpu import GpuEngine, obstacle

    why_not = obstacle(device) if device.type == "cuda" else None  # Triton is for no others, which goes without saying
    if device.type == "cuda" and why_not is None:
        return GpuEngine(network, device)
    if why_not:
        log.warning("lptn_retouch: the fast GPU engine cannot run, so the plain one does the work: %s", why_not)
    return ReferenceEngine(network, device)


def _on_cpu(network: GradedLPTN, device: torch.device) -> Engine:
    try:
        from lptn_retouch.engine.cpu import CpuEngine
    except Exception as error:  # numba is not there, or not for this Python, NumPy or processor
        without_numba(error)
        return ReferenceEngine(network, device)
    return CpuEngine(network)
