"""Draw what every preset makes of pictures that few looks are meant for: a portrait, a pet, food, night, screens.

    python tools/everyday.py --data ../shared/data

Writes docs/presets/everyday.jpg: a row a picture, first as it is. The pictures may be published: CC0 photographs of
data/photos, those that scikit-image brings along (CC0, or NASA's and free of known restrictions), and drawn ones.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from off_ground import LOOKS
from off_ground_drawn import DRAWN
from PIL import Image, ImageDraw, ImageFont
from skimage import data as skimage_data

from lptn_retouch import Retoucher, open_photo
from lptn_retouch.evaluation.sheet import thumbnail
from presets import ROOT, sheet

FRAME = 144, 108  # px of a picture on the sheet
HEAD = 20  # px
SEEN = 480  # px, the longer side at which a picture is retouched
BUNDLED = ("astronaut", "chelsea", "coffee", "rocket")  # a portrait indoors, a cat, food, dusk
PHOTOS = ("piazza-gae-aulenti", "singaporean-cityscape")  # from inside, and a skyline at night
DRAWINGS = ("window", "window-dark", "fireworks")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "presets" / "everyday.jpg")
    args = parser.parse_args()
    pictures = [Image.fromarray(getattr(skimage_data, name)()) for name in BUNDLED]
    pictures[0] = pictures[0].crop((0, 0, 512, 384))  # the face, not the middle
    pictures += [thumbnail(open_photo(args.data / "photos" / f"{name}.jpg"), SEEN) for name in PHOTOS]
    pictures += [DRAWN[name]() for name in DRAWINGS]
    for picture in pictures:
        picture.thumbnail((SEEN, SEEN), Image.Resampling.LANCZOS)
    columns = [pictures] + [[retouch(picture) for picture in pictures] for retouch in map(Retoucher, LOOKS)]
    rows = sheet([list(row) for row in zip(*columns, strict=True)], *FRAME)
    page = Image.new("RGB", (rows.width, rows.height + HEAD), "white")
    page.paste(rows, (0, HEAD))
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(13)
    for k, name in enumerate(("as it is", *LOOKS)):
        draw.text((k * FRAME[0] + 4, 2), name, fill="black", font=font)
    page.save(args.out, quality=76, optimize=True)


if __name__ == "__main__":
    main()
