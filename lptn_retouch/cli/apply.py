"""``lptn-retouch apply``: retouch photographs, each into a file of its own."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from lptn_retouch.errors import LptnRetouchError, UsageError, shown

METADATA = ("keep", "strip-private", "none")
PROFILES = ("keep", "srgb")
ENDINGS = {"jpg": ".jpg", "png": ".png", "tiff": ".tif", "webp": ".webp", "avif": ".avif", "jxl": ".jxl"}
_KEPT = {*ENDINGS.values(), ".jpeg", ".tiff"}  # endings that a result keeps from its source


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("apply", help="retouch photographs", description=__doc__)
    parser.add_argument("inputs", nargs="+", metavar="INPUT", type=Path, help="photographs of any kind, RAW as well")
    parser.add_argument("-p", "--preset", default="retouch", help="name or file of a preset (default: retouch)")
    parser.add_argument(
        "-o", "--output", metavar="FILE_OR_FOLDER", help="default: beside each input, as NAME-PRESET, replacing nothing"
    )
    parser.add_argument("--amount", type=strength, default=1.0, help="0 to 2, change of colour and light (default: 1)")
    parser.add_argument("--detail", type=strength, default=1.0, help="0 to 2, change of fine detail (default: 1)")
    parser.add_argument("--format", choices=ENDINGS, help="of the results (default: the input's; JPEG for a RAW)")
    parser.add_argument("--quality", type=quality, default=92, help="1 to 100, where a format loses (default: 92)")
    parser.add_argument("--bit-depth", type=int, choices=(8, 16), help="bits a channel (default: the input's)")
    parser.add_argument(
        "--metadata", choices=METADATA, default="keep", help="strip-private leaves out places, serial numbers, faces"
    )
    parser.add_argument("--profile", choices=PROFILES, default="keep", help="the input's colour space, or sRGB")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, mps, reference (default: auto)")
    parser.add_argument(
        "--memory-limit", type=gigabytes, metavar="GB", help="refuse what needs more (default: the machine's memory)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    targets = plan(args.inputs, args.output, args.format, Path(args.preset).stem)
    from lptn_retouch.retoucher import Retoucher

    retoucher = Retoucher(args.preset, args.device, memory_limit=args.memory_limit)

    def one(source: Path, target: Path) -> None:
        photo = retoucher(source, amount=args.amount, detail=args.detail)
        saved = photo.save(
            target, quality=args.quality, bit_depth=args.bit_depth, metadata=args.metadata, profile=args.profile
        )
        print(saved.path, flush=True)
        for notice in (*photo.notices, *saved.notices):
            print(f"  note: {notice}", file=sys.stderr)

    return each(list(zip(args.inputs, targets, strict=True)), one)


def each(pairs: list[tuple[Path, Path]], work: Callable[[Path, Path], None]) -> int:
    """Do the work for every pair; name those that fail and go on. Returns the exit status."""
    failed = 0
    for source, target in pairs:
        try:
            work(source, target)
        except (LptnRetouchError, MemoryError) as error:
            failed += 1
            message = str(error) if isinstance(error, LptnRetouchError) else "there is not enough memory for it."
            named = message if shown(source.name) in message else f"{shown(source)}: {message}"
            print(f"lptn-retouch: {named}", file=sys.stderr)
    if failed and len(pairs) > 1:
        print(f"lptn-retouch: {failed} of {len(pairs)} failed, the others are done.", file=sys.stderr)
    return 1 if failed else 0


def plan(inputs: list[Path], output: str | None, format: str | None, preset: str) -> list[Path]:
    """Where each input's result goes; said before any work, so that no result can meet another or an input.

    Raises:
        UsageError: two results would be one file, a result would replace an input, or the folder is a file.
    """
    for source in inputs:
        if not source.name:
            raise UsageError(f"{source} is a folder; name the photographs in it, {Path(source, '*.jpg')} for example.")
    if output is None:
        targets: list[Path] = []
        for source in inputs:
            wanted = source.with_name(f"{source.stem}-{preset}{_ending(source, format)}")
            targets.append(_free(wanted, targets))
    else:
        folder = Path(output)
        if len(inputs) == 1 and not folder.is_dir() and not output.endswith(("/", os.sep)):
            targets = [folder]
            if folder.suffix.lower() not in _KEPT:
                endings = ", ".join(ENDINGS.values())
                raise UsageError(f"{output}: no format is written under this ending; use one of {endings}.")
        else:
            if folder.exists() and not folder.is_dir():
                raise UsageError(f"{output} is a file, and there are {len(inputs)} inputs; name a folder with -o.")
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise UsageError(f"{output}: {error.strerror}; name a folder that can be made with -o.") from None
            targets = [folder / f"{source.stem}{_ending(source, format)}" for source in inputs]
    taken: dict[str, Path] = {}
    for source, target in zip(inputs, targets, strict=True):
        key = str(target.absolute()).casefold()  # a disk may not tell Same.jpg from same.JPG
        if key in taken:
            raise UsageError(f"{taken[key]} and {source} would both become {target}; give them folders of their own.")
        taken[key] = source
        if _is_there(target) and any(_is_there(other) and target.samefile(other) for other in inputs):
            raise UsageError(f"{target} is an input and is never replaced; name another file or folder with -o.")
    return targets


def strength(text: str) -> float:
    """A command line's amount or detail."""
    value = float(text)
    if not 0 <= value <= 2:
        raise argparse.ArgumentTypeError(f"a number from 0 to 2, not {text}")
    return value


def gigabytes(text: str) -> int:
    """A command line's amount of memory, in bytes."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"a number of gigabytes above 0, not {text}")
    return int(value * 1e9)


def quality(text: str) -> int:
    """A command line's quality."""
    value = int(text)
    if not 1 <= value <= 100:
        raise argparse.ArgumentTypeError(f"a whole number from 1 to 100, not {text}")
    return value


def _ending(source: Path, format: str | None) -> str:
    if format:
        return ENDINGS[format]
    return source.suffix if source.suffix.lower() in _KEPT else ".jpg"


def _is_there(path: Path) -> bool:
    """Whether there is such a file; Path.exists raises for names that no file can have."""
    return os.path.exists(path)  # noqa: PTH110


def _free(wanted: Path, planned: list[Path]) -> Path:
    """The name itself, or the first with a number that no file has."""
    name, number = wanted, 2
    while _is_there(name) or name in planned:
        name, number = wanted.with_name(f"{wanted.stem}-{number}{wanted.suffix}"), number + 1
    return name
