"""Weights as arrays: a ``.safetensors`` file read, trusting nothing in it.

Torch is imported only where it is needed, which it never is for our own network's weights in usual floats.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from lptn_retouch.errors import InvalidPresetError, reason, shown
from lptn_retouch.model.header import raw_header

if TYPE_CHECKING:
    from torch import Tensor

    Weights = Mapping[str, npt.NDArray[Any]] | Mapping[str, Tensor]  # a state dict

Arrays = dict[str, npt.NDArray[Any]]

MAX_BYTES = 64 << 20  # of a file of weights and of what it unpacks to; the published network has 3.5 MB
_NUMPY_HAS = {"F16", "F32", "F64", "I8", "I16", "I32", "I64", "U8", "U16", "U32", "U64", "BOOL", "C64"}


def read_safetensors(path: Path) -> tuple[Arrays, dict[str, str]]:
    """Read tensors and header of a ``.safetensors`` file.

    Returns:
        The tensors as they are in the file, but float32 where NumPy has no such floats (bfloat16); and the header.

    Raises:
        InvalidPresetError: not such a file, damaged, ambiguous, or larger than any preset.
    """
    check_file(path)
    try:
        raw = raw_header(path)
        with safe_open(path, "np") as file:
            header = dict(file.metadata() or {})
            # Sound JSON, or it would not have been opened.
            entries = json.loads(raw, object_pairs_hook=_without_doubles)
            arrays = {
                name: file.get_tensor(name) if entries[name]["dtype"] in _NUMPY_HAS else _by_torch(path, name)
                for name in file.keys()  # noqa: SIM118
            }
        return arrays, header
    except (SafetensorError, OSError, ValueError, RuntimeError, TypeError, OverflowError) as error:
        flaw = (
            "in its header a name stands twice"
            if isinstance(error, _TwiceError)
            else "it is damaged or cannot be read to its end"
        )
        raise InvalidPresetError(
            f"{shown(path.name)}: not a sound .safetensors file, as {flaw}; fetch it again from its source."
        ) from error


def check_file(path: Path) -> None:
    """Whether it is there, may be read, and is no larger than a preset.

    Raises:
        InvalidPresetError: it is not.
    """
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


def _by_torch(path: Path, name: str) -> npt.NDArray[Any]:
    """A tensor of a type that NumPy does not have."""
    with safe_open(path, "pt") as file:
        tensor = file.get_tensor(name)
    return np.asarray((tensor.float() if tensor.is_floating_point() else tensor).numpy())


class _TwiceError(ValueError):
    """A name stands twice in a header."""


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, if no name stands in it twice: which of the two counts would depend on the reader."""
    if len(found := dict(pairs)) < len(pairs):
        raise _TwiceError("a name stands twice")
    return found
