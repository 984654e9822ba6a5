"""Presets travel: out into one file, in from one, and away again.

What travels is ``NAME.safetensors`` with the model card in its header. What comes in goes into the user's folder, after
the same checks wherever it is from; nothing in it runs, and no installed preset is ever replaced.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from lptn_retouch.errors import InvalidPresetError, PresetError, PresetNotFoundError, UsageError, shown
from lptn_retouch.hub import default_name, fetched, is_address
from lptn_retouch.names import valid_name
from lptn_retouch.preset import (
    PUBLISHED,
    TABLES,
    Preset,
    card_beside,
    find_preset,
    list_presets,
    load_preset,
    sound_weights,
    user_folder,
    write_preset,
)

if TYPE_CHECKING:
    from lptn_retouch.model.weights import Weights

_PARTS = (".safetensors", ".md", ".jpg")  # what a preset may consist of: weights, a card beside them, its picture


def export_preset(name: str | os.PathLike[str], target: str | os.PathLike[str]) -> Path:
    """Write a preset into one file, its card in the header, for somebody else to import.

    Args:
        name: of an installed preset, or the path of one.
        target: a ``.safetensors`` file that does not exist yet, or a folder to put ``NAME.safetensors`` into.

    Returns:
        The file. The same preset makes the same bytes every time.

    Raises:
        PresetNotFoundError: there is no such preset.
        InvalidPresetError: it is not sound.
        UsageError: the target exists, has another ending, or lies in no folder.
        PresetError: the disk is full, the folder forbids it...

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     export_preset("retouch", folder).name
        'retouch.safetensors'
    """
    preset = load_preset(name)
    target = Path(target)
    if target.is_dir():
        target /= f"{preset.name}.safetensors"
    if target.suffix != ".safetensors":
        raise UsageError(f"{shown(target)}: a preset is one .safetensors file; name such a file or an existing folder.")
    if os.path.lexists(target):
        raise UsageError(f"{shown(target)}: this file exists already; remove it or choose another name.")
    if not target.parent.is_dir():
        raise UsageError(f"{shown(target)}: its folder does not exist; create it first.")
    header = preset.header | {"alters": preset.alters, "card": preset.card}
    return write_preset(target, preset.weights, header)


def import_preset(
    source: str | os.PathLike[str], name: str | None = None, *, header: dict[str, str] | None = None
) -> Path:
    """Make a preset of a file of weights and put it into the user's folder, with its card.

    A published ``.pth`` keeps its own network: its pyramid, its levels, its weights. A file that
    :func:`export_preset` wrote comes in byte for byte. A card ``NAME.md`` beside the file goes before the one inside.

    Args:
        source: a ``.safetensors`` preset, a published ``.pth``, a look-up table (``.cube``, or a HaldCLUT as ``.png``
            or ``.tif``), or ``"hf://owner/name"`` (see :mod:`lptn_retouch.hub`).
        name: letters, digits, ``.``, ``_`` and ``-``; by default the file's or the repository's own. A ``.pth``
            needs one. An installed preset is not replaced.
        header: fields to write instead of those in the file.

    Returns:
        The preset's file.

    Raises:
        InvalidPresetError: the file is not what its ending says, not a network of ours, or its weights overflow.
        UsageError: the name cannot be used, or is taken.
        PresetError: it could not be fetched or written.

    Example:
        >>> import tempfile, unittest.mock
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = export_preset("retouch", f"{folder}/mine.safetensors")
        ...     with unittest.mock.patch.dict(os.environ, LPTN_RETOUCH_PRESETS=f"{folder}/presets"):
        ...         load_preset(import_preset(file)).name
        'mine'
    """
    if not is_address(source) and not os.path.isfile(source):  # noqa: PTH113  (asks of impossible names as well)
        raise InvalidPresetError(f"{shown(source)}: there is no such file; check the path.")
    name = name_for(source, name)
    if is_address(source):
        with fetched(str(source)) as download:
            return import_preset(download.file, name, header=header)
    source = Path(source)
    weights: Weights
    written: dict[str, str] = {}
    if source.suffix == ".safetensors":
        from lptn_retouch.model.weights import read_safetensors

        weights, written = read_safetensors(source)
        if card := card_beside(source):
            written["card"] = card
    elif source.suffix in PUBLISHED:
        from lptn_retouch.model.checkpoint import read_published

        weights = read_published(source)
    elif source.suffix.lower() in TABLES:
        from lptn_retouch.luts.files import read_lut, told_of

        lut = read_lut(source)
        weights, written = lut.weights, told_of(lut, source, name)
    else:
        raise UsageError(
            f"{shown(source.name)}: presets are imported from .safetensors, .pth or .cube files, or from a HaldCLUT."
        )
    _try(weights, source.name)
    fields = written | (header or {})
    fields["summary"] = fields.get("summary") or f"Imported from {shown(source.name)}."
    return write_preset(user_folder() / f"{name}.safetensors", weights, fields, of=source.name)


def _try(weights: Weights, of: str) -> None:
    """Retouch a small picture: weights that are finite may still overflow, which only their use shows.

    A gate might leave that picture alone, so the network is tried without it as well.
    """
    import numpy as np

    from lptn_retouch.engine.choose import choose_engine

    plain, architecture = sound_weights(weights, of)
    rise = np.linspace(0, 255, 192)
    picture = np.stack(np.broadcast_arrays(rise[:, None], rise, rise[:, None] * rise / 255), axis=-1).astype(np.uint8)
    ungated = {name: array for name, array in plain.items() if not name.startswith("gate.")}
    for tried in (plain, ungated) if len(ungated) < len(plain) else (plain,):
        try:
            choose_engine(Preset("", tried, architecture, {}, "", Path(of), ""), "cpu")(picture, 1, 1)
        except InvalidPresetError as error:
            raise InvalidPresetError(f"{shown(of)}: {error}") from error


def name_for(source: str | os.PathLike[str], name: str | None = None) -> str:
    """The name that a preset will have when it is imported, if that is possible.

    Args:
        source: as :func:`import_preset` takes it; it is not looked at.
        name: the one wanted, or None.

    Raises:
        UsageError: it cannot name a preset, or is taken.

    Example:
        >>> name_for("downloads/my-look.safetensors")
        'my-look'
    """
    if name is None:
        name = default_name(str(source)) if is_address(source) else Path(source).stem
        if not is_address(source) and Path(source).suffix in PUBLISHED:
            raise UsageError(f"{shown(Path(source).name)}: published weights have no name; give them one with --name.")
    if not valid_name(name):
        raise UsageError(
            f"{shown(name)[:80]!r} cannot name a preset; choose a name (--name) of letters, digits, '.', '_' and '-', "
            "64 at most."
        )
    # Some disks do not tell Winter from winter.
    if name.casefold() in {there.casefold() for there in list_presets()}:
        raise UsageError(f"there is a preset {name!r} already; choose another name (--name).")
    for file in (user_folder() / f"{name}{ending}" for ending in _PARTS):
        if os.path.lexists(file):  # a link to nowhere, a card left behind: neither ours to replace nor this preset's
            raise UsageError(f"{shown(file)}: this is in the way; remove it or choose another name (--name).")
    return name


def remove_preset(name: str) -> list[Path]:
    """Remove a preset from the user's folder, a damaged one too, with the card and picture beside it.

    A link is removed itself; what it points at is not touched.

    Args:
        name: of a preset in the user's folder.

    Returns:
        The files removed.

    Raises:
        PresetNotFoundError: there is none of that name.
        UsageError: it travels with the package.
        PresetError: the folder forbids it.

    Example:
        >>> remove_preset("retouch")
        Traceback (most recent call last):
        lptn_retouch.errors.UsageError: 'retouch' travels with the package and cannot be removed.
    """
    if not valid_name(name):
        raise PresetNotFoundError(f"{shown(name)[:80]!r} is no name of a preset; `lptn-retouch presets` lists them.")
    if not _is_file(user_folder() / f"{name}.safetensors"):
        find_preset(name)  # says so if there is none of that name
        raise UsageError(f"{name!r} travels with the package and cannot be removed.")
    files = [file for ending in _PARTS if _is_file(file := user_folder() / f"{name}{ending}")]
    for file in files:
        try:
            file.unlink()
        except OSError as error:
            raise PresetError(
                f"{shown(file)}: cannot be removed ({error.strerror or error}); change its folder's permissions."
            ) from error
    return files


def _is_file(path: Path) -> bool:
    """A file, or a link wherever it points."""
    return path.is_file() or path.is_symlink()
