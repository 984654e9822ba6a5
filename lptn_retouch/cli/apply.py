"""``lptn-retouch apply``: retouch photographs, each into a file of its own."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from lptn_retouch.batch.naming import ENDINGS, KEPT, ending_for, folded
from lptn_retouch.cli.arguments import add_look, add_machine, add_output, look_of, output_of
from lptn_retouch.cli.paths import print_path
from lptn_retouch.errors import LptnRetouchError, UsageError, shown


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("apply", help="retouch photographs", description=__doc__)
    parser.add_argument("inputs", nargs="+", metavar="INPUT", type=Path, help="photographs of any kind, RAW as well")
    add_look(parser)
    parser.add_argument(
        "-o", "--output", metavar="FILE_OR_FOLDER", help="default: beside each input, as NAME-PRESET, replacing nothing"
    )
    add_output(parser)
    add_machine(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    look, output = look_of(args), output_of(args)
    targets = plan(args.inputs, args.output, args.format, look.name)
    from lptn_retouch.formats import open_photo
    from lptn_retouch.formats.files import remove_leftovers
    from lptn_retouch.preset import load_preset

    pairs = list(zip(args.inputs, targets, strict=True))
    presets = [(load_preset(preset), strength) for preset, strength in look.steps]
    if not any(_is_there(source) for source in args.inputs):  # which is said at once, before an engine is loaded
        return each(pairs, lambda source, _: open_photo(source))
    from lptn_retouch.retoucher import Retoucher

    mask = None
    if look.mask is not None:
        from lptn_retouch.formats.mask import open_mask

        mask = open_mask(look.mask)
    for folder in {target.parent for target in targets}:
        remove_leftovers(folder)
    retoucher = Retoucher(presets, args.device, memory_limit=args.memory_limit)

    def one(source: Path, target: Path) -> None:
        photo = retoucher(source, amount=look.amount, detail=look.detail, mask=mask)
        saved = output.save(photo, target)
        print_path(saved.path)
        for notice in (*photo.notices, *saved.notices):
            print(f"  note: {notice}", file=sys.stderr)

    return each(pairs, one)


def each(pairs: list[tuple[Path, Path]], work: Callable[[Path, Path], object]) -> int:
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
            wanted = source.with_name(f"{source.stem}-{preset}{ending_for(source.name, format)}")
            targets.append(_free(wanted, targets))
    else:
        folder = Path(output)
        if len(inputs) == 1 and not os.path.isdir(folder) and not output.endswith(("/", os.sep)):  # noqa: PTH112
            targets = [folder]
            if folder.suffix.lower() not in KEPT:
                endings = ", ".join(ENDINGS.values())
                raise UsageError(f"{output}: no format is written under this ending; use one of {endings}.")
        else:
            if _is_there(folder) and not os.path.isdir(folder):  # noqa: PTH112
                raise UsageError(f"{output} is a file, and there are {len(inputs)} inputs; name a folder with -o.")
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise UsageError(f"{output}: {error.strerror}; name a folder that can be made with -o.") from None
            targets = [folder / f"{source.stem}{ending_for(source.name, format)}" for source in inputs]
    taken: dict[str, Path] = {}
    for source, target in zip(inputs, targets, strict=True):
        key = folded(str(target.absolute()))
        if key in taken:
            raise UsageError(f"{taken[key]} and {source} would both become {target}; give them folders of their own.")
        taken[key] = source
        if _is_there(target) and any(_is_there(other) and target.samefile(other) for other in inputs):
            raise UsageError(f"{target} is an input and is never replaced; name another file or folder with -o.")
    return targets


def _is_there(path: Path) -> bool:
    """Whether there is such a file; Path.exists raises for names that no file can have."""
    return os.path.exists(path)  # noqa: PTH110


def _free(wanted: Path, planned: list[Path]) -> Path:
    """The name itself, or the first with a number that no file has."""
    name, number = wanted, 2
    while _is_there(name) or name in planned:
        name, number = wanted.with_name(f"{wanted.stem}-{number}{wanted.suffix}"), number + 1
    return name
