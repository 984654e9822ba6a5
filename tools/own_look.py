"""A look of one's own, end to end: 60 pairs from a purely global grade, the short form of `train`, held-out pairs.

    python tools/own_look.py PHOTOGRAPHS FOLDER [--steps N]

takes photographs from a folder, 60 to learn from and 20 that training never sees, grades them all as a photographer
would (a curve, white balance, colour, split toning), writes the pairs into FOLDER, trains and prints the time taken and
the PSNR on the 20. The preset lies in FOLDER/presets.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from lptn_retouch.training.data.pictures import list_pictures, load_srgb

PAIRS, HELD_OUT = 60, 20


def grade(picture: Tensor) -> Tensor:
    """A film-like look of colour alone, the same for every pixel: (1, 3, H, W) sRGB in [0, 1] to the same."""
    x = picture * torch.tensor([1.06, 1.0, 0.92]).view(1, 3, 1, 1)  # warmer
    x = x.clamp(0, 1) ** 0.9
    x = x + 0.18 * (x - 0.5) * (1 - (2 * x - 1).square())  # a gentle S
    x = 0.03 + 0.95 * x  # blacks lifted, whites held
    light = (x * torch.tensor([0.2126, 0.7152, 0.0722]).view(1, 3, 1, 1)).sum(1, keepdim=True)
    x = light + 0.85 * (x - light)  # calmer colours
    teal, gold = (torch.tensor(tone).view(1, 3, 1, 1) for tone in ((-0.025, 0.008, 0.03), (0.03, 0.01, -0.03)))
    return (x + (1 - light) ** 2 * teal + light**2 * gold).clamp(0, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photographs", type=Path, nargs="+", help="folders")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int)
    args = parser.parse_args()
    files = [file for folder in args.photographs for file in list_pictures(folder)]
    files = files[:: max(1, len(files) // (PAIRS + HELD_OUT))][: PAIRS + HELD_OUT]
    every = (PAIRS + HELD_OUT) // HELD_OUT
    for i, file in enumerate(files):
        for kind in ("before", "after"):
            target = args.folder / ("held-out" if i % every == 0 else "learn") / kind
            target.mkdir(parents=True, exist_ok=True)
            picture = load_srgb(file)
            graded = picture if kind == "before" else grade(picture)
            pixels = (graded[0] * 255).round().byte().permute(1, 2, 0).numpy()
            Image.fromarray(pixels).save(target / f"{file.stem}.png")

    os.environ["LPTN_RETOUCH_PRESETS"] = str(args.folder / "presets")
    program = [sys.executable, "-m", "lptn_retouch"]
    learn, held_out = args.folder / "learn", args.folder / "held-out"
    words = ["train", "--before", learn / "before", "--after", learn / "after", "--name", "mylook"]
    words += ["--run", args.folder / "run", *(["--steps", str(args.steps)] if args.steps else [])]
    started = time.monotonic()
    subprocess.run([*program, *words], check=True)
    taken = time.monotonic() - started
    words = ["evaluate", "mylook", "--input", held_out / "before", "--target", held_out / "after", "--json"]
    mean = json.loads(subprocess.run([*program, *words], check=True, capture_output=True).stdout)["pairs"]["mean"]
    print(f"{len(files) - HELD_OUT} pairs, {taken / 60:.1f} min; on {HELD_OUT} unseen pairs: {json.dumps(mean)}")


if __name__ == "__main__":
    main()
