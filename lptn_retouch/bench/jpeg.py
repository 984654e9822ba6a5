"""The main job, JPEG to JPEG, against Pillow's own time for opening and saving the same file."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image

from lptn_retouch.bench.figure import Figure, duration, ratio
from lptn_retouch.bench.photograph import QUALITY
from lptn_retouch.bench.setting import Setting
from lptn_retouch.bench.timing import interleaved, timed, worked
from lptn_retouch.opening import open_photo
from lptn_retouch.retoucher import Retoucher

AT_MOST, AIM = 1.5, 1.2
WORK_AT_MOST = 0.8  # of the retouch alone, in seconds of a core
STREAM = 6  # photographs


def measure(setting: Setting, sizes: Sequence[float] = (12, 24)) -> list[Figure]:
    """For each size the ratio, its parts, and seconds a photograph in a stream of them.

    Args:
        sizes: megapixels.
    """
    retoucher, figures = Retoucher("retouch", "cpu"), []
    for size in sizes:
        source = setting.photograph(size)
        setting.tell(f"  {size:g} MP")
        figures += _ratio_and_parts(setting, retoucher, source, size)
        figures.append(_work(setting, retoucher, source, size))
        figures.append(_stream(setting, retoucher, source, size))
    return figures


def pass_through(source: Path, target: Path) -> None:
    """What the codec alone takes: Pillow opens and saves, and nothing is done in between."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # of 200 megapixels we know
        with Image.open(source) as image:
            image.convert("RGB").save(target, quality=QUALITY)


def _ratio_and_parts(setting: Setting, retoucher: Retoucher, source: Path, size: float) -> list[Figure]:
    target = setting.folder / "result.jpg"
    photo = open_photo(source)
    works: dict[str, Callable[[], object]] = {
        "whole": lambda: retoucher(source).save(target),
        "codec": lambda: pass_through(source, target),
        "open": lambda: open_photo(source),
        "retouch": lambda: retoucher(photo.pixels),
        "save": lambda: photo.save(target),
    }
    seconds = interleaved(works, setting.repeats)
    whole = {name: seconds.pop(name) for name in ("whole", "codec")}
    facts = {"aim": AIM, "file_mb": round(source.stat().st_size / 1e6, 2)}
    unit = "times the codec's time"
    parts = [duration(f"{size:g} MP, {name}", runs, megapixels=size) for name, runs in seconds.items()]
    return [
        ratio(f"{size:g} MP", whole, "whole", "codec", unit, at_most=AT_MOST, megapixels=size, facts=facts),
        *parts,
    ]


def _work(setting: Setting, retoucher: Retoucher, source: Path, size: float) -> Figure:
    """What all threads do for a retouch in memory, against the codec, which has one thread."""
    pixels, target = open_photo(source).pixels, setting.folder / "result.jpg"
    works = {"retouch": lambda: retoucher(pixels), "codec": lambda: pass_through(source, target)}
    seconds = interleaved(works, setting.repeats, clock=worked)
    unit = "times the codec's core-seconds"
    name = f"{size:g} MP, in core-seconds"
    return ratio(name, seconds, "retouch", "codec", unit, at_most=WORK_AT_MOST, megapixels=size)


def _stream(setting: Setting, retoucher: Retoucher, source: Path, size: float) -> Figure:
    targets = [setting.folder / f"result-{number}.jpg" for number in range(STREAM)]

    def stream() -> None:
        for target, photo in zip(targets, retoucher.map([source] * STREAM), strict=True):
            photo.save(target)

    runs = [round(timed(stream) / STREAM, 6) for _ in range(setting.repeats)]
    return duration(f"{size:g} MP, in a stream", runs, megapixels=size)
