"""``lptn-retouch config``: where the file of your own defaults is, and what it says."""

from __future__ import annotations

import argparse

from lptn_retouch.cli.parser import examples
from lptn_retouch.errors import UsageError, shown


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "config",
        help="your own defaults: where, and what holds",
        description=__doc__,
        epilog=examples("lptn-retouch config"),
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:  # noqa: ARG001
    from lptn_retouch.cli import build_parser
    from lptn_retouch.cli.defaults import config_file, read_defaults

    file = config_file()
    if file is None:
        raise UsageError("there is no place for a configuration; set LPTN_RETOUCH_CONFIG to a file.")
    defaults = read_defaults(file, build_parser())
    print(shown(file))
    if not defaults:
        print('nothing is set; for example: quality = 95, or under [apply]: metadata = "strip-private"')
    holding = {(default.verb, default.key): default for default in defaults}  # a table's goes before
    for key in sorted({default.key for default in defaults}):
        texts: dict[str, list[str]] = {}
        for default in holding.values():
            if default.key == key:
                texts.setdefault(default.text, []).append(default.verb)
        for text, whose in texts.items():
            print(f"  {key} = {shown(text)}  ({', '.join(whose)})")
    return 0
