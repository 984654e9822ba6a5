"""``lptn-retouch evaluate``: measure a preset on pairs of pictures, and on photographs for halos and constancy."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

from lptn_retouch.errors import UsageError


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("evaluate", help="measure a preset", description=__doc__)
    parser.add_argument("preset", metavar="PRESET")
    parser.add_argument("--input", metavar="DIR", type=Path, help="pictures before ...")
    parser.add_argument("--target", metavar="DIR", type=Path, help="... and after; pairs share a name")
    parser.add_argument("--photos", metavar="DIR", type=Path, help="large photographs: halo, constancy")
    parser.add_argument("--json", action="store_true", help="every picture's figures, as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    if (args.input is None) != (args.target is None) or not (args.input or args.photos):
        raise UsageError("evaluate takes --input DIR with --target DIR, or --photos DIR, or all three.")
    from lptn_retouch.retoucher import Retoucher
    from lptn_retouch.training.evaluation import score_pairs, score_photos, summary

    apply = Retoucher(args.preset)
    figures: dict[str, Any] = {"preset": apply.preset.name, "sha256": apply.preset.sha256}
    if args.input:
        figures["pairs"] = summary(score_pairs(apply, args.input, args.target))
    if args.photos:
        figures["photos"] = score_photos(apply, args.photos)
    print(json.dumps(figures, indent=1) if args.json else _table(figures))
    return 0


def _table(figures: dict[str, Any]) -> str:
    lines = [f"{figures['preset']} ({figures['sha256'][:12]})"]
    if pairs := figures.get("pairs"):
        mean = {key: math.inf if value is None else value for key, value in pairs["mean"].items()}
        lines.append(
            f"pairs    {pairs['pairs']}: PSNR {mean['psnr']:.2f} dB (untouched {mean['untouched_psnr']:.2f}), "
            f"SSIM {mean['ssim']:.4f}, dE2000 {mean['delta_e']:.2f}"
        )
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
