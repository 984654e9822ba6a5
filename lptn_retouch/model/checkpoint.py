"""From weights to a network, trusting nothing in them.

Weights are data: a ``.safetensors`` file is read with the safetensors library (:mod:`lptn_retouch.model.weights`), a
published ``.pth`` only through ``torch.load(weights_only=True)`` after its zip directory has been looked at. The
architecture and its hyper-parameters are read from the names and shapes alone.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lptn_retouch.errors import InvalidPresetError, shown
from lptn_retouch.model.form import GRADED, Floats, is_graded
from lptn_retouch.model.graded import GradedLPTN
from lptn_retouch.model.lptn import LPTN
from lptn_retouch.model.lut import LUT, is_lut
from lptn_retouch.model.lut_network import LutNetwork
from lptn_retouch.model.weights import MAX_BYTES, check_file

if TYPE_CHECKING:
    from lptn_retouch.model.weights import Weights

Network = LPTN | GradedLPTN | LutNetwork

# How torch before 1.6 began a file; the published FiveK weights are of that kind.
_OLD_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."


def build_network(weights: Weights) -> Network:
    """Tell the architecture from the names, build it and load it.

    Args:
        weights: a state dict of an LPTN in either published form, of a :class:`GradedLPTN` or of a table, tensors or
            arrays.

    Returns:
        The network in eval mode, float32, on the CPU.

    Raises:
        InvalidPresetError: one sentence that says what is wrong with the weights.

    Example:
        >>> net = build_network(GradedLPTN(width=8, blocks=1, mask_width=4).state_dict())
        >>> type(net).__name__, architecture(net)
        ('GradedLPTN', 'graded-lptn')
    """
    tensors = as_tensors(weights)
    if is_lut(tensors):
        return LutNetwork.from_state_dict(tensors)
    return GradedLPTN.from_state_dict(tensors) if is_graded(tensors) else LPTN.from_state_dict(tensors)


def as_tensors(weights: Weights) -> dict[str, Tensor]:
    """A state dict of tensors; arrays are copied."""
    return {name: value if isinstance(value, Tensor) else torch.tensor(value) for name, value in weights.items()}


def architecture(net: Network) -> str:
    """The name that a preset's header gives to a network's architecture."""
    if isinstance(net, LutNetwork):
        return LUT
    return f"lptn-{net.form}" if isinstance(net, LPTN) else GRADED


def as_arrays(net: Network) -> Floats:
    """A network's state dict as arrays of their own, which cannot be written to."""
    arrays = {name: tensor.numpy().copy() for name, tensor in net.state_dict().items()}
    for array in arrays.values():
        array.flags.writeable = False
    return arrays


def read_published(path: Path) -> dict[str, Tensor]:
    """Read the weights of a published ``.pth`` file (a state dict, or one under ``params``). Runs nothing in it.

    Raises:
        InvalidPresetError: not such a file, damaged, compressed, or holding anything but named tensors.
    """
    check_file(path)
    wrong = f"{shown(path.name)}: not a sound .pth file of weights"
    _check_container(path, wrong)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # a hostile pickle can make the loader raise anything; none of it has run
        raise InvalidPresetError(f"{wrong}: it is damaged or holds something other than tensors.") from None
    if isinstance(state, dict) and isinstance(state.get("params"), dict):
        state = state["params"]
    if not isinstance(state, dict) or not state:
        raise InvalidPresetError(f"{wrong}: it does not hold a dictionary of tensors.")
    for name, tensor in state.items():
        plain = isinstance(tensor, Tensor) and tensor.layout == torch.strided and tensor.is_contiguous()
        if not isinstance(name, str) or not plain:
            raise InvalidPresetError(f"{wrong}: it holds something other than named, plain tensors.")
    return dict(state)


def _check_container(path: Path, wrong: str) -> None:
    """Look at the outside of a .pth before torch does: the old form, or a plain zip that stays as small as it is."""
    with path.open("rb") as file:
        head = file.read(len(_OLD_MAGIC))
    if head == _OLD_MAGIC:
        return
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError):
        members = []
    if not members or not head.startswith(b"PK\x03\x04"):
        raise InvalidPresetError(f"{wrong}: it is damaged or was not written by torch.save; fetch it again.")
    if any(m.compress_type != zipfile.ZIP_STORED for m in members) or sum(m.file_size for m in members) > MAX_BYTES:
        raise InvalidPresetError(f"{wrong}: it is compressed or unpacks to more than {MAX_BYTES >> 20} MiB.")
