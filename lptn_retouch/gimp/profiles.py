"""Where GIMP keeps what is a user's own: one folder, a profile, for each minor version and each way to install it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lptn_retouch.errors import InstallError, shown

_VERSION = re.compile(r"[3-9]\.\d+")
_OLDER = re.compile(r"2\.\d+")

# What GIMP 3 makes in a new profile. It makes them only together with the profile, and misses them for ever after.
_FOLDERS = (
    *("brushes", "curves", "dynamics", "environ", "filters", "fonts", "fractalexplorer", "gfig", "gflare"),
    *("gimpressionist", "gradients", "icons", "interpreters", "levels", "modules", "palettes", "patterns", "plug-ins"),
    *("scripts", "templates", "themes", "tmp", "tool-presets"),
)


@dataclass(frozen=True)
class Profile:
    """A profile of GIMP 3.

    Args:
        path: its folder, named by the version, but where GIMP3_DIRECTORY names another.
        sandbox: "Flatpak" or "Snap", whose GIMP does not see all of the machine; "" for none.
    """

    path: Path
    sandbox: str = ""

    @property
    def plug_in(self) -> Path:
        """Where the plug-in lies in it. GIMP passes over a file whose folder has another name."""
        return self.path / "plug-ins" / "lptn-retouch"

    @property
    def version(self) -> str:
        """The version of GIMP that it is for, "3.0"; "" if its name does not tell."""
        return self.path.name if _VERSION.fullmatch(self.path.name) else ""


def find_profiles() -> list[Profile]:
    """All profiles of GIMP 3 that are there, whoever's layout they have.

    References:
        GIMP 3.0 manual, "The GIMP profile"; the sandboxes' own layouts.
    """
    found: dict[Path, Profile] = {}
    for profile in _all():
        found.setdefault(profile.path.resolve(), profile)
    return list(found.values())


def _all() -> Iterator[Profile]:
    if (named := _named()) and named.is_dir():
        yield Profile(named)
    for folder, sandbox in _layouts():
        if folder.is_dir():
            for path in sorted(folder.iterdir()):
                if _VERSION.fullmatch(path.name) and path.is_dir():
                    yield Profile(path, sandbox)


def _layouts() -> Iterator[tuple[Path, str]]:
    """The folders that hold profiles; each system has some of them only."""
    home = Path.home()
    yield _native(), ""
    yield _xdg(), ""
    yield home / "Library" / "Application Support" / "GIMP", ""
    yield home / ".var" / "app" / "org.gimp.GIMP" / "config" / "GIMP", "Flatpak"
    yield home / "snap" / "gimp" / "current" / ".config" / "GIMP", "Snap"


def _named() -> Path | None:
    """What GIMP3_DIRECTORY names: GIMP takes it from the home folder unless it is absolute."""
    named = os.environ.get("GIMP3_DIRECTORY")
    return Path.home() / named if named else None


def _native() -> Path:
    if roaming := os.environ.get("APPDATA"):  # Windows
        return Path(roaming) / "GIMP"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "GIMP"
    return _xdg()


def _xdg() -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "GIMP"


def first_profile() -> Profile:
    """Make a profile for a GIMP 3 that is not there yet, as it would be: it is used, or taken over, by any 3.x.

    A GIMP that finds no profile of its own takes over the newest older one, plug-ins as well. So an empty profile of
    3.0 serves all that come. Where GIMP 2 has left one it would keep GIMP 3 from taking over that, so none is made.

    Raises:
        InstallError: there is a profile of GIMP 2, or the folders cannot be made.
    """
    native = _native()
    if native.is_dir() and any(_OLDER.fullmatch(path.name) for path in native.iterdir()):
        raise InstallError(
            f"{shown(native)} holds settings of GIMP 2, which GIMP 3 takes over when it starts for the first time; "
            "start GIMP 3 once, and run this again."
        )
    path = _named() or native / "3.0"
    try:
        for folder in _FOLDERS:
            (path / folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InstallError(f"{shown(path)} cannot be made ({error.strerror}); look what is in its way.") from error
    return Profile(path)


def remove_unused(profile: Profile) -> bool:
    """Remove a profile that no GIMP has ever used: one of empty folders. Returns whether it was one."""
    if any(not path.is_dir() or path.is_symlink() for path in profile.path.rglob("*")):
        return False
    for folder in (*sorted(profile.path.rglob("*"), reverse=True), profile.path):
        folder.rmdir()
    if profile.path.parent == _native() and not any(_native().iterdir()):
        _native().rmdir()
    return True
