"""The command from process start: one photograph, with compiled code in its cache, and the first time ever."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

from lptn_retouch.bench.figure import Figure, duration
from lptn_retouch.bench.setting import Setting
from lptn_retouch.bench.timing import timed

AT_MOST, AT_MOST_FIRST = 1.8, 10.0  # seconds


def measure(setting: Setting, megapixels: float = 12, *, first_ever: bool = True) -> list[Figure]:
    """Seconds of ``lptn-retouch apply``.

    Args:
        megapixels: of the photograph.
        first_ever: measure also what it takes when nothing is compiled yet.
    """
    source, target = setting.photograph(megapixels), setting.folder / "result.jpg"
    words = [sys.executable, "-m", "lptn_retouch", "apply", str(source), "-o", str(target), "--overwrite"]
    here = os.environ | {"CUDA_VISIBLE_DEVICES": ""}  # on the CPU, as all the others

    def seconds(environment: dict[str, str]) -> float:
        return timed(lambda: subprocess.run(words, env=environment, check=True, capture_output=True))

    setting.tell("  warm cache")
    seconds(here)
    name = f"{megapixels:g} MP"
    runs = [seconds(here) for _ in range(setting.repeats)]
    figures = [duration(name, runs, at_most=AT_MOST, megapixels=megapixels)]
    if first_ever:
        setting.tell("  first ever")
        with tempfile.TemporaryDirectory(dir=setting.folder) as empty:
            runs = [seconds(here | {"NUMBA_CACHE_DIR": empty})]
        figures.append(duration(f"{name}, first ever", runs, at_most=AT_MOST_FIRST, megapixels=megapixels))
    return figures
