"""``lptn-retouch compare``: one photograph under several presets, on one sheet."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lptn_retouch.cli.parser import examples
from lptn_retouch.cli.paths import one_file, print_path
from lptn_retouch.cli.talk import add_talk, because, tell
from lptn_retouch.cli.targets import add_existing, ended_by
from lptn_retouch.errors import InTheWayError, InvalidPresetError, UsageError, causes
from lptn_retouch.evaluation.sheet import arranged, labelled, thumbnail

if TYPE_CHECKING:
    from lptn_retouch.photo import Photo
    from lptn_retouch.picture.samples import Pixels
    from lptn_retouch.preset import Preset

TILE = 900  # px, the longer side of a picture on the sheet


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "compare",
        help="every preset on one sheet",
        description=__doc__,
        epilog=examples(
            "lptn-retouch compare holiday.jpg -o sheet.jpg",
            "lptn-retouch compare holiday.jpg -p winter -p night -o sheet.png",
        ),
    )
    parser.add_argument("input", metavar="INPUT", type=Path)
    parser.add_argument("-p", "--preset", action="append", help="may be given several times (default: all there are)")
    parser.add_argument("-o", "--output", metavar="SHEET", type=Path, required=True, help="the sheet, .jpg or .png")
    add_existing(parser, "a sheet that is there")
    add_talk(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from lptn_retouch.files import check_free
    from lptn_retouch.metadata import Metadata
    from lptn_retouch.opening import open_photo
    from lptn_retouch.preset import list_presets, load_preset

    names = args.preset or list_presets()
    if not names:
        raise UsageError("there is no preset to compare; `lptn-retouch presets import` brings one in.")
    try:
        check_free(args.output, overwrite=args.overwrite)
    except InTheWayError as error:
        return ended_by(error, skip=args.skip)
    photo = open_photo(one_file(args.input))
    presets, failed, started = [], 0, time.monotonic()
    for name in names:
        try:
            presets.append(load_preset(name))
        except InvalidPresetError as error:  # the others are drawn
            failed += 1
            print(f"lptn-retouch: {error}" + because(causes(error) if args.verbose else ()), file=sys.stderr)
    if presets:
        sheet = contact_sheet(photo, presets)
        drawn = replace(photo, pixels=sheet, metadata=Metadata(), recipe=None)  # its source is kept from being replaced
        try:
            saved = drawn.save(args.output, quality=90, metadata="none", overwrite=args.overwrite)
        except InTheWayError as error:  # it has come meanwhile
            return ended_by(error, skip=args.skip)
        if not args.quiet:
            print_path(saved.path)
        tell(args, drawn, saved, time.monotonic() - started)
    return 1 if failed else 0


def contact_sheet(photo: Photo, presets: list[Preset]) -> Pixels:
    """Draw the photo, untouched and then under each preset, with labels.

    A preset looks the same at every size, so the pictures are made small first.

    Returns:
        (H, W, 3) uint8.
    """
    import numpy as np

    from lptn_retouch.retoucher import Retoucher

    small = thumbnail(photo, TILE)
    tiles = [("before", small)] + [(preset.name, Retoucher(preset)(small)) for preset in presets]
    return np.asarray(arranged([labelled(tile, label) for label, tile in tiles]))
