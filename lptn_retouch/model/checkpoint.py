"""From a file of weights to a network, trusting nothing in it.

Weights are data: a ``.safetensors`` file is read with the safetensors library, a published ``.pth`` only through
``torch.load(weights_only=True)`` after its zip directory has been looked at. The architecture and its hyper-parameters
are read from the names and shapes alone.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from lptn_retouch.errors import InvalidPresetError, reason, shown
from lptn_retouch.model.graded import GradedLPTN
from lptn_retouch.model.header import raw_header
from lptn_retouch.model.lptn import LPTN

Network = LPTN | GradedLPTN

# How torch before 1.6 began a file; the published FiveK weights are of that kind.
_OLD_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
MAX_BYTES = 64 << 20  # of a file of weights and of what it unpacks to; the published network has 3.5 MB


def build_network(weights: Mapping[str, Tensor]) -> Network:
    """Tell the architecture from the names, build it and load it.

    Args:
        weights: a state dict of an LPTN in either published form or of a :class:`GradedLPTN`.

    Returns:
        The network in eval mode, float32, on the CPU.

    Raises:
        InvalidPresetError: one sentence that says what is wrong with the weights.

    Example:
        >>> net = build_network(GradedLPTN(width=8, blocks=1, mask_width=4).state_dict())
        >>> type(net).__name__, architecture(net)
        ('GradedLPTN', 'graded-lptn')
    """
    if any(name.startswith("grade.") for name in weights):
        return GradedLPTN.from_state_dict(weights)
    return LPTN.from_state_dict(weights)


def architecture(net: Network) -> str:
    """The name that a preset's header gives to a network's architecture."""
    return f"lptn-{net.form}" if isinstance(net, LPTN) else "graded-lptn"


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read tensors and header of a ``.safetensors`` file.

    Raises:
        InvalidPresetError: not such a file, damaged, ambiguous, or larger than any preset.
    """
    _check_file(path)
    try:
        raw = raw_header(path)
        with safe_open(path, "pt") as file:
            header = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        json.loads(raw, object_pairs_hook=_without_doubles)  # sound JSON, or it would not have been opened
        return tensors, header
    except (SafetensorError, OSError, ValueError, RuntimeError, TypeError) as error:
        raise InvalidPresetError(
            f"{shown(path.name)}: not a sound .safetensors file ({reason(error)}); fetch it again from its source."
        ) from None


def read_published(path: Path) -> dict[str, Tensor]:
    """Read the weights of a published ``.pth`` file (a state dict, or one under ``params``). Runs nothing in it.

    Raises:
        InvalidPresetError: not such a file, damaged, compressed, or holding anything but named tensors.
    """
    _check_file(path)
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


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, if no name stands in it twice: which of the two counts would depend on the reader."""
    if len(found := dict(pairs)) < len(pairs):
        raise ValueError("a name stands twice in its header")
    return found


def _check_file(path: Path) -> None:
    """Whether it is there, may be read, and is no larger than a preset."""
    if not os.path.isfile(path):  # noqa: PTH113  (Path.is_file raises for names that no file can have)
        raise InvalidPresetError(f"{shown(path)}: no such file; name a .safetensors or .pth file of weights.")
    try:
        with path.open("rb"):
            size = path.stat().st_size
    except OSError as error:
        forbidden = isinstance(error, PermissionError)
        cure = "reading is not permitted; change its permissions" if forbidden else f"{reason(error)}; check the disk"
        raise InvalidPresetError(f"{shown(path)}: {cure}.") from None
    if size > MAX_BYTES:
        raise InvalidPresetError(f"{shown(path.name)}: larger than {MAX_BYTES >> 20} MiB, so not an LPTN preset.")
