"""``lptn-retouch batch``: retouch a folder of photographs into another; started again, it goes on where it ended."""

from __future__ import annotations

import argparse
import json
import math
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from lptn_retouch.batch.settings import Output
from lptn_retouch.cli.arguments import (
    add_look,
    add_machine,
    add_output,
    look_of,
    output_of,
    place,
    seconds,
    spoken,
    whole,
)
from lptn_retouch.cli.defaults import told, without
from lptn_retouch.cli.parser import examples
from lptn_retouch.cli.talk import add_talk, because
from lptn_retouch.cli.targets import add_existing, left_alone, left_out
from lptn_retouch.errors import LptnRetouchError, UsageError, shown

if TYPE_CHECKING:
    from lptn_retouch.batch.options import Settings
    from lptn_retouch.batch.run import Batch
    from lptn_retouch.batch.work import Result


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "batch",
        help="retouch a folder of photographs",
        description=__doc__,
        epilog=examples(
            "lptn-retouch batch photos/ retouched/ --dry-run",
            "lptn-retouch batch photos/ retouched/ -p winter --report retouched/report.html",
            "lptn-retouch batch photos/ web/ --include '*.nef' --rating 3 --format jpg",
        ),
    )
    parser.add_argument(
        "source", metavar="SRC", type=spoken(place), help="the folder of photographs, or its URL; those in it as well"
    )
    parser.add_argument(
        "results", metavar="DST", type=spoken(place), help="the folder for the results, and for the journal; or a URL"
    )
    add_look(parser.add_argument_group("look"))
    results = parser.add_argument_group("results")
    add_output(results)
    results.add_argument(
        "--also",
        metavar="FOLDER:KEY=VALUE,...",
        action="append",
        default=[],
        help="one more file of each photograph, in this folder of DST, as in web:long-edge=2048,profile=srgb; the keys "
        "are format, quality, bit-depth, metadata, profile, long-edge, sharpen=no, max-size, name",
    )
    results.add_argument("--copy-others", action="store_true", help="copy what is no photograph")
    results.add_argument(
        "--name",
        metavar="TEMPLATE",
        help="of results, as in {stem}-{preset}.{ext}; name, parent, date:%%Y-%%m-%%d and number:03 as well",
    )
    add_existing(results, "files that are not of this batch")
    which = parser.add_argument_group("which photographs")
    which.add_argument(
        "--include", metavar="GLOB", action="append", default=[], help="only these: names, paths, folders"
    )
    which.add_argument("--exclude", metavar="GLOB", action="append", default=[], help="and not these")
    which.add_argument("--newer-than", metavar="DATE", type=_date, help="only files last written after this date")
    which.add_argument("--rating", metavar="N", type=int, choices=range(6), help="only those with N stars or more")
    which.add_argument("--rules", metavar="RULES.toml", type=Path, help="presets by folder, camera or time of day")
    which.add_argument("--again", action="store_true", help="retouch what is a result already once more")
    which.add_argument("--check", action="store_true", help="read what is done again whole, not size and date alone")
    machine = parser.add_argument_group("machine")
    add_machine(machine, "for all photographs in work together")
    machine.add_argument("--workers", type=whole, metavar="N", help="photographs in work at once (default: one a core)")
    machine.add_argument("--engine", choices=("local", "ray"), default="local", help="what runs it (default: local)")
    machine.add_argument("--address", metavar="HOST:PORT", help="of the Ray cluster (default: one is started here)")
    machine.add_argument(
        "--timeout", type=seconds, metavar="S", help="seconds for a photograph (default: 300 and more)"
    )
    run_as = parser.add_argument_group("the run")
    run_as.add_argument("--dry-run", action="store_true", help="print the plan, and the time and space it will take")
    run_as.add_argument("--watch", action="store_true", help="go on with what comes into SRC, until Ctrl-C")
    run_as.add_argument("--report", metavar="FILE.html", type=Path, help="every photograph before and after, on a page")
    how = add_talk(parser)
    how.add_argument("--json", action="store_true", help="print a line of JSON for each file")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from lptn_retouch.batch.report import check_report
    from lptn_retouch.batch.run import Batch

    if args.rules:  # they, and no file elsewhere, say which look a photograph gets
        without(args, "preset", "amount", "detail", "mask")
    settings = _settings(args)
    if not (args.quiet or args.json) and (line := told(args)):
        print(f"{line}.", file=sys.stderr)
    if args.dry_run:
        with Batch(args.source, args.results, settings, dry=True) as batch:
            return _dry_run(batch, json_lines=args.json)
    with Batch(args.source, args.results, settings) as batch:
        page = check_report(args.report) if args.report else None  # which may lie among the results
        if not batch.plan.jobs and not args.watch:
            raise UsageError(f"{shown(str(args.source))}: there is no photograph to be done{_left_out(batch)}.")
        if args.verbose:
            print(f"  {len(batch.plan.jobs)} files, {batch.workers} at once", file=sys.stderr)
        with _stopping(batch):
            status = _go(batch, args)
        if page is not None:
            batch.report(page)
            if not args.quiet:
                print(f"Report: {shown(page)}", file=sys.stderr)
    return status


