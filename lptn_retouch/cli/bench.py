"""``lptn-retouch bench``: what retouching costs on this machine, against its targets; minutes, or with --quick one."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from lptn_retouch.cli.parser import examples


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "bench",
        help="measure speed and memory here",
        description=__doc__,
        epilog=examples("lptn-retouch bench --quick", "lptn-retouch bench --only jpeg cold --json"),
    )
    parser.add_argument("--json", action="store_true", help="everything that was measured, as JSON")
    parser.add_argument("--quick", action="store_true", help="fewer repeats, no pictures above 24 megapixels")
    parser.add_argument("--photo", metavar="FILE", type=Path, help="measure with this picture, tiled to each size")
    parser.add_argument("--only", metavar="NAME", nargs="+", help="network, jpeg, depth, memory, cold, folder, gpu")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from lptn_retouch import bench

    names = bench.NAMES if args.only is None else args.only
    report = bench.run(
        names,
        quick=args.quick,
        photo=args.photo,
        tell=lambda line: print(line, file=sys.stderr, flush=True),
    )
    print(json.dumps(report, indent=1) if args.json else table(report))
    return 0


def table(report: dict[str, Any]) -> str:
    """A report to be read: a line for each figure.

    Example:
        >>> figure = {"name": "4K", "measured": 31.2, "unit": "times faster", "target": "at least 25", "met": True}
        >>> print(table({"machine": {"cpu": "6502"}, "benchmarks": {"network": {"figures": [figure]}}}))
        6502
        network  4K  31.2 times faster  at least 25  met
    """
    rows, skipped = [("",) * 5], []
    for name, said in report["benchmarks"].items():
        if "skipped" in said:
            skipped.append(f"{name} skipped: {said['skipped']}")
        for figure in said.get("figures", ()):
            met = {True: "met", False: "MISSED", None: ""}[figure.get("met")]
            measured = f"{figure['measured']:g} {figure['unit']}"
            rows.append((name, figure["name"], measured, figure.get("target", ""), met))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(f"{word:{width}}" for word, width in zip(row, widths, strict=True)).rstrip() for row in rows[1:]]
    return "\n".join([report["machine"]["cpu"], *lines, *skipped])
