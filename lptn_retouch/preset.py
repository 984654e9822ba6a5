"""A preset: weights, what they are and how to apply them. Find, load, check, write.

One file, ``NAME.safetensors``: the tensors, and a header of text fields that names architecture, version, training
data and licence. The model card for people, Markdown, lies beside it as ``NAME.md``, or in the header where the preset
travels as one file (:mod:`lptn_retouch.sharing`). Presets ship with the package; a user's own lie in the platform's
data folder, or in the folder named by the environment variable ``LPTN_RETOUCH_PRESETS``.
"""

from __future__ import annotations

import hashlib
import json
import os
import unicodedata
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lptn_retouch.errors import (
    InvalidPresetError,
    PresetError,
    PresetNotFoundError,
    UnwritablePhotoError,
    UsageError,
    shown,
)
from lptn_retouch.names import did_you_mean, valid_name

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from lptn_retouch.model.checkpoint import Network
    from lptn_retouch.model.weights import Weights

FORMAT = "lptn-retouch preset 1"
PUBLISHED = (".pth", ".pt")  # endings of files of weights that can be imported
TABLES = (".cube", ".png", ".tif", ".tiff")  # endings of files of colour look-up tables
FIELDS = ("summary", "version", "training_data", "licence")  # of the header, besides format and architecture
OPTIONAL = ("alters",)  # what a look changes that the photograph showed: "season", "light"; see `Preset.alters`
MAX_FIELD, MAX_CARD = 4 << 10, 256 << 10  # bytes of UTF-8


@dataclass(frozen=True)
class Preset:
    """Weights with their name and description. Made by :func:`load_preset`.

    Args:
        name: what users call it.
        weights: the network's state dict; nobody can write to the arrays.
        architecture: "graded-lptn" (ours), "lptn-released" or "lptn-paper" (as published), "lut" (a table of colours).
        header: the fields ``summary``, ``version``, ``training_data``, ``licence``, a line each; "" where unknown.
        card: the model card, Markdown, from ``NAME.md`` beside the file or from its header; "" if there is none.
        path: the file.
        sha256: of the file, in hexadecimal.
        alters: what of the scene the look makes other than it was, "season" or "light" for those that ship; "" for a
            look that only develops what was there. Results of the former are marked as algorithmically altered
            (IPTC Photo Metadata Standard, Digital Source Type).

    Example:
        >>> preset = load_preset("retouch")
        >>> preset.name, preset.header["version"]
        ('retouch', '3')
    """

    name: str
    weights: Mapping[str, npt.NDArray[np.float32]] = field(repr=False, compare=False)  # the file's sum is compared
    architecture: str
    header: dict[str, str]
    card: str = field(repr=False)
    path: Path
    sha256: str
    alters: str = ""

    @cached_property
    def network(self) -> Network:
        """The network in torch, in eval mode, on the CPU, never written to; built when it is first asked for."""
        from lptn_retouch.model.checkpoint import build_network
        from lptn_retouch.threads import on_one

        return on_one(lambda: build_network(self.weights))

    def __getstate__(self) -> dict[str, Any]:
        """What another process is sent: the weights, from which it can build the network too."""
        return {name: value for name, value in vars(self).items() if name != "network"}


def preset_folders() -> list[Path]:
    """Where presets are looked for, the user's own first."""
    shipped = [folder for folder in _shipped_folders() if folder.is_dir()]
    with suppress(UsageError):  # an account without a home has those alone
        return [user_folder(), *shipped]
    return shipped


def user_folder() -> Path:
    """Where ``presets import`` and ``train`` put presets; it need not exist yet.

    Raises:
        UsageError: the account has no home, as that of a service may not.
    """
    if named := os.environ.get("LPTN_RETOUCH_PRESETS"):
        return Path(named)
    import platformdirs

    try:
        return Path(platformdirs.user_data_dir("lptn_retouch", appauthor=False)) / "presets"
    except RuntimeError:
        raise UsageError(
            "this account has no home folder for presets; set LPTN_RETOUCH_PRESETS to a folder that it may write to."
        ) from None


def list_presets() -> list[str]:
    """Names of all presets there are, shipped and the user's own, in alphabetical order.

    Example:
        >>> "retouch" in list_presets()
        True
    """
    files = (file for folder in preset_folders() for file in folder.glob("*.safetensors"))
    return sorted({file.stem for file in files if valid_name(file.stem) and _is_file(file)})


def find_preset(name: str | os.PathLike[str]) -> Path:
    """The file of a preset, by name or by path.

    Raises:
        PresetNotFoundError: there is none of that name; the message lists those there are.
    """
    if not isinstance(name, str | os.PathLike):
        raise UsageError(f"a preset is named by a string or a path, not by a {type(name).__name__}.")
    path = Path(name)
    if path.suffix == ".safetensors":
        if _is_file(path):
            return path
        raise PresetNotFoundError(f"{shown(path)}: no such preset file; `lptn-retouch presets` lists those there are.")
    if valid_name(str(name)):
        for folder in preset_folders():
            if _is_file(file := folder / f"{name}.safetensors"):
                return file
    if path.suffix.lower() == TABLES[0] and _is_file(path):
        raise PresetNotFoundError(
            f"{shown(path)}: a table becomes a preset first; import it: `lptn-retouch presets import {shown(path)}`."
        )
    if path.suffix in PUBLISHED and _is_file(path):
        raise PresetNotFoundError(
            f"{shown(path)}: published weights become a preset first; import them under a name of yours with "
            f"`lptn-retouch presets import {shown(path)} --name NAME`."
        )
    there = list_presets()
    meant = did_you_mean(str(name), there) or f"there are: {', '.join(there) or 'none'}."
    raise PresetNotFoundError(f"there is no preset {str(name)[:80]!r}; {meant}")


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
    from lptn_retouch.model.weights import read_safetensors

    path = find_preset(name)
    arrays, header = read_safetensors(path)
    weights, architecture = sound_weights(arrays, path.name)
    if header.get("architecture", architecture) != architecture:
        raise InvalidPresetError(
            f"{shown(path.name)}: the header says {shown(header['architecture'])[:40]!r}, but the weights are a "
            f"{architecture}; fetch the file again."
        )
    fields = _readable({**header, "card": card_beside(path) or header.get("card", "")}, path.name)
    return Preset(
        name=path.stem,
        weights=weights,
        architecture=architecture,
        header={key: fields[key] for key in FIELDS},
        card=fields["card"],
        path=path,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        alters=fields["alters"],
    )


