"""``lptn-retouch verify``: what became of a photograph's metadata, tag by tag.

Exit status 1 on unexplained loss, 2 where a file cannot be read.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lptn_retouch.cli.arguments import METADATA
from lptn_retouch.cli.parser import examples

BARE = "AFTER holds no metadata at all; if that was meant, say so with --metadata none."


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "verify",
        help="compare the metadata of two files",
        description=__doc__,
        epilog=examples("lptn-retouch verify holiday.jpg holiday-retouch.jpg"),
    )
    parser.add_argument("before", metavar="BEFORE", type=Path)
    parser.add_argument("after", metavar="AFTER", type=Path)
    parser.add_argument(
        "--metadata", choices=METADATA, help="what AFTER was saved with (default: what its recipe says)"
    )
    parser.add_argument("--json", action="store_true", help="everything, as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from lptn_retouch.errors import MetadataError, UsageError, reason, shown
    from lptn_retouch.verify.compare import compare

    try:
        diff = compare(args.before, args.after, args.metadata)
    except FileNotFoundError as error:
        raise UsageError(f"{shown(str(error))}; check the path.") from None
    except OSError as error:
        name = shown(error.filename) if error.filename else "a file"
        raise UsageError(f"{name} cannot be read ({reason(error)}); check it and its folder.") from None
    except MetadataError as error:  # status 1 says that something is lost, which nobody knows here
        raise UsageError(str(error)) from None
    # A tag's name is the file's own word, and may hold codes that a terminal would obey.
    print(diff.to_json() if args.json else "\n".join(map(shown, diff.to_text().split("\n"))))
    if not diff.ok and diff.bare and args.metadata is None:
        print(f"  note: {BARE}", file=sys.stderr)
    return 0 if diff.ok else 1
