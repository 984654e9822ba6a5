"""``lptn-retouch evaluate``: measure what a preset changes, on pairs or towards a style, and what it leaves alone."""

from __future__ import annotations

import argparse
import json
import math
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lptn_retouch.cli.arguments import check_folders
from lptn_retouch.cli.parser import examples
from lptn_retouch.errors import UsageError, shown
from lptn_retouch.preset import find_preset
from lptn_retouch.training import INSTALL

if TYPE_CHECKING:
    from lptn_retouch.evaluation.classifier import Classifier


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "evaluate",
        help="measure a preset",
        description=__doc__,
        epilog=examples(
            "lptn-retouch evaluate mylook --input before/ --target after/",
            "lptn-retouch evaluate winter --input summers/ --style winters/ --sheet sheet.jpg",
            "lptn-retouch evaluate retouch --photos photographs/ --json",
        ),
    )
    parser.add_argument("preset", metavar="PRESET")
    parser.add_argument("--input", metavar="DIR", type=Path, help="pictures before; greys, whites, blacks ...")
    parser.add_argument("--target", metavar="DIR", type=Path, help="... pictures after; pairs share a name ...")
    parser.add_argument("--style", metavar="DIR", type=Path, help="... or real pictures of the style, of other scenes")
    parser.add_argument("--judge", metavar="FILE", type=Path, help="classifier of input and style, .safetensors")
    parser.add_argument(
        "--train-judge",
        metavar=("INPUT", "STYLE"),
        nargs=2,
        type=Path,
        help="train it first, on folders of other pictures than are measured; --judge is then where it is saved",
    )
    parser.add_argument("--photos", metavar="DIR", type=Path, help="large photographs: halo, constancy")
    parser.add_argument("--sheet", metavar="FILE", type=Path, help="draw the pictures of --input before and after")
    parser.add_argument("--json", action="store_true", help="every picture's figures, as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    if not (args.input or args.photos) or ((args.target or args.style) and not args.input):
        raise UsageError(
            "evaluate takes --input DIR, to which --target DIR or --style DIR may be added, or --photos DIR."
        )
    if not args.style and (args.judge or args.train_judge):
        raise UsageError("a classifier tells --input from --style; give both folders, or leave --judge out.")
    if args.sheet and not args.input:
        raise UsageError("--sheet draws the pictures of --input; give that folder too.")
    check_folders(args.input, args.target, args.style, args.photos, *(args.train_judge or ()))
    find_preset(args.preset)
    if find_spec("skimage") is None:
        raise UsageError(f"evaluate needs scikit-image; install it with: {INSTALL}")
    from lptn_retouch.evaluation.pairs import score_pairs, summary
    from lptn_retouch.evaluation.photos import score_photos
    from lptn_retouch.evaluation.restraint import score_restraint
    from lptn_retouch.evaluation.unpaired import score_unpaired
    from lptn_retouch.retoucher import Retoucher
    from lptn_retouch.training.data.pictures import list_pictures

    apply = Retoucher(args.preset)
    figures: dict[str, Any] = {"preset": apply.preset.name, "sha256": apply.preset.sha256}
    if args.sheet:
        _draw(apply, args)
    if args.target:
        figures["pairs"] = summary(score_pairs(apply, args.input, args.target))
    if args.style:
        before, style = list_pictures(args.input), list_pictures(args.style)
        figures["unpaired"] = score_unpaired(apply, before, style, _classifier(args, {*before, *style}))
        figures["own_style"] = score_restraint(apply, style)
    if args.input:
        figures["restraint"] = score_restraint(apply, list_pictures(args.input))
    if args.photos:
        figures["photos"] = score_photos(apply, args.photos)
    print(json.dumps(figures, indent=1) if args.json else _table(figures))
    return 0


def _classifier(args: argparse.Namespace, measured: set[Path]) -> Classifier | None:
    from lptn_retouch.evaluation.classifier import Classifier, train_classifier
    from lptn_retouch.training.data.pictures import list_pictures

    if not args.train_judge:
        return Classifier.load(args.judge) if args.judge else None
    sets = dict(zip(("input", "style"), map(list_pictures, args.train_judge), strict=True))
    known = {file.resolve() for file in measured}
    if seen := next((file for files in sets.values() for file in files if file.resolve() in known), None):
        raise UsageError(f"{shown(seen)} is measured too; a classifier is trained on other pictures.")
    counts = " and ".join(str(len(files)) for files in sets.values())
    print(f"training a classifier on {counts} pictures: minutes", file=sys.stderr, flush=True)
    classifier = train_classifier(sets)
    if args.judge:
        classifier.save(args.judge)
    return classifier


def _draw(apply: Any, args: argparse.Namespace) -> None:
    import numpy as np

    from lptn_retouch.evaluation.sheet import before_and_after
    from lptn_retouch.photo import Photo
    from lptn_retouch.training.data.pairs import find_pairs
    from lptn_retouch.training.data.pictures import list_pictures

    files, targets = list_pictures(args.input), []
    if args.target:
        files, targets = map(list, zip(*find_pairs(args.input, args.target), strict=True))
    folders = [folder for folder in (args.input, args.target, args.style, args.photos) if folder]
    if any(args.sheet.resolve().parent == folder.resolve() for folder in folders):
        raise UsageError(f"{shown(args.sheet)}: the sheet would lie among the pictures; name another folder for it.")
    sheet = before_and_after(apply, files, targets)
    saved = Photo(np.asarray(sheet)).save(args.sheet, quality=90, metadata="none")
    print(saved.path, file=sys.stderr if args.json else sys.stdout)


def _table(figures: dict[str, Any]) -> str:
    lines = [f"{figures['preset']} ({figures['sha256'][:12]})"]
    if pairs := figures.get("pairs"):
        mean = {key: math.inf if value is None else value for key, value in pairs["mean"].items()}
        lines.append(
            f"pairs    {pairs['pairs']}: PSNR {mean['psnr']:.2f} dB (untouched {mean['untouched_psnr']:.2f}), "
            f"SSIM {mean['ssim']:.4f}, dE2000 {mean['delta_e']:.2f}"
        )
    if unpaired := figures.get("unpaired"):
        lines += _unpaired_lines(unpaired)
    for key, label in (("restraint", "spares"), ("own_style", "own")):
        if found := figures.get(key):
            lines.append(_restraint_line(label, found))
    if photos := figures.get("photos"):
        mean = photos["mean"]
        lines += [
            f"photos   {len(photos['each'])}: preview against export {mean['quarter_psnr']:.1f} dB at a quarter, "
            f"{mean['odd_psnr']:.1f} dB at the odd ratio",
            f"halo     photos {mean['glow']:.2f} L* (95 %: {mean['glow_p95']:.2f}), "
            f"synthetic edges {photos['synthetic_glow']:.2f} L* (95 %: {photos['synthetic_glow_p95']:.2f})",
            f"gentle   dE2000 from the input {mean['delta_e']:.2f}, newly blown {100 * mean['blown']:.2f} %",
        ]
    return "\n".join(lines)


def _told(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _restraint_line(label: str, found: dict[str, Any]) -> str:
    def share(of: str, what: str) -> str:
        return f"{_told(found[of][what], '.0%')} of {found[of]['patches']}"

    return (
        f"{label:<8} {found['pictures']}: dE2000 from the input {found['delta_e']:.1f}, "
        f"greys that stay {share('greys', 'stay')} (middle tones {share('mid_greys', 'stay')}), "
        f"whites tinted {share('whites', 'tinted')}, blacks lifted {share('blacks', 'lifted')} patches"
    )


def _unpaired_lines(found: dict[str, Any]) -> list[str]:
    colour, content, neutrals = found["colour"], found["content"], found["neutrals"]
    steps = found["strength"]
    lines = [
        f"style    {found['pictures']} against {found['style_pictures']}: "
        f"colour {colour['distance']:.4f} (untouched {colour['untouched']:.4f})"
    ]
    if called := found.get("called"):
        features = found["features"]
        right = ", ".join(f"{shown(name)} {share:.0%}" for name, share in called["judge_accuracy"].items())
        lines[0] += f", features {features['distance']:.2f} (untouched {features['untouched']:.2f})"
        lines.append(
            f"called   {shown(called['style'])} by the classifier: {called['share']:.0%} "
            f"(untouched {called['untouched']:.0%}); "
            f"right on real pictures: {right}"
        )
    return [
        *lines,
        f"content  {content['mean']:.3f} kept (least {content['least']:.3f})",
        f"neutrals {_told(neutrals['still_neutral'], '.0%')} of {neutrals['neutral_patches']} patches still neutral, "
        f"mean shift a* {_told(neutrals['shift_a'], '+.1f')}, b* {_told(neutrals['shift_b'], '+.1f')}",
        f"clean    halo {_told(found['halo']['photos'], '.2f')} L* on these, {found['halo']['synthetic']:.2f} L* on "
        f"synthetic edges; noisier {_told(found['noisier'], '.1%')} of flat patches",
        f"strength dE2000 at amount {', '.join(f'{a}: {d:.1f}' for a, d in steps['delta_e'].items())}; "
        f"rising for {steps['rising']:.0%}",
    ]
