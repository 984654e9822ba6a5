"""``lptn-retouch apply``: retouch photographs, each into a file of its own."""

from __future__ import annotations

import argparse
import time
from functools import partial
from pathlib import Path

from lptn_retouch.cli.arguments import add_look, add_machine, add_output, look_of, output_of
from lptn_retouch.cli.parser import examples
from lptn_retouch.cli.paths import NO_FILE, STREAM, expanded, is_there, photograph, print_path
from lptn_retouch.cli.streams import read, write
from lptn_retouch.cli.talk import add_talk, tell, tell_engine
from lptn_retouch.cli.targets import Check, Ends, LeftOutError, add_existing, make_folders, plan


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "apply",
        help="retouch photographs",
        description=__doc__,
        epilog=examples(
            "lptn-retouch apply holiday.jpg",
            "lptn-retouch apply *.jpg *.nef -p winter -o out/",
            "lptn-retouch apply dark.jpg -o light.jpg --amount 1.2 --quality 95",
        ),
    )
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        type=photograph,
        help="photographs of any kind, RAW as well; wildcards; - for standard input",
    )
    add_look(parser.add_argument_group("look"))
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE_OR_FOLDER",
        help="or names, as in out/{stem}-{preset}.{ext} (name, parent, date:%%Y-%%m-%%d, number:03 as well), or - for "
        "standard output (default: beside each input, as NAME-PRESET)",
    )
    add_existing(parser)
    parser.add_argument(
        "--again", action="store_true", help="retouch results once more, which are left out where there are several"
    )
    add_output(parser.add_argument_group("results"))
    add_machine(parser.add_argument_group("machine"))
    add_talk(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    look, output = look_of(args), output_of(args)
    inputs, unmatched = expanded(args.inputs)
    targets = plan(inputs, args.output, args.format, look.name)
    from lptn_retouch.metadata.recipe import is_result
    from lptn_retouch.opening import open_photo
    from lptn_retouch.preset import load_preset

    presets = [(load_preset(preset), strength) for preset, strength in look.steps]
    ends = Ends(len(inputs) + len(unmatched), args)
    for pattern in unmatched:
        ends.fail(pattern, NO_FILE)
    asked_for = args.again or ends.total == 1  # results as well
    check = Check(inputs, overwrite=args.overwrite, asked_for=asked_for)
    pairs = [pair for pair in zip(inputs, targets, strict=True) if ends.well(pair[0], partial(check, *pair))]
    if not any(source == STREAM or is_there(source) for source, _ in pairs):  # said before an engine is loaded
        for source, _ in pairs:
            ends.well(source, partial(open_photo, source))
        return ends.status()
    from lptn_retouch.retoucher import Retoucher

    mask = None
    if look.mask is not None:
        from lptn_retouch.mask import open_mask

        mask = open_mask(look.mask)
    retoucher = Retoucher(presets, args.device, memory_limit=args.memory_limit)
    make_folders([target for _, target in pairs])

    def one(source: Path, target: Path) -> None:
        started = time.monotonic()
        photo = read(source, retoucher.open)
        notes = []
        if not args.again and is_result(photo.metadata):
            if not asked_for:
                raise LeftOutError
            notes.append("This is a result already, and was retouched once more.")
        photo = retoucher.using_up(photo, amount=look.amount, detail=look.detail, mask=mask)
        saved = write(photo, output, target, overwrite=args.overwrite)
        if target != STREAM and not args.quiet:
            print_path(saved.path)
        tell(args, photo, saved, time.monotonic() - started, notes)
        ends.done(photo.width * photo.height / 1e6)

    tell_engine(args, retoucher)
    with ends:
        for source, target in pairs:
            ends.well(source, partial(one, source, target))
    return ends.status()
