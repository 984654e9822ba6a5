"""How much a look does where it has no business: portraits, pets, indoors, food, night, screens, black and white...

    python tools/off_ground.py --data ../shared/data [--only NAME ...] [--sheet FOLDER] [--kind png] [--save]

off_ground.tsv names the pictures, in categories, and for each the looks that have no business with it; what can be
drawn is drawn (off_ground_drawn.py). Every picture goes through every preset at 512 px at most, and only the pictures
off a look's ground are measured; skin is measured in all. `--sheet` draws every picture before (above) and after,
a sheet for each preset and category, for eyes: they decide. `--save` writes benchmarks/results/off_ground.json.

For each preset and category: dE2000 from the input (mean over pictures, 99th percentile over pixels, the worst
picture), greys that stay, whites tinted and blacks lifted (patches, see docs/evaluation.md), the largest chroma that
black-and-white pictures get, and what becomes of skin: see `skin_moved`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from off_ground_drawn import DRAWN
from PIL import Image
from torch import Tensor

from lptn_retouch import Retoucher, open_photo
from lptn_retouch.evaluation.metrics import delta_e_map, lab
from lptn_retouch.evaluation.restraint import PATCH, Tones, tones
from lptn_retouch.evaluation.sheet import arranged, grid, labelled, thumbnail
from lptn_retouch.training.data.pictures import as_tensor
from lptn_retouch.training.oklab import oklab

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
MANIFEST, RESULT = HERE / "off_ground.tsv", ROOT / "benchmarks" / "results" / "off_ground.json"
LONGEST = 512  # px
SEASONS, LIGHT = ("winter", "summer", "autumn", "spring"), ("golden-hour", "night", "day")
LOOKS = (*SEASONS, *LIGHT, "retouch")
GROUPS = {"seasons": SEASONS, "light": LIGHT, "all": LOOKS} | {name: (name,) for name in LOOKS}
WITH_SKIN = ("portrait", "people outdoors")
BLACK_AND_WHITE = "black and white"
Figures = dict[str, Any]


@dataclass(frozen=True)
class Entry:
    """A picture of the manifest: its category, its file or drawing, and the looks that have no business with it."""

    category: str
    file: str
    looks: frozenset[str]

    def open(self, data: Path) -> Image.Image:
        """The picture, small; of a black-and-white one the lightness alone, whatever tint its file has."""
        if self.file.startswith("drawn:"):
            return DRAWN[self.file.removeprefix("drawn:")]()
        picture = thumbnail(open_photo(data / self.file), LONGEST)
        return picture.convert("L").convert("RGB") if self.category == BLACK_AND_WHITE else picture


def manifest() -> list[Entry]:
    """All entries, in the order of the file."""
    rows = [line.split("\t") for line in MANIFEST.read_text().splitlines() if not line.startswith("#")]
    return [
        Entry(kind, file, frozenset(n for word in looks.split() for n in GROUPS[word])) for kind, file, looks in rows
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that the names of the manifest lie beneath")
    parser.add_argument("--only", nargs="+", default=list(LOOKS), metavar="NAME", help="these looks, or preset files")
    parser.add_argument("--categories", nargs="+", metavar="NAME", help="these categories of the manifest")
    parser.add_argument("--sheet", type=Path, metavar="FOLDER", help="draw before and after, a sheet for each")
    parser.add_argument("--kind", choices=("jpg", "png"), default="jpg", help="of the sheets")
    parser.add_argument("--save", action="store_true")
    args = parser.parse_args()
    entries = [e for e in manifest() if not args.categories or e.category in args.categories]
    pictures = [(entry, entry.open(args.data)) for entry in entries]
    looks = {}
    for name in args.only:
        print(name, file=sys.stderr)
        retouch = Retoucher(name)
        seen = [Seen(entry, picture, retouch(picture)) for entry, picture in pictures]
        looks[Path(name).stem] = measure(Path(name).stem, seen)
        if args.sheet:
            draw(Path(name).stem, seen, args.sheet, args.kind)
    if args.save and RESULT.exists():  # the others keep what they have
        looks = json.loads(RESULT.read_text())["looks"] | looks
    text = json.dumps(origin() | {"pictures": len(entries), "looks": looks}, indent=1)
    print(text)
    if args.save:
        RESULT.write_text(text + "\n")


@dataclass(frozen=True)
class Seen:
    """A picture under a look."""

    entry: Entry
    before: Image.Image
    after: Image.Image


def measure(look: str, seen: list[Seen]) -> Figures:
    """Figures of each category that has pictures off this look's ground, and of all of them together."""
    off = [one for one in seen if look in one.entry.looks]
    kinds = list(dict.fromkeys(one.entry.category for one in off))
    figures = {kind: measured([one for one in off if one.entry.category == kind]) for kind in kinds}
    if off:
        figures["all"] = measured(off)
    skins = [one for one in seen if one.entry.category in WITH_SKIN]
    return {"off_ground": figures, **({"skin": skin_moved(skins)} if skins else {})}


