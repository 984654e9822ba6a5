"""How much of a photograph's metadata survives being written again, by us and by what people use otherwise.

    python tools/retention.py --data ../shared/data --meter ../shared/tools/metadata_diff.py
        [--into KIND ...] [--methods NAME ...] [--every N] [--save]

Every camera's JPEG and RAW is written into every container by every method, and ExifTool, which none but one of the
methods uses, says which tags are still there with the same value. `--save` writes benchmarks/results/retention.json and
the table in docs/metadata.md.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import piexif
from PIL import Image, ImageOps, PngImagePlugin

from lptn_retouch import open_photo

ROOT = Path(__file__).resolve().parent.parent
RESULT, PAGE = ROOT / "benchmarks" / "results" / "retention.json", ROOT / "docs" / "metadata.md"
ENDINGS = {"JPEG": ".jpg", "PNG": ".png", "TIFF": ".tif", "WebP": ".webp", "AVIF": ".avif", "JPEG XL": ".jxl"}
PILLOW = {"JPEG": "JPEG", "PNG": "PNG", "TIFF": "TIFF", "WebP": "WEBP", "AVIF": "AVIF"}
FROM_RAW = ("JPEG", "TIFF")
FAMILIES = ("EXIF", "GPS", "MakerNotes", "XMP", "IPTC", "ICC_Profile", "Photoshop")
HELD = dict.fromkeys(ENDINGS, FAMILIES) | dict.fromkeys(("WebP", "AVIF", "JPEG XL"), (*FAMILIES[:4], "ICC_Profile"))
"""Families that a container has a place for."""
PLAIN: dict[str, dict[str, Any]] = {"JPEG": {"quality": 92}, "WebP": {"quality": 92, "method": 0},
                                    "AVIF": {"quality": 80, "speed": 10}, "PNG": {"compress_level": 1},
                                    "TIFF": {}}  # fmt: skip
Figures = dict[str, Any]
Write = Callable[[Path, Path, str], None]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that has camera-jpegs/ and raw/ in it")
    parser.add_argument("--meter", type=Path, required=True, help="the script that compares the tags by ExifTool")
    parser.add_argument("--into", nargs="+", choices=ENDINGS, default=list(ENDINGS))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--every", type=int, default=1, help="take every Nth file only")
    parser.add_argument("--save", action="store_true")
    args = parser.parse_args()
    start = time.monotonic()
    result: Figures = {
        "machine": f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} CPUs",
        "versions": _versions(),
        "commit": _said(["git", "rev-parse", "--short", "HEAD"]),
    }
    for sources, folder, kinds in (("JPEG", "camera-jpegs", ENDINGS), ("RAW", "raw", FROM_RAW)):
        files = sorted((args.data.resolve() / folder).iterdir())[:: args.every]
        result[f"from {sources}"] = {
            kind: {
                name: measured(files, name, kind, args.meter.resolve())
                for name in args.methods
                if kind in METHODS[name][1] and not (sources == "RAW" and name == "ours, retouched")
            }
            for kind in kinds
            if kind in args.into
        }
    result["seconds"] = round(time.monotonic() - start)
    print(json.dumps(result, indent=1))
    print(table(result), file=sys.stderr)
    if args.save:
        RESULT.write_text(json.dumps(result, indent=1) + "\n")
        write_page(table(result))
    return 0


def measured(files: list[Path], method: str, kind: str, meter: Path) -> Figures:
    """Write each file by a method, and count what is left of its tags."""
    print(f"{method} into {kind}", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        targets = {file: Path(folder, f"{i:03}{ENDINGS[kind]}") for i, file in enumerate(files)}
        failures = write_all(targets, method, kind)
        written = {source: target for source, target in targets.items() if source not in failures}
        missing = {source: Path(folder, "missing") for source in failures}
        rows, families = metered(written, meter)
        lost = sum(int(row["tags"]) for row in metered(missing, meter)[0])
        turned = sum(is_turned(source, target) for source, target in written.items() if not _is_raw(source))
    tags, kept = (sum(int(row[name]) for row in rows) for name in ("tags", "kept"))
    held = [sum(families.get(name, (0, 0))[i] for name in HELD[kind]) for i in (0, 1)]
    return {
        "files": len(written),
        "failed": len(failures),
        "tags": tags,
        "kept": _percent(kept, tags),
        "kept_with_failures": _percent(kept, tags + lost),
        "kept_of_held": _percent(*held),
        "families": {name: _percent(*families[name]) for name in HELD[kind] if name in families},
        "intact": sum(row["tags"] == row["kept"] for row in rows),
        "new_warnings": sum(bool(row["new_warnings"]) for row in rows),
        "wrong_turns": turned,
        "credentials_carried": sum(row["c2pa_carried"] == "True" for row in rows),
        "failures": {source.name: words for source, words in failures.items()},
        "worst": [
            {"file": Path(row["in"]).name, "kept": float(row["retention"]), "lost": row["lost_names"][:160],
             "changed": row["changed_names"][:160], "warnings": row["new_warnings"]}
            for row in sorted(rows, key=lambda row: float(row["retention"] or 100))[:3]
            if row["tags"] != row["kept"] or row["new_warnings"]
        ],
    }  # fmt: skip


def write_all(targets: dict[Path, Path], method: str, kind: str) -> dict[Path, str]:
    """The files that a method could not write, and why."""
    if method == "ours, retouched":
        return retouch_all(targets)
    write, _ = METHODS[method]

    def one(source: Path) -> str:
        try:
            write(source, targets[source], kind)
        except Exception as error:
            return " ".join(f"{type(error).__name__}: {error}".split())[:200]
        return "" if targets[source].exists() else "no file was written"

    with ThreadPoolExecutor(2) as pool:
        return {source: words for source, words in zip(targets, pool.map(one, targets), strict=True) if words}


def metered(pairs: dict[Path, Path], meter: Path) -> tuple[list[dict[str, str]], dict[str, tuple[int, int]]]:
    """What ExifTool finds: a row for each file, and kept and all tags of each family."""
    if not pairs:
        return [], {}
    with tempfile.TemporaryDirectory() as folder:
        table, found = Path(folder, "pairs.tsv"), Path(folder, "found.csv")
        table.write_text("".join(f"{source}\t{target}\n" for source, target in pairs.items()))
        words = ["--pairs", str(table), "--csv", str(found), "--pixels"]
        if any(target.suffix == ".jxl" for target in pairs.values()):
            words.append("--rotated")  # the script cannot look at the pixels; `is_turned` does
        said = _said([sys.executable, str(meter), *words])
        with found.open(newline="") as file:
            rows = list(csv.DictReader(file))
    families = {}
    for line in re.finditer(r"^  (\w+) +(\d+) kept .*changed +(\d+) lost +(\d+)$", said, re.MULTILINE):
        count, changed, lost = (int(number) for number in line.groups()[1:])
        families[line[1]] = (count - changed - lost, count)
    return rows, families


def is_turned(source: Path, result: Path) -> bool:
    """Whether viewers show the result mirrored or turned against its source.

    Each is made upright as its own format asks: AVIF and JPEG XL by their coded properties, the others by EXIF.
    """
    before, after = (_shown(path) for path in (source, result))
    ways = [np.rot90(way, turns) for way in (after, after[:, ::-1]) for turns in range(4)]
    likeness = [float((before * way).mean()) for way in ways]
    return max(likeness) > max(0.5, likeness[0] + 0.02)


def _shown(path: Path) -> np.ndarray:
    if path.suffix == ".jxl":
        pixels = imagecodecs.jpegxl_decode(path.read_bytes())[..., :3]
        image = Image.fromarray((pixels >> 8).astype(np.uint8) if pixels.dtype == np.uint16 else pixels)
    else:
        with warnings.catch_warnings(action="ignore"), Image.open(path) as opened:
            image = ImageOps.exif_transpose(opened)
    grey = np.asarray(image.convert("L").resize((48, 48), Image.Resampling.BOX), float)
    return (grey - grey.mean()) / (grey.std() + 1e-6)


def ours(source: Path, target: Path, _: str) -> None:
    """`open_photo` and `save`: the metadata goes the same way with a retouch between."""
    open_photo(source).save(target)


def retouch_all(targets: dict[Path, Path]) -> dict[Path, str]:
    """The whole command, the network included."""
    folder = next(iter(targets.values())).parent / "retouched"
    words = ["apply", *map(str, targets), "-o", f"{folder}/", "--format", "jpg"]
    done = subprocess.run([sys.executable, "-m", "lptn_retouch", *words], capture_output=True, text=True)
    failures = {}
    for source, target in targets.items():
        result = folder / f"{source.stem}.jpg"
        if result.exists():
            result.rename(target)
        else:
            failures[source] = next((line for line in done.stderr.splitlines() if source.name in line), "")[:200]
    return failures


def by_exiftool(source: Path, target: Path, kind: str) -> None:
    """Pixels alone, then all tags copied."""
    save_plain(source, target, kind)
    copy = ["-tagsfromfile", str(source), "-all:all", "-unsafe", "-icc_profile"]
    done = subprocess.run(["exiftool", "-overwrite_original", *copy, str(target)], capture_output=True, text=True)
    if done.returncode:
        raise OSError(done.stderr.strip())


def by_pillow(source: Path, target: Path, kind: str) -> None:
    """All that Pillow can be given to save: EXIF as bytes, the ICC profile, XMP, the comment, the resolution."""
    with Image.open(source) as image:
        info = dict(image.info)
        xmp = info.get("xmp")
        exif = info.get("exif") or (image.getexif().tobytes() if _is_raw(source) else None)
    words: dict[str, Any] = {"exif": exif, "icc_profile": info.get("icc_profile"), "dpi": info.get("dpi")}
    if kind == "PNG":
        texts = PngImagePlugin.PngInfo()
        if xmp:
            texts.add_itxt("XML:com.adobe.xmp", xmp.decode("utf-8", "replace"))
        if "comment" in info:
            texts.add_text("Comment", info["comment"].decode("latin-1"))
        words["pnginfo"] = texts
    elif kind == "TIFF":
        words["tiffinfo"] = {700: xmp} if xmp else None
    else:
        words |= {"xmp": xmp, "comment": info.get("comment") if kind == "JPEG" else None}
    save_plain(source, target, kind, **{name: value for name, value in words.items() if value is not None})


def by_piexif(source: Path, target: Path, kind: str) -> None:
    """EXIF alone, taken apart and built anew."""
    save_plain(source, target, kind)
    piexif.insert(piexif.dump(piexif.load(str(source))), str(target))


def save_plain(source: Path, target: Path, kind: str, **words: Any) -> None:
    """The pixels as they are stored, with whatever is given; of a RAW the developed ones."""
    with warnings.catch_warnings(action="ignore"):
        if _is_raw(source):
            pixels = open_photo(source).pixels
            image = Image.fromarray((pixels >> 8).astype(np.uint8) if pixels.dtype == np.uint16 else pixels)
        else:
            image = Image.open(source).convert("RGB")
        image.info = {}
        if kind == "JPEG XL":
            target.write_bytes(imagecodecs.jpegxl_encode(np.asarray(image), usecontainer=True))
            return
        image.save(target, PILLOW[kind], **PLAIN[kind], **words)


def _is_raw(source: Path) -> bool:
    return source.suffix.lower() in (".dng", ".crw", ".cr2", ".kdc", ".nef", ".arw", ".raf", ".orf", ".rw2")


METHODS: dict[str, tuple[Write, tuple[str, ...]]] = {
    "ours": (ours, tuple(ENDINGS)),
    "ours, retouched": (ours, ("JPEG",)),
    "exiftool": (by_exiftool, tuple(ENDINGS)),
    "Pillow": (by_pillow, tuple(PILLOW)),
    "piexif": (by_piexif, ("JPEG", "WebP")),
}


def table(result: Figures) -> str:
    """The figures as a table in Markdown."""
    heads = ("from", "into", "by", "files", "failed", "kept %", "with failures %", "of what it can hold %",
             "EXIF", "GPS", "MakerNotes", "XMP", "IPTC", "ICC", "Photoshop", "intact", "new warnings",
             "wrong turns")  # fmt: skip
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for source in ("JPEG", "RAW"):
        for kind, methods in result[f"from {source}"].items():
            for name, row in methods.items():
                families = [_cell(row["families"].get(family)) for family in FAMILIES]
                cells = [source, kind, name, row["files"], row["failed"], _cell(row["kept"]),
                         _cell(row["kept_with_failures"]), _cell(row["kept_of_held"]), *families, row["intact"],
                         row["new_warnings"], "-" if source == "RAW" else row["wrong_turns"]]  # fmt: skip
                lines.append(f"| {' | '.join(map(str, cells))} |")
    software = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
    return "\n".join(lines) + f"\n\n{result['machine']}; {software}; commit {result['commit']}.\n"


def write_page(text: str) -> None:
    """Put the table between its two markers."""
    opening, closing = "<!-- retention -->", "<!-- /retention -->"
    before, _, rest = PAGE.read_text().partition(opening)
    after = rest.partition(closing)[2]
    PAGE.write_text(f"{before}{opening}\n{text}{closing}{after}")


def _cell(percent: float | None) -> str:
    return "-" if percent is None else f"{percent:.1f}" if percent < 99.95 or percent == 100 else "99.9"


def _percent(part: int, whole: int) -> float | None:
    return round(100 * part / whole, 2) if whole else None


def _versions() -> dict[str, str]:
    names = ("lptn-retouch", "pillow", "piexif", "imagecodecs", "rawpy")
    return {name: version(name) for name in names} | {"exiftool": _said(["exiftool", "-ver"])}


def _said(words: list[str]) -> str:
    return subprocess.run(words, capture_output=True, text=True, cwd=ROOT, check=True).stdout.rstrip()


if __name__ == "__main__":
    sys.exit(main())
