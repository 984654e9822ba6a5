"""``lptn-retouch verify``: what became of a photograph's metadata, tag by tag; status 1 on unexplained loss."""

from __future__ import annotations

import argparse
from pathlib import Path

from lptn_retouch.cli.parser import examples


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "verify",
        help="compare the metadata of two files",
        description=__doc__,
        epilog=examples("lptn-retouch verify holiday.jpg holiday-retouch.jpg"),
    )
    parser.add_argument("before", metavar="BEFORE", type=Path)
    parser.add_argument("after", metavar="AFTER", type=Path)
    parser.add_argument("--json", action="store_true", help="everything, as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from lptn_retouch.errors import UnreadablePhotoError, reason, shown
    from lptn_retouch.metadata.compare import compare

    try:
        diff = compare(args.before, args.after)
    except FileNotFoundError as error:
        raise UnreadablePhotoError(f"{shown(str(error))}; check the path.") from None
    except OSError as error:
        raise UnreadablePhotoError(f"a file cannot be read ({reason(error)}); check it and its folder.") from None
    # A tag's name is the file's own word, and may hold codes that a terminal would obey.
    print(diff.to_json() if args.json else "\n".join(map(shown, diff.to_text().split("\n"))))
    return 0 if diff.ok else 1
