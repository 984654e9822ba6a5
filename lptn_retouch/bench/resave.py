"""Pillow opens and saves a folder of JPEGs: ``python -m lptn_retouch.bench.resave SOURCE RESULTS QUALITY``.

In as many processes as there are cores, which is as quickly as a program that does nothing to pictures will do it.
"""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from PIL import Image

from lptn_retouch.threads import thread_count


def resave(source: Path, results: Path, quality: int) -> None:
    """Open a JPEG and save it to a folder, with its EXIF and subsampling."""
    with Image.open(source) as image:
        image.save(results / source.name, quality=quality, subsampling="keep", exif=image.info["exif"])


def main(source: Path, results: Path, quality: int) -> None:
    """Save them all."""
    results.mkdir()
    with ProcessPoolExecutor(thread_count()) as pool:
        list(pool.map(partial(resave, results=results, quality=quality), sorted(source.iterdir())))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
