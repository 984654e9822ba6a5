"""What is wrong with an installation, each fault with its mend: GIMP itself says nothing of most of them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from lptn_retouch.errors import InstallError, shown
from lptn_retouch.gimp.ask import ask_engine
from lptn_retouch.gimp.install import ENGINE, MAIN, read_engine, shipped
from lptn_retouch.gimp.profiles import Profile
from lptn_retouch.version import __version__

_AGAIN = "run lptn-retouch gimp install"
_HIDDEN = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc", "/tmp", "/var/tmp")  # from a sandbox, by its own


def faults(profile: Profile) -> Iterator[str]:
    """What is wrong in a profile, a sentence each, which says how to mend it."""
    folder = profile.plug_in
    yield from _elsewhere(profile)
    if not os.path.lexists(folder):
        yield f"{shown(folder)}: the plug-in is not installed here; {_AGAIN}."
        return
    if not (folder / MAIN).is_file():
        yield f"{shown(folder)}: the folder holds no {MAIN}; remove it, and {_AGAIN}."
        return
    if os.name != "nt" and not os.access(folder / MAIN, os.X_OK):
        yield f"{shown(folder / MAIN)}: it is not executable, and GIMP passes over it without a word; {_AGAIN}."
    yield from _versions(folder)
    yield from _engine(profile)


def _elsewhere(profile: Profile) -> Iterator[str]:
    """The plug-in where GIMP does not see it: under another name, too deep, or in no folder of its own."""
    plug_ins = profile.plug_in.parent
    for pattern in (MAIN, f"*/{MAIN}", f"*/*/{MAIN}"):
        for path in sorted(plug_ins.glob(pattern)):
            hidden = any(part.startswith(".") for part in path.relative_to(plug_ins).parts)
            if path.parent != profile.plug_in and not hidden:
                yield (
                    f"{shown(path)}: GIMP passes over it, since it has to lie in {shown(profile.plug_in)}; "
                    f"remove it from here, and {_AGAIN}."
                )


def _versions(folder: Path) -> Iterator[str]:
    said = read_engine(folder)
    version = said.get("version", __version__)
    if version != __version__:
        yield f"{shown(folder)}: it is of version {shown(str(version))}, and this is {__version__}; {_AGAIN}."
        return
    with suppress(InstallError):  # told by itself
        for name, data in shipped().items():
            there = None
            with suppress(OSError):
                there = (folder / name).read_bytes()
            if there != data:
                what = "is missing" if there is None else f"is not that of version {__version__}"
                yield f"{shown(folder / name)}: this file {what}; {_AGAIN}."


def _engine(profile: Profile) -> Iterator[str]:
    folder = profile.plug_in
    command = read_engine(folder).get("command")
    if (folder / ENGINE).exists():
        if not isinstance(command, list) or not command or not all(isinstance(word, str) for word in command):
            yield f"{shown(folder / ENGINE)}: it does not say how to start the engine; {_AGAIN}."
            return
    elif program := shutil.which("lptn-retouch"):
        command = [program, "serve"]  # as the plug-in does where it was unpacked by hand
    else:
        yield f"{shown(folder / ENGINE)}: it is missing, and lptn-retouch is not on PATH; {_AGAIN}."
        return
    yield from hidden(profile, command[0])
    for fault in engine_faults(command):
        yield f"{shown(folder)}: {fault}"


def engine_faults(command: list[str]) -> Iterator[str]:
    """What is wrong with an engine, a sentence each, which says how to mend it."""
    try:
        answer = ask_engine(command)
    except InstallError as error:
        yield str(error)
        return
    if answer.version != __version__:
        yield f"the engine is lptn-retouch {shown(answer.version)}, and this is {__version__}; {_AGAIN}."
    if "retouch" not in answer.presets:
        yield "the engine has not the presets that come with it; pip install --force-reinstall lptn-retouch."


def hidden(profile: Profile, program: str) -> Iterator[str]:
    """Whether a GIMP in a sandbox can start a program; its own /usr hides the machine's."""
    real = Path(shutil.which(program) or program).resolve()
    inside = any(real.is_relative_to(folder) for folder in _HIDDEN)
    if profile.sandbox and inside:
        yield (
            f"{shown(profile.path)}: GIMP from {profile.sandbox} cannot start {shown(real)}, which it does not see; "
            "install lptn-retouch with a Python in your home folder (uv venv --managed-python makes one), and run its "
            "lptn-retouch gimp install."
        )
