"""The command line: one file a verb, and here the door.

Exit status: 0 all done; 1 some inputs failed, each named, the others done; 2 wrong usage or nothing to do.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

from lptn_retouch import __version__
from lptn_retouch.cli import apply, batch, bench, compare, evaluate, presets, redo, train, verify
from lptn_retouch.errors import LptnRetouchError, PresetNotFoundError, UsageError

VERBS = (apply, batch, compare, redo, presets, verify, train, evaluate, bench)


def build_parser() -> argparse.ArgumentParser:
    """The parser of all verbs."""
    parser = argparse.ArgumentParser(
        prog="lptn-retouch",
        description="Retouch photographs at full size, and keep their metadata.",
        epilog="Exit status: 0 all done, 1 some inputs failed (each named, the others done), 2 wrong usage.",
    )
    parser.add_argument("--version", action="version", version=f"lptn-retouch {__version__}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    for verb in VERBS:
        verb.add_parser(verbs)
    return parser


def command() -> NoReturn:
    """The console script: :func:`main`, and out.

    Without Python's own ending: torch needs 0.4 s to take itself apart, a third of the time for a photograph.
    """
    try:
        status = main()
    except SystemExit as leaving:  # argparse, after --help or a wrong word
        status = int(leaving.code or 0)
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: the words after the program's name; None for those of the process.

    Returns:
        The exit status.

    Example:
        >>> main(["presets", "show", "no such preset"])
        2
    """
    for stream in (sys.stdout, sys.stderr):  # a file name that is not UTF-8 can be printed too
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    args = build_parser().parse_args(arguments)
    try:
        return int(args.run(args))
    except (UsageError, PresetNotFoundError) as error:
        print(f"lptn-retouch: {error}", file=sys.stderr)
        return 2
    except LptnRetouchError as error:
        print(f"lptn-retouch: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lptn-retouch: stopped; every file written so far is whole.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 1
