"""Paths on standard output, for a person or for the next program."""

from __future__ import annotations

import os
import sys

from lptn_retouch.errors import shown


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
    except BrokenPipeError:  # whoever read the first lines wants no more of them, but the photographs all the same
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
