"""Memory and seconds by size, each size in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from lptn_retouch.bench.figure import Figure
from lptn_retouch.bench.setting import Setting

SIZES = (4.0, 12.0, 24.0, 50.0, 100.0, 200.0)
QUICK = 24.0  # the largest size of a quick run
PEAKS = {24.0: 120.0}  # MB at most
DEVIATION = 10.0  # percent at most that a peak may lie off the line through all
EVENNESS = 1.25  # at most, of seconds a megapixel


def measure(setting: Setting, sizes: Sequence[float] | None = None) -> list[Figure]:
    """One figure a size, its peak; then how far the peaks lie off a line, and how even time a megapixel is.

    Args:
        sizes: megapixels; None for the usual ones.
    """
    sizes = [size for size in sizes or SIZES if sizes or size <= QUICK or not setting.quick]
    peaks = [_alone(setting, size) for size in sizes]
    if len(sizes) < 2:
        return peaks
    offset, slope, deviations = line(sizes, [figure.measured for figure in peaks])
    growth = Figure(
        "growth, off a line",
        100 * float(np.abs(deviations).max()),
        "%",
        at_most=DEVIATION,
        facts={"mb_per_megapixel": round(slope, 2), "mb_at_none": round(offset, 1)},
    )
    pace = {f"{figure.megapixels:g} MP": figure.facts["seconds_per_megapixel"] for figure in peaks}
    evenness = Figure(
        "pace, most over least",
        max(pace.values()) / min(pace.values()),
        "times",
        at_most=EVENNESS,
        facts={"seconds_per_megapixel": pace},
    )
    return [*peaks, growth, evenness]


def line(sizes: Sequence[float], peaks: Sequence[float]) -> tuple[float, float, npt.NDArray[np.float64]]:
    """The line to which peaks come nearest, each counted by its own size.

    Returns:
        What it starts with, what it rises by, and each peak's deviation as a part of what the line says.

    Example:
        >>> offset, slope, deviations = line([4, 12, 24], [70, 130, 220])
        >>> round(offset), round(slope, 1), bool((abs(deviations) < 1e-9).all())
        (40, 7.5, True)
    """
    weights = 1 / np.asarray(peaks, np.float64)
    slope, offset = np.polyfit(np.asarray(sizes, np.float64), np.asarray(peaks, np.float64), 1, w=weights)
    fitted = offset + slope * np.asarray(sizes)
    return float(offset), float(slope), np.asarray(peaks) / fitted - 1


def _alone(setting: Setting, size: float) -> Figure:
    source, target = setting.photograph(size), setting.folder / "result.jpg"
    setting.tell(f"  {size:g} MP")
    words = [sys.executable, "-m", "lptn_retouch.bench.alone", str(source), str(target)]
    said = json.loads(subprocess.run(words, stdout=subprocess.PIPE, check=True).stdout)
    return Figure(
        f"{size:g} MP",
        (said["peak"] - said["base"]) / 1e6,
        "MB",
        at_most=PEAKS.get(size),
        megapixels=size,
        seconds=said["seconds"],
        facts={
            "base_mb": round(said["base"] / 1e6, 1),
            "file_mb": round(source.stat().st_size / 1e6, 2),
            "seconds_per_megapixel": round(min(said["seconds"]["whole"]) / size, 5),
        },
    )
