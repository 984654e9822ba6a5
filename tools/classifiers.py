"""Train the four classifiers that presets.py asks: each tells two sets of real photographs apart.

    python tools/classifiers.py FOLDER --data ../shared/data

Writes FOLDER/summer-winter.safetensors and three more, minutes each on one core, and prints how many of the held-out
pictures each names rightly. Where presets/sets has a list of the pictures that are truly of a set, only those count.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from lptn_retouch.evaluation.classifier import accuracy, train_classifier
from lptn_retouch.training.data.pictures import list_pictures
from lptn_retouch.training.run.lessons import kept

SETS = Path(__file__).resolve().parent.parent / "presets" / "sets"
CLASSIFIERS = {
    "summer-winter": ("seasons/summer", "seasons/winter"),
    "summer-autumn": ("seasons/summer", "seasons/autumn"),
    "day-night": ("light/day", "light/night"),
    "day-golden": ("light/day", "light/golden"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the classifiers are written")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=CLASSIFIERS, default=list(CLASSIFIERS))
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    for name in args.only:
        learnt, held = (
            {Path(each).name: pictures(args.data / each / part) for each in CLASSIFIERS[name]}
            for part in ("train", "val")
        )
        classifier = train_classifier(learnt)
        classifier.save(args.folder / f"{name}.safetensors")
        right = ", ".join(f"{one} {share:.0%} of {len(held[one])}" for one, share in accuracy(classifier, held).items())
        print(f"{name}: {right}", flush=True)


def pictures(folder: Path) -> list[Path]:
    """Those of a set's folder that are truly of the set, where a list says so."""
    names = SETS / f"{folder.parent.name}{'-val' if folder.name == 'val' else ''}.txt"
    return kept(list_pictures(folder), names if names.exists() else None)


if __name__ == "__main__":
    main()
