"""``lptn-retouch look``: what a preset does to a photograph, as a colour look-up table (LUT) for other programs.

A LUT knows colours alone, so it repeats what became of each colour on average; how far off that is is printed. Its
colours are sRGB, display-referred.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from lptn_retouch.cli.arguments import add_machine, strength
from lptn_retouch.cli.parser import examples
from lptn_retouch.cli.paths import one_file, print_path
from lptn_retouch.cli.targets import add_existing, ended_by
from lptn_retouch.errors import InTheWayError, UsageError, shown

ENDINGS = (".cube", ".png")


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "look",
        help="a preset's look as a LUT for other programs",
        description=__doc__,
        epilog=examples(
            "lptn-retouch look lake.jpg -p winter -o winter.cube",
            "lptn-retouch look lake.jpg -p night --amount 0.6 -o dusk.png",
        ),
    )
    parser.add_argument("photo", metavar="PHOTO", type=Path, help="the photograph that the look is fitted to")
    parser.add_argument("-p", "--preset", default="retouch", help="name or file of a preset (default: retouch)")
    parser.add_argument("--amount", type=strength, default=1.0, help="0 to 2, change of colour and light (default: 1)")
    parser.add_argument(
        "-o", "--output", metavar="FILE", type=Path, required=True, help=".cube, 33 samples a side; .png, a HaldCLUT"
    )
    add_existing(parser, "a FILE that is there")
    add_machine(parser.add_argument_group("machine"))
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    target: Path = args.output
    if target.suffix.lower() not in ENDINGS:
        raise UsageError(f"{shown(target)}: a look is written as .cube or, a HaldCLUT, as .png; name such a file.")
    from lptn_retouch.files import as_path, check_free, check_target
    from lptn_retouch.preset import load_preset

    photo = one_file(args.photo)
    try:
        check_free(target, overwrite=args.overwrite)
    except InTheWayError as error:
        return ended_by(error, skip=args.skip)
    check_target(as_path(target), as_path(photo))
    preset = load_preset(args.preset)
    from lptn_retouch.luts.cube import write_cube
    from lptn_retouch.luts.fit import SIZE, fit_look
    from lptn_retouch.luts.hald import LEVEL, write_hald
    from lptn_retouch.retoucher import Retoucher

    retoucher = Retoucher(preset, args.device, memory_limit=args.memory_limit)
    cube = target.suffix.lower() == ".cube"
    fit = fit_look(retoucher.open(photo), retoucher, args.amount, SIZE if cube else LEVEL**2)
    off = f"dE2000 {fit.mean:.2f} on average, {fit.most:.2f} for 95 % of the pixels"
    if cube:
        version = preset.header["version"]
        of = f"the preset {preset.name}{f', version {version},' if version else ''} at amount {args.amount:g}"
        comments = (
            f"What {of} does to {photo.name}, by lptn-retouch.",
            "For sRGB, display-referred: colours go in and come out coded as sRGB.",
            f"Off by {off}: what differs from place to place no table can carry.",
        )
        write_cube(target, fit.lut, comments)
    else:
        write_hald(target, fit.lut)
    print_path(as_path(target))
    print(f"off by {off}; the untouched photograph is off by {fit.untouched:.2f}")
    return 0