def read_header(path: Path) -> dict[str, str]:
    """What the file of a preset says of itself, on a line each, without its weights and without torch.

    Args:
        path: from :func:`find_preset`. Its weights may be anything: :func:`load_preset` checks them.

    Returns:
        The fields of its header, the optional ones, architecture and card too; "" for those that are not in it.

    Raises:
        InvalidPresetError: the file has no such header.

    Example:
        >>> read_header(find_preset("winter"))["alters"]
        'season'
    """
    from lptn_retouch.model.header import raw_header

    try:
        header = json.loads(raw_header(path)).get("__metadata__", {})
        told = {key: value for key, value in header.items() if isinstance(value, str)}
        return {"architecture": _printable(told.get("architecture", ""))} | _readable(told, path.name)
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise InvalidPresetError(
            f"{shown(path.name)}: its header cannot be read; fetch it again from its source."
        ) from error


def write_preset(path: Path, weights: Weights, header: dict[str, str], *, of: str = "") -> Path:
    """Check weights, and write them with their header as a preset, whole or not at all.

    The same weights and header make the same bytes, so a checksum tells whether two people have the same preset.

    Args:
        path: where; folders on the way are made.
        weights: a state dict of a network of ours, of tensors or arrays.
        header: the fields of :class:`Preset`, ``alters`` and the ``card`` where there are such; others are left out.
        of: what to call the weights in an error, if not by the path.

    Raises:
        InvalidPresetError: the weights are not a network of ours, or a field is too long.
        PresetError: the disk is full, the folder forbids it...
    """
    from lptn_retouch.files import write_atomically

    fields = _readable(header, of or path.name)
    plain, architecture = sound_weights(weights, of or path.name)
    for key in (*OPTIONAL, "card"):
        if not fields[key]:
            del fields[key]
    data = _safetensors(plain, {"format": FORMAT, "architecture": architecture} | fields)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, lambda stream: stream.write(data))
    except UnwritablePhotoError as error:
        raise PresetError(str(error)) from error
    except OSError as error:
        raise PresetError(
            f"{shown(path)}: its folder cannot be made ({error.strerror or error}); choose another."
        ) from error
    return path


def card_beside(path: Path) -> str:
    """The text of ``NAME.md`` beside a preset's file, as it stands there; "" if there is none."""
    with suppress(OSError):  # a card that cannot be read must not keep anybody from retouching
        if (file := path.with_suffix(".md")).is_file():
            with file.open("rb") as stream:
                return stream.read(MAX_CARD + 1).decode("utf-8", errors="replace")
    return ""


def _is_file(path: Path) -> bool:
    """`Path.is_file` raises where a name is too long or a folder forbidden; nobody's preset is there."""
    return os.path.isfile(path)  # noqa: PTH113


def _shipped_folders() -> list[Path]:
    here = Path(__file__).resolve().parent
    return [here / "presets", here.parent / "presets"]  # in the wheel, in a checkout


def _readable(header: dict[str, str], where: str) -> dict[str, str]:
    """The fields and the card of a header that may be hostile: without escape codes, and not endless.

    A field stands on one line, so that it cannot pass for the next one where a preset is shown.
    """
    fields = {key: " ".join(_printable(header.get(key, "")).split()) for key in FIELDS + OPTIONAL}
    fields["card"] = _printable(header.get("card", ""))
    for key, text in fields.items():
        if len(text.encode()) > (limit := MAX_CARD if key == "card" else MAX_FIELD):
            raise InvalidPresetError(
                f"{shown(where)}: its {key.replace('_', ' ')} is longer than {limit >> 10} KiB; shorten it."
            )
    return fields


def _printable(text: str) -> str:
    """Text without escape codes, control characters and changes of writing direction; any space is a plain one."""
    kept = (c if c.isprintable() or c in "\n\t" else " " * (unicodedata.category(c) == "Zs") for c in text)
    return "".join(kept)


def sound_weights(weights: Weights, where: str) -> tuple[dict[str, npt.NDArray[np.float32]], str]:
    """`model.weights.sound`, whose error is told of a file."""
    from lptn_retouch.model.sound import sound

    try:
        return sound(weights)
    except InvalidPresetError as error:
        raise InvalidPresetError(f"{shown(where)}: {error}") from None


def _safetensors(weights: dict[str, npt.NDArray[np.float32]], fields: dict[str, str]) -> bytes:
    """A .safetensors file. The library would put the fields in another order each time."""
    from safetensors.numpy import save

    data = save(weights)
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.dumps({"__metadata__": fields} | json.loads(data[8:start]), ensure_ascii=False).encode()
    header += b" " * (-len(header) % 8)  # the tensors begin at a multiple of 8
    return len(header).to_bytes(8, "little") + header + data[start:]