def _settings(args: argparse.Namespace) -> Settings:
    from lptn_retouch.batch.options import Settings
    from lptn_retouch.batch.plan import Choice
    from lptn_retouch.batch.rules import read_rules

    choice = Choice(
        look_of(args),
        read_rules(args.rules) if args.rules else (),
        tuple(args.include),
        tuple(args.exclude),
        args.newer_than,
        args.rating,
        args.copy_others,
    )
    return Settings(
        tuple(_named_by(args.name, output) for output in (output_of(args), *map(Output.parse, args.also))),
        choice,
        args.workers,
        args.device,
        args.memory_limit,
        args.timeout,
        args.overwrite,
        args.check,
        args.report is not None,
        args.skip,
        args.again,
        args.engine,
        args.address,
    )


def _named_by(template: str | None, output: Output) -> Output:
    return replace(output, name=template) if output.name is None else output


def _go(batch: Batch, args: argparse.Namespace) -> int:
    from lptn_retouch.batch.watch import watch
    from lptn_retouch.batch.words import duration
    from lptn_retouch.cli.progress import Gauge

    counts: Counter[str] = Counter()
    failures: list[str] = []
    results_of_ours: list[str] = []
    in_the_way = 0
    trouble: LptnRetouchError | None = None
    results: Iterator[Result | None] = watch(batch) if args.watch else batch.run()
    ours = sys.stdout
    # Ray's threads print what they have to say where scripts read our lines.
    others = redirect_stdout(sys.stderr) if args.engine == "ray" else nullcontext()
    with others, Gauge(None if args.watch else len(batch.plan.jobs), quiet=args.quiet or args.json) as gauge:
        try:
            for result in results:
                if result is None:
                    if not (args.quiet or args.json):
                        gauge.say(f"Waiting for more in {shown(str(args.source))}; Ctrl-C ends it.")
                    continue
                counts[result.outcome] += 1
                gauge.add(
                    result.megapixels, failed=result.outcome == "failed", done_now=result.outcome in ("done", "failed")
                )
                if result.is_result:
                    results_of_ours.append(result.file)
                in_the_way += result.outcome == "skipped" and bool(result.reason) and not result.is_result
                if args.verbose and result.outcome != "failed":
                    took = f" in {duration(result.seconds)}" if result.seconds else ""
                    gauge.say(f"  {shown(result.file)}: {result.outcome}{took}, {result.megapixels:.1f} MP")
                if result.outcome == "failed":
                    failures.append(_named(result) + because(result.causes if args.verbose else ()))
                    if args.watch:  # which has no end to name them at
                        gauge.say(f"lptn-retouch: {failures[-1]}")
                if args.json:
                    print(json.dumps(result.to_json()), file=ours, flush=True)
        except LptnRetouchError as error:
            trouble = error
    for line in () if args.watch else failures:
        print(f"lptn-retouch: {line}", file=sys.stderr)
    nothing_left = bool(results_of_ours) and len(results_of_ours) == counts.total()
    if in_the_way and not args.quiet:
        print(left_alone(in_the_way), file=sys.stderr)
    if results_of_ours and (nothing_left or not args.quiet):
        print(left_out(len(results_of_ours), results_of_ours[0]), file=sys.stderr)
    if not args.quiet:
        took = duration((datetime.now().astimezone() - batch.started).total_seconds())
        said = ", ".join(f"{counts[word]} {word}" for word in ("done", "skipped", "copied", "failed") if counts[word])
        print(f"{said or 'nothing was done'}{_left_out(batch)}, in {took}.", file=sys.stderr)
    if trouble is not None:
        if not counts and isinstance(trouble, UsageError):
            raise trouble
        print(f"lptn-retouch: {trouble}", file=sys.stderr)
        return 1
    if batch.stopped and not args.watch:
        left = len(batch.plan.jobs) - counts.total()
        print(f"lptn-retouch: stopped, {left} left; run the same again to go on.", file=sys.stderr)
        return 130
    if nothing_left:
        return 2
    return 1 if failures else 0


