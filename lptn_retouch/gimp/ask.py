"""What the engine and GIMP themselves say, asked in processes of their own as the plug-in and a user start them."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lptn_retouch.errors import InstallError, reason, shown
from lptn_retouch.gimp.profiles import Profile
from lptn_retouch.serve.wire import MAX_LINE, PROTOCOL

PROCEDURE = "plug-in-lptn-retouch"
PATIENCE = 120.0  # seconds: GIMP looks at every plug-in when it starts for the first time
_PYTHONS = ("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "VIRTUAL_ENV")
_QUESTION = (
    "from gi.repository import Gimp; "
    f"print('lptn-retouch:', Gimp.get_pdb().lookup_procedure('{PROCEDURE}') is not None, flush=True)"
)


@dataclass(frozen=True)
class Answer:
    """What the engine says of itself.

    Args:
        version: of lptn-retouch.
        presets: their names.
    """

    version: str
    presets: tuple[str, ...]


def ask_engine(command: Sequence[str], patience: float = PATIENCE) -> Answer:
    """Start the engine as the plug-in does, and let it say hello and name its presets.

    Raises:
        InstallError: it is not there, fails, is too slow, or speaks another protocol.
    """
    name = shown(command[0])
    if shutil.which(command[0]) is None:
        raise InstallError(f"the engine's program {name} is not there; run lptn-retouch gimp install again.")
    try:
        with tempfile.TemporaryFile() as said:
            lines = _answers(command, said, patience)
            said.seek(0)
            words = said.read().decode(errors="replace").strip().splitlines() or ["it said nothing"]
    except OSError as error:
        raise InstallError(f"the engine cannot be started ({name}: {error.strerror}); install it again.") from None
    try:
        hello, presets = (json.loads(line) for line in lines)
        if hello["protocol"] == PROTOCOL:
            return Answer(hello["version"], tuple(preset["name"] for preset in presets["presets"]))
        version, protocol = shown(str(hello["version"])), shown(str(hello["protocol"]))
    except (ValueError, KeyError, TypeError):
        raise InstallError(
            f"the engine does not answer ({reason(Exception(words[-1]))}); see what this says: "
            f"{shown(shlex.join(command))}."
        ) from None
    raise InstallError(
        f"the engine, lptn-retouch {version}, speaks protocol {protocol}, and the plug-in {PROTOCOL}; "
        "run lptn-retouch gimp install again."
    )


def _answers(command: Sequence[str], said: IO[bytes], patience: float) -> list[bytes]:
    """The engine's hello, and its answer to a request for presets."""
    environment = {key: value for key, value in os.environ.items() if key not in _PYTHONS}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, env=environment, bufsize=0
    ) as process:
        late = threading.Timer(patience, process.kill)
        late.start()
        try:
            assert process.stdin is not None and process.stdout is not None
            hello = process.stdout.readline(MAX_LINE)
            with suppress(BrokenPipeError):  # it has ended, and what it said tells why
                process.stdin.write(b'{"id": 1, "do": "presets"}\n')
            return [hello, process.stdout.readline(MAX_LINE)]
        finally:
            late.cancel()
            process.kill()


@dataclass(frozen=True)
class Gimp:
    """A GIMP program.

    Args:
        program: its path.
        version: in full, "3.0.4".
    """

    program: str
    version: str

    @property
    def profile(self) -> str:
        """What its profile is called, "3.0"."""
        return ".".join(self.version.split(".")[:2])


def find_gimp(named: str | None = None) -> Gimp | None:
    """A GIMP 3 to ask: the one named, or the first on PATH.

    Raises:
        InstallError: what was named is none.
    """
    if named is not None:
        if found := _gimp(named):
            return found
        raise InstallError(f"{shown(named)} is no GIMP 3; name the program with --gimp, gimp-console for example.")
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        console = sorted(Path(folder).glob("gimp-console-3*"), reverse=True) if folder else []
        for program in (*console, *(Path(folder, name) for name in ("gimp-console", "gimp-3", "gimp"))):
            if found := _gimp(str(program)):
                return found
    return None


def _gimp(program: str) -> Gimp | None:
    path = shutil.which(program)
    if path is None:
        return None
    done = _run([path, "--version"], {}, 30)
    version = re.search(r"version ([3-9]\.\d+\.\d+)", done or "")
    return Gimp(path, version[1]) if version else None


def has_procedure(gimp: Gimp, profile: Profile | None) -> bool | None:
    """Start a GIMP without a display, and ask whether it knows the plug-in's procedure.

    Args:
        gimp: which one.
        profile: with which profile; None for its own, which it makes if there is none yet.

    Returns:
        None if it could not be asked.
    """
    words = [gimp.program, "-i", "-d", "-f", "-s", "--batch-interpreter=python-fu-eval", "-b", _QUESTION, "--quit"]
    said = _run(words, {"GIMP3_DIRECTORY": str(profile.path.absolute())} if profile else {}, PATIENCE)
    answer = re.search(r"lptn-retouch: (True|False)", said or "")
    return answer[1] == "True" if answer else None


def _run(words: list[str], more: dict[str, str], patience: float) -> str | None:
    """What a program writes to standard output; None if it fails.

    It is started as from a desktop: with no environment of Python's, whose python3 would run the plug-in without gi.
    """
    environment = {key: value for key, value in os.environ.items() if key not in _PYTHONS} | more
    if sys.prefix != sys.base_prefix:
        ours = {str(Path(sys.prefix, "bin")), str(Path(sys.executable).parent)}
        folders = environment.get("PATH", "").split(os.pathsep)
        environment["PATH"] = os.pathsep.join(folder for folder in folders if folder not in ours)
    try:
        done = subprocess.run(
            words, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=patience, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None
