"""Seconds and memory of the main job, JPEG to JPEG, at 12 and 24 megapixels, as ratios to the codec's own time.

    python benchmarks/apply.py [--save]

Each size runs in a process of its own, so that its peak memory is its own. `--save` writes results/apply.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
SIZES = {"12 MP": (4240, 2832), "24 MP": (6000, 4000)}
RUNS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--save", action="store_true")
    parser.add_argument("--size", choices=SIZES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.size:
        print(json.dumps(measure(*SIZES[args.size])))
        return
    import torch

    import lptn_retouch

    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=HERE).stdout
    result = {
        "machine": f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} CPUs",
        "versions": {
            "lptn_retouch": lptn_retouch.__version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
        "commit": commit.strip(),
        "sizes": {name: one(name) for name in SIZES},
    }
    text = json.dumps(result, indent=1)
    print(text)
    if args.save:
        (HERE / "results").mkdir(exist_ok=True)
        (HERE / "results" / "apply.json").write_text(text + "\n")


def one(name: str) -> dict[str, float]:
    done = subprocess.run([sys.executable, __file__, "--size", name], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def measure(width: int, height: int) -> dict[str, float]:
    """One size: a photograph with grain, opened, retouched and saved; against Pillow opening and saving it."""
    import numpy as np
    from PIL import Image

    from lptn_retouch import Retoucher, open_photo

    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "source.jpg"), Path(folder, "target.jpg")
        photo = Image.open(HERE.parent / "samples" / "lake-sherburne.jpg").resize(
            (width, height), Image.Resampling.LANCZOS
        )
        grain = np.random.default_rng(0).normal(0, 6, (height, width, 1))
        Image.fromarray(np.clip(np.asarray(photo) + grain, 0, 255).astype(np.uint8)).save(source, quality=92)
        del photo, grain
        retoucher = Retoucher("retouch")
        retoucher(np.zeros((64, 64, 3), np.uint8))
        base = resident()
        opened = open_photo(source)

        def codec() -> None:
            Image.open(source).convert("RGB").save(target, quality=92)

        def whole() -> None:
            retoucher(source).save(target)

        def network() -> None:
            retoucher(opened.pixels)

        codec_s = median_time(codec)
        whole_s = median_time(whole)
        network_s = median_time(network)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return {
            "source_mb": round(source.stat().st_size / 1e6, 1),
            "codec_s": round(codec_s, 3),
            "whole_s": round(whole_s, 3),
            "retouch_s": round(network_s, 3),
            "whole_over_codec": round(whole_s / codec_s, 2),
            "peak_over_base_mb": round(peak - base),
        }


def median_time(work: Callable[[], None]) -> float:
    times = []
    for _ in range(RUNS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def resident() -> float:
    """Peak memory of the process so far, MB: what importing and loading took."""
    with Path("/proc/self/statm").open() as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


if __name__ == "__main__":
    main()
