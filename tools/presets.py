"""Figures and sheets of every preset: what docs/presets.md shows.

    python tools/presets.py --data ../shared/data [--classifiers DIR] [--only NAME ...] [--save]

For each preset: `lptn-retouch evaluate` on held-out pictures of the set it starts from, on those of its own style, and
on the large photographs.
`--save` writes benchmarks/results/presets.json, docs/presets/NAME.jpg (before and after, every photograph) and
presets/NAME.jpg (the picture of the card).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from PIL import Image, ImageOps

from lptn_retouch.evaluation.sheet import grid

ROOT = Path(__file__).resolve().parent.parent

# preset: pictures it starts from, those it should end among, the classifier of both, two photographs for the card
# (retouch starts from any photograph; those by day tell what it leaves alone, its pairs what it changes)
LOOKS = {
    "winter": ("seasons/summer", "seasons/winter", "summer-winter", ("lake-sherburne", "tea-gardens")),
    "summer": ("seasons/winter", "seasons/summer", "summer-winter", ("lake-sherburne", "oakland-zoo-otters")),
    "autumn": ("seasons/summer", "seasons/autumn", "summer-autumn", ("tea-gardens", "oakland-zoo-otters")),
    "spring": ("seasons/summer", "", "", ("tea-gardens", "lake-sherburne")),
    "golden-hour": ("light/day", "light/golden", "day-golden", ("roman-colosseum", "lake-sherburne")),
    "night": ("light/day", "light/night", "day-night", ("roman-colosseum", "lake-sherburne")),
    "day": ("light/night", "light/day", "day-night", ("singaporean-cityscape", "high-trestle-trail")),
    "retouch": ("light/day", "", "", ("canyon-wren", "oakland-zoo-otters")),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--classifiers", type=Path, help="folder of saved ones; without it nothing is called anything")
    parser.add_argument("--only", nargs="+", choices=LOOKS, default=list(LOOKS))
    parser.add_argument("--save", action="store_true")
    args = parser.parse_args()
    file, figures = ROOT / "benchmarks" / "results" / "presets.json", {}
    for name in args.only:
        print(name, file=sys.stderr)
        figures[name] = measure(name, args.data, args.classifiers)
        if args.save:
            draw(name, args.data / "photos")
    if file.exists():  # the others keep what they have
        figures = json.loads(file.read_text())["presets"] | figures
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=ROOT).stdout
    result = {
        "machine": f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} CPUs",
        "versions": {"torch": torch.__version__, "python": platform.python_version()},
        "commit": commit.strip(),
        "presets": figures,
    }
    text = json.dumps(result, indent=1)
    print(text)
    if args.save:
        file.write_text(text + "\n")


def measure(name: str, data: Path, classifiers: Path | None) -> dict[str, object]:
    """What `evaluate --json` says of a preset, without the single pictures."""
    source, style, classifier, _ = LOOKS[name]
    with sorted_by_eye(data / style / "val", ROOT / "presets" / "sets" / f"{name}-val.txt") as wanted:
        return _measured(name, data, data / source / "val", wanted if style else None, classifier, classifiers)


@contextmanager
def sorted_by_eye(folder: Path, names: Path) -> Iterator[Path]:
    """A folder of pictures, or only those that a list names, where there is a list."""
    if not names.exists():
        yield folder
        return
    with tempfile.TemporaryDirectory() as chosen:
        for name in names.read_text().splitlines():
            if not name.startswith("#"):
                shutil.copy(folder / name, chosen)
        yield Path(chosen)


def _measured(
    name: str, data: Path, source: Path, style: Path | None, classifier: str, classifiers: Path | None
) -> dict[str, object]:
    words = ["--input", str(source)]
    if style:
        words += ["--style", str(style)]
        if classifiers and (classifiers / f"{classifier}.safetensors").exists():
            words += ["--judge", str(classifiers / f"{classifier}.safetensors")]
    figures = _evaluate(name, *words, "--photos", str(data / "photos"))
    if name == "retouch":
        pairs = data / "retouch" / "expert-eval"
        figures["pairs"] = _evaluate(name, "--input", str(pairs / "input"), "--target", str(pairs / "target"))["pairs"]
    return figures


def _evaluate(name: str, *words: str) -> dict[str, object]:
    command = [sys.executable, "-m", "lptn_retouch", "evaluate", name, *words, "--json"]
    return _without_each(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))


def _without_each(figures: dict[str, object]) -> dict[str, object]:
    return {
        key: _without_each(value) if isinstance(value, dict) else value
        for key, value in figures.items()
        if key != "each"
    }


def draw(name: str, photos: Path) -> None:
    """Sheets for the docs and for the card."""
    from lptn_retouch import Retoucher

    retouch = Retoucher(name)
    small: dict[str, Image.Image] = {}
    for file in sorted(photos.glob("*.jpg")):
        small[file.stem] = Image.open(file).convert("RGB")
        small[file.stem].thumbnail((720, 720), Image.Resampling.LANCZOS)
    after = {stem: retouch(picture) for stem, picture in small.items()}
    stems = list(small)
    rows = []
    for k in range(0, len(stems), 5):
        rows += [[pictures[stem] for stem in stems[k : k + 5]] for pictures in (small, after)]
    (ROOT / "docs" / "presets").mkdir(exist_ok=True)
    sheet(rows, 320, 213).save(ROOT / "docs" / "presets" / f"{name}.jpg", quality=84)
    card = [[pictures[stem] for stem in LOOKS[name][3]] for pictures in (small, after)]
    sheet(card, 540, 360).save(ROOT / "presets" / f"{name}.jpg", quality=82)


def sheet(rows: list[list[Image.Image]], width: int, height: int) -> Image.Image:
    """Pictures in rows, each cut to the same frame."""
    return grid([[ImageOps.fit(picture, (width, height)) for picture in row] for row in rows])


if __name__ == "__main__":
    main()
