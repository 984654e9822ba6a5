"""A preset: weights, what they are and how to apply them. Find, load, check, import, write.

One file, ``NAME.safetensors``: the tensors, and a header of text fields that names architecture, version, training
data and licence. Beside it lies the model card ``NAME.md`` for people. Presets ship with the package; a user's own lie
in the platform's data folder, or in the folder named by the environment variable ``LPTN_RETOUCH_PRESETS``.
"""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lptn_retouch.errors import (
    InvalidPresetError,
    PresetError,
    PresetNotFoundError,
    UsageError,
    shown,
)

if TYPE_CHECKING:
    from torch import Tensor

    from lptn_retouch.model.checkpoint import Network

FORMAT = "lptn-retouch preset 1"
FIELDS = ("summary", "version", "training_data", "licence")  # of the header, besides format and architecture
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Preset:
    """Weights with their name and description. Made by :func:`load_preset`.

    Args:
        name: what users call it.
        network: in eval mode, on the CPU; never written to.
        architecture: "graded-lptn" (ours), "lptn-released" or "lptn-paper" (as published).
        header: the fields ``summary``, ``version``, ``training_data``, ``licence``; "" where unknown.
        path: the file.
        sha256: of the file, in hexadecimal.

    Example:
        >>> preset = load_preset("retouch")
        >>> preset.name, preset.header["version"]
        ('retouch', '1')
    """

    name: str
    network: Network = field(repr=False)
    architecture: str
    header: dict[str, str]
    path: Path
    sha256: str

    @property
    def card(self) -> str:
        """The model card, Markdown; "" if there is none."""
        file = self.path.with_suffix(".md")
        return _printable(file.read_text("utf-8", errors="replace")) if file.is_file() else ""


def preset_folders() -> list[Path]:
    """Where presets are looked for, the user's own first."""
    return [user_folder(), *(folder for folder in _shipped_folders() if folder.is_dir())]


def user_folder() -> Path:
    """Where ``presets import`` and ``train`` put presets; it need not exist yet."""
    if named := os.environ.get("LPTN_RETOUCH_PRESETS"):
        return Path(named)
    import platformdirs

    return Path(platformdirs.user_data_dir("lptn_retouch", appauthor=False)) / "presets"


def list_presets() -> list[str]:
    """Names of all presets there are, shipped and the user's own, in alphabetical order.

    Example:
        >>> "retouch" in list_presets()
        True
    """
    files = (file for folder in preset_folders() for file in folder.glob("*.safetensors"))
    return sorted({file.stem for file in files if _NAME.fullmatch(file.stem) and file.is_file()})


def find_preset(name: str | os.PathLike[str]) -> Path:
    """The file of a preset, by name or by path.

    Raises:
        PresetNotFoundError: there is none of that name; the message lists those there are.
    """
    if not isinstance(name, str | os.PathLike):
        raise UsageError(f"a preset is named by a string or a path, not by a {type(name).__name__}.")
    path = Path(name)
    if path.suffix == ".safetensors":
        if path.is_file():
            return path
        raise PresetNotFoundError(f"{shown(path)}: no such preset file; `lptn-retouch presets` lists those there are.")
    if _NAME.fullmatch(str(name)):
        for folder in preset_folders():
            if (file := folder / f"{name}.safetensors").is_file():
                return file
    raise PresetNotFoundError(
        f"there is no preset {str(name)[:80]!r}; there are: {', '.join(list_presets()) or 'none'}."
    )


def load_preset(name: str | os.PathLike[str]) -> Preset:
    """Load a preset and check it: names, shapes, dtypes and finiteness of every tensor.

    Args:
        name: of an installed preset, or the path of a ``.safetensors`` file.

    Returns:
        The preset, ready for :class:`lptn_retouch.Retoucher`.

    Raises:
        PresetNotFoundError: there is none of that name.
        InvalidPresetError: the file is not a sound preset.

    Example:
        >>> load_preset("retouch").architecture
        'graded-lptn'
    """
    from lptn_retouch.model.checkpoint import architecture, build_network, read_safetensors

    path = find_preset(name)
    tensors, header = read_safetensors(path)
    try:
        network = build_network(tensors)
    except InvalidPresetError as error:
        raise InvalidPresetError(f"{shown(path.name)}: {error}") from None
    if header.get("architecture", architecture(network)) != architecture(network):
        raise InvalidPresetError(
            f"{shown(path.name)}: the header says {_printable(header['architecture'])[:40]!r}, but the weights are a "
            f"{architecture(network)}; fetch the file again."
        )
    return Preset(
        name=path.stem,
        network=network,
        architecture=architecture(network),
        header={key: _printable(header.get(key, "")) for key in FIELDS},
        path=path,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
    )


def import_preset(source: str | os.PathLike[str], name: str, *, header: dict[str, str] | None = None) -> Path:
    """Make a preset of a file of weights and put it into the user's folder.

    A published ``.pth`` keeps its own network: its pyramid, its levels, its weights.

    Args:
        source: a published ``.pth``, or a ``.safetensors`` preset.
        name: letters, digits, ``.``, ``_`` and ``-``; an installed preset is not replaced.

    Returns:
        The preset's file.

    Raises:
        InvalidPresetError: the file is not what its ending says.
        UsageError: the name cannot be used, or is taken.
    """
    from lptn_retouch.model.checkpoint import read_published, read_safetensors

    source = Path(source)
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot name a preset; use letters, digits, '.', '_' and '-', 64 at most.")
    if name in list_presets():
        raise UsageError(f"there is a preset {name!r} already; choose another name.")
    written: dict[str, str] = {}
    if source.suffix == ".safetensors":
        tensors, written = read_safetensors(source)
    elif source.suffix in (".pth", ".pt"):
        tensors = read_published(source)
    else:
        raise UsageError(f"{shown(source.name)}: presets are imported from .pth or .safetensors files.")
    fields = {key: _printable(written.get(key, "")) for key in FIELDS} | (header or {})
    fields["summary"] = fields["summary"] or f"Imported from {shown(source.name)}."
    return write_preset(user_folder() / f"{name}.safetensors", tensors, fields, of=source.name)


def write_preset(path: Path, tensors: dict[str, Tensor], header: dict[str, str], *, of: str = "") -> Path:
    """Check weights, and write them with their header as a preset, whole or not at all.

    Raises:
        InvalidPresetError: the weights are not a network of ours.
    """
    from safetensors.torch import save

    from lptn_retouch.model.checkpoint import architecture, build_network

    try:
        network = build_network(tensors)
    except InvalidPresetError as error:
        raise InvalidPresetError(f"{shown(of or path.name)}: {error}") from None
    plain = {key: tensor.contiguous() for key, tensor in network.state_dict().items()}
    fields = {"format": FORMAT, "architecture": architecture(network)} | {key: header.get(key, "") for key in FIELDS}
    data = save(plain, metadata=fields)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        raise PresetError(f"{shown(path)}: {error.strerror or error}; make room or choose another folder.") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    return path


def _shipped_folders() -> list[Path]:
    here = Path(__file__).resolve().parent
    return [here / "presets", here.parent / "presets"]  # in the wheel, in a checkout


def _printable(text: str) -> str:
    """Text from a file that may be hostile, without escape codes."""
    return "".join(c for c in text if c.isprintable() or c in "\n\t")