def _named(result: Result) -> str:
    name = shown(result.file)
    return result.reason if shown(result.source.name) in result.reason else f"{name}: {result.reason}"


def _left_out(batch: Batch) -> str:
    said = ", ".join(f"{count} {reason}" for reason, count in sorted(batch.plan.left_out.items()))
    return f" ({said} left out)" if said else ""


def _dry_run(batch: Batch, *, json_lines: bool) -> int:
    """Print what would be done, and nothing else is done."""
    from lptn_retouch.batch.forecast import forecast, space_at
    from lptn_retouch.batch.words import duration, said

    to_do, done, refused = batch.to_do()
    for job in to_do:
        look = job.look
        if json_lines:
            what = {"preset": look.name, "amount": look.amount, "detail": look.detail} if look else {}
            print(json.dumps({"file": job.found.file, "outputs": list(job.written), **what}))
            continue
        words = "copied" if look is None else shown(look.words)
        print(f"{shown(job.found.file)} -> {', '.join(map(shown, job.written))} ({words})")
    in_the_way = [(job.found.file, sentence) for job, sentence in refused]
    for file, sentence in (*batch.plan.unlisted.items(), *in_the_way):
        print(f"lptn-retouch: {shown(file)}: {sentence}", file=sys.stderr)
    expected, free = forecast(batch, to_do), space_at(batch.plan.results)
    print(
        f"{expected.photographs} photographs to be done, {len(done)} done already, {len(refused)} in the way"
        f"{_left_out(batch)}; about {duration(expected.seconds)} on {batch.workers} workers, and {said(expected.size)} "
        + (f"of the {said(int(free))} that are free." if math.isfinite(free) else "of storage."),
        file=sys.stderr,
    )
    if expected.size > free:
        raise UsageError(f"{shown(str(batch.plan.results))}: the disk is too small for that; free some space.")
    if not batch.plan.jobs:
        return 2
    return 1 if refused or batch.plan.unlisted else 0


@contextmanager
def _stopping(batch: Batch) -> Iterator[None]:
    """Ctrl-C, or the system's wish, ends a batch when what is in work is done; once more, at once."""

    def answer(number: int, frame: object) -> None:
        del number, frame
        if batch.stopped:
            raise KeyboardInterrupt
        batch.stop()
        with suppress(OSError, RuntimeError):  # nobody reads it any more, or a line is being written just now
            print("\nlptn-retouch: finishing what is in work; Ctrl-C again stops at once.", file=sys.stderr)

    before = {}
    for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
        with suppress(AttributeError, ValueError):  # not on this system, or not in a program's main thread
            number = getattr(signal, name)
            before[number] = signal.signal(number, answer)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _date(text: str) -> datetime:
    try:
        date = datetime.fromisoformat(text)
        date.timestamp()  # the first day of the calendar has none east of Greenwich
        return date
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"a date like 2024-06-01 or 2024-06-01T18:00, not {text}") from None
