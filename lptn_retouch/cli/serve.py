"""``lptn-retouch serve``: retouch for an editor that writes requests to standard input (docs/serve.md)."""

from __future__ import annotations

import argparse

from lptn_retouch.cli.parser import examples


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "serve",
        help="for editors: requests on standard input",
        description=__doc__,
        epilog=examples("lptn-retouch serve"),
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:  # noqa: ARG001
    from lptn_retouch.serve import serve

    serve()
