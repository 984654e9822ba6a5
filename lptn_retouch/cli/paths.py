"""Paths on the command line and on standard output."""

from __future__ import annotations

import errno
import glob
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from lptn_retouch.errors import UsageError, shown

STREAM = Path("-")  # standard input, or standard output
_WILDCARDS = re.compile(r"[*?]|\[[^]]+\]")  # a bracket that is not closed is none
_NOBODY_READS = (errno.EPIPE, errno.EINVAL)  # the second on Windows


def photograph(text: str) -> Path:
    """A command line's file. What is really called - is written ./- there, and told apart by its whole path.

    Example:
        >>> photograph("-") == STREAM, photograph("./-") == STREAM
        (True, False)
    """
    path = Path(text)
    return path.absolute() if path == STREAM and text != str(STREAM) else path


def is_there(path: Path) -> bool:
    """Whether there is such a file; Path.exists raises for names that no file can have."""
    return os.path.exists(path)  # noqa: PTH110


def expanded(inputs: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    """Inputs with wildcards (``*``, ``?``, ``[...]``) expanded, where the shell did not: Windows' do not.

    A file that is really called so is meant itself. Of numbered files the second comes before the tenth.

    Returns:
        The files, and the inputs that no file fits.

    Raises:
        UsageError: no input fits any file.
    """
    found: list[Path] = []
    unmatched = []
    for path in inputs:
        if not _WILDCARDS.search(str(path)) or os.path.lexists(path):
            found.append(path)
        elif fitting := [Path(name) for name in glob.glob(str(path)) if not os.path.isdir(name)]:  # noqa: PTH112, PTH207
            known = set(found)
            found += [name for name in sorted(fitting, key=_natural) if name not in known]
        else:
            unmatched.append(path)
    if not found:
        raise UsageError(f"{', '.join(map(shown, unmatched))}: {NO_FILE}")
    return found, unmatched


NO_FILE = "no file is called so; check the folder and the ending."


def one_file(path: Path) -> Path:
    """The one file that an input with wildcards fits.

    Raises:
        UsageError: it fits none, or several.
    """
    found, _ = expanded([path])
    if len(found) > 1:
        raise UsageError(f"{shown(path)}: {len(found)} files are called so, {shown(found[0])} first; name one.")
    return found[0]


def _natural(path: Path) -> list[tuple[int, str]]:
    parts = re.split("([0-9]+)", str(path).casefold())  # text and digits, in turn
    return [(int(part), "") if i % 2 else (0, part) for i, part in enumerate(parts)]


def print_path(path: str | os.PathLike[str]) -> None:
    """Print a path on a line of its own, as `ls` does: escaped on a terminal, and else byte for byte.

    A name may hold bytes that are no text, which a program that reads it needs as they are, and codes that a terminal
    would obey.

    Example:
        >>> print_path("out/lake.jpg")
        out/lake.jpg
    """
    try:
        _write(path)
    except OSError as error:  # whoever read the first lines wants no more of them, but the photographs all the same
        if error.errno not in _NOBODY_READS:
            raise
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115  (kept until the process ends)


def _write(path: str | os.PathLike[str]) -> None:
    out = sys.stdout
    raw = getattr(out, "buffer", None)
    if raw is None or os.name == "nt" or out.isatty():
        print(shown(path), flush=True)
        return
    out.flush()
    raw.write(os.fsencode(path) + b"\n")
    raw.flush()
