"""``lptn-retouch compare``: one photograph under several presets, on one sheet."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

from lptn_retouch.errors import UsageError

if TYPE_CHECKING:
    from PIL.Image import Image

    from lptn_retouch.formats.photo import Photo, Pixels

TILE = 900  # px, the longer side of a picture on the sheet
_MARGIN, _LABEL = 12, 34


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("compare", help="every preset on one sheet", description=__doc__)
    parser.add_argument("input", metavar="INPUT", type=Path)
    parser.add_argument("-p", "--preset", action="append", help="may be given several times (default: all there are)")
    parser.add_argument("-o", "--output", metavar="SHEET", type=Path, required=True, help="the sheet, .jpg or .png")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from lptn_retouch.formats import open_photo
    from lptn_retouch.preset import list_presets

    names = args.preset or list_presets()
    if not names:
        raise UsageError("there is no preset to compare; `lptn-retouch presets import` brings one in.")
    photo = open_photo(args.input)
    sheet = contact_sheet(photo, names)
    saved = photo.with_pixels(sheet).save(args.output, quality=90, metadata="none")
    print(saved.path)
    return 0


def contact_sheet(photo: Photo, names: list[str]) -> Pixels:
    """Draw the photo, untouched and under each preset, with labels.

    A preset looks the same at every size, so the pictures are made small first.

    Returns:
        (H, W, 3) uint8.
    """
    import numpy as np
    from PIL import Image

    from lptn_retouch.formats.encode import eight_bits
    from lptn_retouch.retoucher import Retoucher

    small = Image.fromarray(np.ascontiguousarray(eight_bits(photo.pixels)[..., :3]))
    small.thumbnail((TILE, TILE), Image.Resampling.LANCZOS)
    tiles = [("before", small)] + [(name, Retoucher(name)(small)) for name in names]
    return np.asarray(_arranged([_labelled(tile, label) for label, tile in tiles]))


def _labelled(picture: Image, label: str) -> Image:
    from PIL import Image, ImageDraw, ImageFont

    tile = Image.new("RGB", (picture.width + 2 * _MARGIN, picture.height + _MARGIN + _LABEL), (28, 28, 28))
    tile.paste(picture, (_MARGIN, _MARGIN))
    place = (_MARGIN, picture.height + _MARGIN + 4)
    ImageDraw.Draw(tile).text(place, label, fill=(225, 225, 225), font=ImageFont.load_default(20))
    return tile


def _arranged(tiles: list[Image]) -> Image:
    from PIL import Image

    w, h = tiles[0].size
    columns = math.ceil(math.sqrt(len(tiles)))
    sheet = Image.new("RGB", (columns * w, math.ceil(len(tiles) / columns) * h), (28, 28, 28))
    for index, tile in enumerate(tiles):
        sheet.paste(tile, (index % columns * w, index // columns * h))
    return sheet
