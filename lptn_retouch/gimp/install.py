"""The plug-in's folder: put into a profile, compared with what it should be, and taken out again."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lptn_retouch.errors import InstallError, shown
from lptn_retouch.gimp.profiles import Profile
from lptn_retouch.serve.wire import PROTOCOL
from lptn_retouch.version import __version__

MAIN = "lptn-retouch.py"
ENGINE = "engine.json"  # written beside it: how to start the engine
_HERE = Path(__file__).resolve().parent
PLACES = (_HERE / "plugin", _HERE.parents[1] / "plugins" / "gimp" / "lptn-retouch")  # in the wheel, in a checkout
_MADE = {ENGINE, "engine.log", "__pycache__"}  # what comes to lie in the folder besides what was shipped
_TEMPORARY = ".lptn-retouch-"  # GIMP passes over a folder of this name


def shipped() -> dict[str, bytes]:
    """The plug-in's files, by name.

    Raises:
        InstallError: they are not there.
    """
    for folder in PLACES:
        if (folder / MAIN).is_file():
            files = (path for path in sorted(folder.iterdir()) if path.is_file())
            return {path.name: path.read_bytes() for path in files if path.name[0] != "." and path.name not in _MADE}
    raise InstallError("the plug-in's files are not in this installation; pip install --force-reinstall lptn-retouch.")


def engine_command() -> list[str]:
    """What starts the engine: this very Python, and nothing that lies about in the folder in which GIMP runs (-P)."""
    return [sys.executable, "-P", "-m", "lptn_retouch", "serve"]


def install(profile: Profile) -> Path:
    """Put the plug-in into a profile, whole, in place of an older one.

    Its folder is filled beside its place and renamed. What others have put into the older one stays.

    Returns:
        The folder.

    Raises:
        InstallError: it cannot be written.
    """
    target = profile.plug_in
    files = shipped()
    engine = {"command": engine_command(), "version": __version__, "protocol": PROTOCOL, "files": sorted(files)}
    files[ENGINE] = json.dumps(engine, indent=1).encode() + b"\n"
    with _told(target):
        if target.exists() and not target.is_dir():
            raise InstallError(f"{shown(target)} is a file where the plug-in's folder should be; remove it.")
        target.parent.mkdir(exist_ok=True)
        _remove_leftovers(target.parent)
        new = Path(tempfile.mkdtemp(prefix=_TEMPORARY, dir=target.parent))
        try:
            for name, data in files.items():
                (new / name).write_bytes(data)
                (new / name).chmod(0o755 if name == MAIN else 0o644)
            new.chmod(0o755)
            if target.is_dir() and not target.is_symlink():
                for path in _of_others(target):
                    shutil.move(path, new / path.name)
            _replace(target, new)
        finally:
            shutil.rmtree(new, ignore_errors=True)
    return target


def _replace(target: Path, new: Path) -> None:
    """Rename a folder to a name that another folder, or a link, may have."""
    if not os.path.lexists(target):
        new.rename(target)
    elif target.is_symlink():  # a developer's; what it points at is not ours
        target.unlink()
        new.rename(target)
    else:
        old = Path(tempfile.mkdtemp(prefix=_TEMPORARY, dir=target.parent)) / "old"
        target.rename(old)
        try:
            new.rename(target)
        except OSError:
            old.rename(target)
            raise
        shutil.rmtree(old.parent, ignore_errors=True)


def uninstall(profile: Profile) -> list[Path]:
    """Take the plug-in out of a profile.

    Returns:
        What was removed; and if others have put something into its folder, that stays, and the folder with it.

    Raises:
        InstallError: it cannot be removed.
    """
    target = profile.plug_in
    with _told(target):
        _remove_leftovers(target.parent)
        if target.is_symlink():
            target.unlink()
            return [target]
        if not target.is_dir():
            return []
        if not (others := _of_others(target)):
            shutil.rmtree(target)
            return [target]
        removed = [path for path in sorted(target.iterdir()) if path not in others]
        for path in removed:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        return removed


def _of_others(folder: Path) -> list[Path]:
    """What lies in the plug-in's folder and was not put there by it: of this version, or of the one that is there."""
    before = read_engine(folder).get("files")
    ours = _MADE | shipped().keys() | set(before if isinstance(before, list) else [])
    return [path for path in sorted(folder.iterdir()) if path.name not in ours]


def read_engine(folder: Path) -> dict[str, object]:
    """What engine.json says; nothing if it is not there or not sound."""
    with suppress(OSError, ValueError):
        said = json.loads((folder / ENGINE).read_bytes())
        if isinstance(said, dict):
            return said
    return {}


def _remove_leftovers(plug_ins: Path) -> None:
    """Remove what an installation left that was killed."""
    for path in plug_ins.glob(f"{_TEMPORARY}*"):
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _told(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = shown(error.filename or target)
        raise InstallError(
            f"{where}: {error.strerror or error}, so {shown(target)} stays as it is; check who may write there, and "
            "what is in the way."
        ) from error
