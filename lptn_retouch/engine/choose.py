"""Which engine does the work: the same mathematics three times, chosen by device and by what is installed.

Torch is imported where it does the work, or has to be asked for a device, and else never.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy.typing as npt

from lptn_retouch.engine.accelerator import accelerator_possible
from lptn_retouch.engine.retouched import Retouched
from lptn_retouch.errors import UsageError
from lptn_retouch.model.form import GRADED
from lptn_retouch.model.lut import LUT
from lptn_retouch.notices import log, without_numba
from lptn_retouch.preset import Preset

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from lptn_retouch.model.graded import GradedLPTN

Array = npt.NDArray[Any]

_COMPILED = (GRADED, LUT)  # what the CPU has compiled kernels for


class Engine(Protocol):
    """What a Retoucher asks of an engine; each method as :class:`ReferenceEngine` describes it."""

    name: str

    @property
    def device(self) -> torch.device | str: ...

    def __call__(
        self, picture: Array, amount: float, detail: float, where: Array | None = None, out: Array | None = None
    ) -> Array: ...

    def retouch(
        self, picture: Array, amount: float, detail: float, where: Array | None = None, out: Array | None = None
    ) -> Retouched: ...

    def memory(self, height: int, width: int, dtype: npt.DTypeLike) -> int: ...


class TensorEngine(Engine, Protocol):
    """One that takes tensors on its device as well, a batch at a time."""

    def tensors(self, pictures: Tensor, amount: float, detail: float) -> Tensor: ...


def choose_engine(preset: Preset, device: str) -> Engine:
    """The fastest engine that can run a preset on a device.

    Args:
        preset: its network stays on the CPU; other devices get a copy.
        device: "auto", the accelerator that torch finds or else the CPU; torch's own word for a device, "cpu",
            "cuda:1", "mps"; or "reference", the network in plain torch on the CPU, which the others are measured
            against ("reference:cuda" on another device).

    Raises:
        UsageError: torch does not know or does not have that device.

    Example:
        >>> from lptn_retouch import load_preset
        >>> choose_engine(load_preset("retouch"), "reference").name
        'reference'
    """
    if not needs_torch(preset.architecture, device):
        return _on_cpu(preset)
    plain = isinstance(device, str) and device.partition(":")[0] == "reference"
    chosen = choose_device(device.partition(":")[2] or "cpu" if plain else device)
    if plain or preset.architecture not in _COMPILED:
        return _reference(preset, chosen)  # the published form's cost lies in its networks, not in its levels
    if chosen.type == "cpu":
        return _on_cpu(preset)
    return _reference(preset, chosen) if preset.architecture == LUT else _on_accelerator(preset, chosen)


def needs_torch(architecture: str, device: str) -> bool:
    """Whether torch does the work of :func:`choose_engine`, or has to be asked who does.

    Example:
        >>> needs_torch("graded-lptn", "cpu"), needs_torch("lptn-released", "cpu")
        (False, True)
    """
    return architecture not in _COMPILED or not (device == "cpu" or (device == "auto" and not accelerator_possible()))


def choose_device(device: str) -> torch.device:
    """The device to compute on; see :func:`choose_engine`.

    Example:
        >>> choose_device("cpu")
        device(type='cpu')
    """
    import torch

    if device == "auto":
        accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
        return accelerator or torch.device("cpu")
    try:
        chosen = torch.device(device)
        torch.zeros(1, device=chosen).cpu()  # the device can be written to and read from
    except (RuntimeError, AssertionError, NotImplementedError, TypeError):
        raise UsageError(f"there is no device {device!r} here; use 'auto', 'cpu' or 'reference'.") from None
    return chosen


def _reference(preset: Preset, device: torch.device | str = "cpu") -> Engine:
    import torch

    from lptn_retouch.engine.reference import ReferenceEngine

    device = torch.device(device)
    network = preset.network if device.type == "cpu" else copy.deepcopy(preset.network).to(device)
    return ReferenceEngine(network, device)


def _on_accelerator(preset: Preset, device: torch.device) -> Engine:
    from lptn_retouch.engine.gpu import GpuEngine, obstacle

    why_not = obstacle(device) if device.type == "cuda" else None  # Triton is for no others, which goes without saying
    if device.type == "cuda" and why_not is None:
        return GpuEngine(cast("GradedLPTN", copy.deepcopy(preset.network).to(device)), device)
    if why_not:
        log.warning("lptn_retouch: the fast GPU engine cannot run, so the plain one does the work: %s", why_not)
    return _reference(preset, device)


def _on_cpu(preset: Preset) -> Engine:
    try:
        if preset.architecture == LUT:
            from lptn_retouch.engine.lut import LutEngine

            return LutEngine(preset.weights)
        from lptn_retouch.engine.cpu import CpuEngine
    except Exception as error:  # numba is not there, or not for this Python, NumPy or processor
        without_numba(error)
        return _reference(preset)
    return CpuEngine(preset.weights)