def measured(seen: list[Seen]) -> Figures:
    """How far some pictures are moved, and what of their greys, whites and blacks is left."""
    counted, maps, chroma = Tones(), [], 0.0
    for one in seen:
        before, after = tensor(one.before), tensor(one.after)
        counted += tones(before, after)
        maps.append(delta_e_map(before, after))
        if one.entry.category == BLACK_AND_WHITE:
            chroma = max(chroma, float(np.hypot(*np.moveaxis(lab(after)[..., 1:], -1, 0)).max()))
    each = [float(one.mean()) for one in maps]
    figures = {
        "pictures": len(seen),
        "delta_e": sum(each) / len(each),
        "delta_e_p99": float(np.quantile(np.concatenate([one.ravel() for one in maps]), 0.99)),
        "worst": {"file": seen[int(np.argmax(each))].entry.file, "delta_e": max(each)},
        **counted.figures(),
    }
    return figures | ({"largest_chroma": chroma} if chroma or seen[0].entry.category == BLACK_AND_WHITE else {})


def skin_moved(seen: list[Seen]) -> Figures:
    """What a look does to skin, in pictures of people.

    Skin is taken to be every patch of 8 px whose mean OKLab hue lies between 20 and 60 degrees, its chroma between 0.03
    and 0.14, its lightness between 0.3 and 0.93: faces and hands of all tones, and some wood, brick and sand with them.

    Returns:
        ``turn``: mean turn of the hue, degrees, positive from red by yellow (110 degrees) to green (142): a face may be
        warmer, never greener; ``turn_p95``: its 95th percentile; ``greener``: share of the patches that are turned by
        more than 10 degrees that way; ``chroma``: mean factor; ``lightness``: mean difference, OKLab.
    """
    parts = [skin(tensor(one.before), tensor(one.after)) for one in seen]
    before, after = (torch.cat(side, 1) for side in zip(*parts, strict=True))
    turn = (hue(after) - hue(before) + 180) % 360 - 180
    # what has lost its chroma has no hue to speak of
    turn = torch.where(after[1:].norm(dim=0) < 0.01, torch.zeros(()), turn)
    return {
        "patches": before.shape[1],
        "turn": float(turn.mean()),
        "turn_p95": float(turn.quantile(0.95)),
        "greener": float((turn > 10).float().mean()),
        "chroma": float((after[1:].norm(dim=0) / before[1:].norm(dim=0)).mean()),
        "lightness": float((after[0] - before[0]).mean()),
    }


def skin(before: Tensor, after: Tensor) -> tuple[Tensor, Tensor]:
    """OKLab of the patches that are skin before, (3, k), before and after."""
    was, became = (torch.nn.functional.avg_pool2d(oklab(x), PATCH)[0].flatten(1) for x in (before, after))
    chroma = was[1:].norm(dim=0)
    is_skin = (hue(was) > 20) & (hue(was) < 60) & (chroma > 0.03) & (chroma < 0.14) & (was[0] > 0.3) & (was[0] < 0.93)
    return was[:, is_skin], became[:, is_skin]


def hue(colours: Tensor) -> Tensor:
    """OKLab hue of (3, n), degrees from -180 to 180: red 29, yellow 110, green 142, blue -96."""
    return torch.rad2deg(torch.atan2(colours[2], colours[1]))


def draw(look: str, seen: list[Seen], folder: Path, kind: str) -> None:
    """A sheet of every category: each picture, and under it the result; a mark where it is the look's own ground."""
    folder.mkdir(parents=True, exist_ok=True)
    for category in dict.fromkeys(one.entry.category for one in seen):
        stacks = []
        for one in seen:
            if one.entry.category == category:
                pair = one.before.copy(), one.after.copy()
                for picture in pair:
                    picture.thumbnail((240, 240))
                mark = "" if look in one.entry.looks else " (its ground)"
                stacks.append(labelled(grid([[picture] for picture in pair], gap=2), Path(one.entry.file).name + mark))
        arranged(stacks).save(folder / f"{look}-{category.replace(' ', '-')}.{kind}", quality=84)


def tensor(picture: Image.Image) -> Tensor:
    return as_tensor(np.asarray(picture))


def origin() -> Figures:
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=ROOT).stdout
    return {
        "machine": f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} CPUs",
        "versions": {"torch": torch.__version__, "python": platform.python_version()},
        "commit": commit.strip(),
    }


if __name__ == "__main__":
    main()
