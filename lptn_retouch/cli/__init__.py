"""The command line: one file a verb, and here the door.

Exit status: 0 all done; 1 some inputs failed, each named, the others done; 2 wrong usage or nothing to do.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, NoReturn

from lptn_retouch.errors import LptnRetouchError, PresetNotFoundError, UsageError, causes, shown

if TYPE_CHECKING:
    from lptn_retouch.cli.parser import Parser

FIRST_HELP = """\
lptn-retouch retouches photographs and keeps their metadata.

  lptn-retouch apply holiday.jpg             holiday-retouch.jpg beside it
  lptn-retouch batch photos/ retouched/      a whole folder
  lptn-retouch compare holiday.jpg -o sheet.jpg
  lptn-retouch presets                       the looks there are

All verbs: lptn-retouch --help. One of them: lptn-retouch apply --help."""


# Each a module of this package, imported inside main's try: Ctrl-C may come before they are there.
VERBS = (
    "apply", "batch", "compare", "look", "redo", "presets", "verify", "train", "evaluate", "bench", "gimp", "serve",
    "config", "completion",
)  # fmt: skip


def build_parser() -> Parser:
    """The parser of all verbs."""
    from lptn_retouch.cli.parser import Parser
    from lptn_retouch.version import __version__

    parser = Parser(
        prog="lptn-retouch",
        description="Retouch photographs at full size, and keep their metadata.",
        epilog="`lptn-retouch VERB --help` shows examples. Exit status: 0 all done, 1 some inputs failed (each named, "
        "the others done), 2 wrong usage.",
    )
    parser.add_argument("--version", action="version", version=f"lptn-retouch {__version__}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    for verb in VERBS:
        import_module(f"lptn_retouch.cli.{verb}").add_parser(verbs)
    return parser


def command() -> NoReturn:
    """The console script: :func:`main`, and out.

    Without Python's own ending: torch, where it was needed, takes 0.4 s to take itself apart.
    """
    try:
        status = main()
    except SystemExit as leaving:  # argparse, after --help or a wrong word
        status = int(leaving.code or 0)
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):
            stream.flush()
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
    words = sys.argv[1:] if arguments is None else list(arguments)
    args = None
    try:
        try:
            parser = build_parser()
            if arguments is None and "_ARGCOMPLETE" in os.environ:
                from lptn_retouch.cli.completion import complete

                complete(parser)  # and out
            if not words:
                print(FIRST_HELP, file=sys.stderr)
                return 2
            from lptn_retouch.cli.defaults import config_file, give_defaults

            give_defaults(parser, words)
            args = parser.parse_args(words)
            return int(args.run(args))
        finally:
            if sys.stdout is not None:  # a full disk is told while there is somebody to tell
                sys.stdout.flush()
    except LptnRetouchError as error:
        message = str(error)
        if isinstance(error, PresetNotFoundError) and "preset" in getattr(args, "configured", ()):
            message = f"{config_file()}, preset: {message}"  # nobody has typed it just now
        _complain(message, error if getattr(args, "verbose", False) else None)
        return 2 if isinstance(error, UsageError | PresetNotFoundError) else 1
    except KeyboardInterrupt:
        _complain("stopped; every file written so far is whole.")
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except OSError as error:
        _complain(_cause(error), error if getattr(args, "verbose", False) else None)
        return 1


def _complain(message: str, error: BaseException | None = None) -> None:
    with suppress(OSError):
        print(f"lptn-retouch: {shown(message)}", file=sys.stderr)
        for cause in causes(error) if error else ():
            print(f"  because: {cause}", file=sys.stderr)


def _cause(error: OSError) -> str:
    """What the system said no to, where no room of the house knows better."""
    said = error.strerror or str(error)
    if error.filename is not None:
        return f"{error.filename}: {said}; check the path and the disk."
    if error.errno == errno.ENOENT:  # asked for no file: for the folder that we are in
        return "the working folder is gone; change to one that exists."
    return f"what there was to print could not be written ({said}); check where standard output goes."
