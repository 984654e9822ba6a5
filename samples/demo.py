"""Retouch the sample photographs as a user would, and say where to look: ``python samples/demo.py FOLDER``."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PHOTOS = ("lake-sherburne.jpg", "oakland-zoo-otters.jpg", "canon-s40.crw")


def run(*words: str) -> None:
    print("$ lptn-retouch", *words, flush=True)
    subprocess.run([sys.executable, "-m", "lptn_retouch", *words], check=True)


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    photos = [str(HERE / name) for name in PHOTOS]
    run("apply", *photos, "-p", "retouch", "-o", f"{folder}/", "--overwrite")
    for photo in photos:
        run("compare", photo, "-o", str(folder / f"compare-{Path(photo).stem}.jpg"), "--overwrite")
    for photo in photos:
        run("verify", photo, str(folder / f"{Path(photo).stem}.jpg"))
    page = folder / "batch" / "report.html"
    run(
        "batch",
        str(HERE),
        str(folder / "batch"),
        "--also",
        "web:format=jpg,long-edge=2048,profile=srgb",
        "--report",
        str(page),
    )
    print(f"\nLook into {folder.resolve()}: {len(photos)} retouched photographs, and beside each a comparison sheet.")
    print(f"The folder of samples as a batch is in {page.parent.resolve()}; open {page.name} there in a browser.")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo-out"))
