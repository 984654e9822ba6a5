"""``lptn-retouch compare``: one photograph under several presets, on one sheet."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lptn_retouch.errors import InvalidPresetError, UsageError, shown

if TYPE_CHECKING:
    from PIL.Image import Image

    from lptn_retouch.formats.photo import Photo, Pixels
    from lptn_retouch.preset import Preset

TILE = 900  # px, the longer side of a picture on the sheet
SCREEN = 16 / 9  # width to height of what a sheet is looked at on
_MARGIN, _LABEL, _FONT = 12, 44, 28  # px; to be read on a sheet shown at half its size


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("compare", help="every preset on one sheet", description=__doc__)
    parser.add_argument("input", metavar="INPUT", type=Path)
    parser.add_argument("-p", "--preset", action="append", help="may be given several times (default: all there are)")
    parser.add_argument("-o", "--output", metavar="SHEET", type=Path, required=True, help="the sheet, .jpg or .png")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from lptn_retouch.formats import open_photo
    from lptn_retouch.preset import list_presets, load_preset

    names = args.preset or list_presets()
    if not names:
        raise UsageError("there is no preset to compare; `lptn-retouch presets import` brings one in.")
    photo = open_photo(args.input)
    presets, failed = [], 0
    for name in names:
        try:
            presets.append(load_preset(name))
        except InvalidPresetError as error:  # the others are drawn
            failed += 1
            print(f"lptn-retouch: {error}", file=sys.stderr)
    if presets:
        sheet = contact_sheet(photo, presets)
        print(photo.with_pixels(sheet).save(args.output, quality=90, metadata="none").path)
    return 1 if failed else 0


def contact_sheet(photo: Photo, presets: list[Preset]) -> Pixels:
    """Draw the photo, untouched and then under each preset, with labels.

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
    tiles = [("before", small)] + [(preset.name, Retoucher(preset)(small)) for preset in presets]
    return np.asarray(_arranged([_labelled(tile, label) for label, tile in tiles]))


def _labelled(picture: Image, label: str) -> Image:
    from PIL import Image, ImageDraw, ImageFont

    tile = Image.new("RGB", (picture.width + 2 * _MARGIN, picture.height + _MARGIN + _LABEL), (28, 28, 28))
    tile.paste(picture, (_MARGIN, _MARGIN))
    text, font = shown(label), ImageFont.load_default(_FONT)
    while text != "…" and font.getlength(text) > picture.width:
        text = text.removesuffix("…")[:-1] + "…"
    ImageDraw.Draw(tile).text((_MARGIN, picture.height + _MARGIN + 4), text, fill=(225, 225, 225), font=font)
    return tile


def columns_for(count: int, width: int, height: int) -> int:
    """How many tiles go side by side so that each is as large as can be on a screen.

    Example:
        >>> columns_for(9, 924, 656), columns_for(9, 624, 956), columns_for(2, 924, 256)
        (3, 5, 1)
    """

    def size(columns: int) -> float:
        return min(SCREEN / (columns * width), 1 / (math.ceil(count / columns) * height))

    return max(range(1, count + 1), key=size)


def _arranged(tiles: list[Image]) -> Image:
    from PIL import Image

    w, h = tiles[0].size
    columns = columns_for(len(tiles), w, h)
    sheet = Image.new("RGB", (columns * w, math.ceil(len(tiles) / columns) * h), (28, 28, 28))
    for index, tile in enumerate(tiles):
        sheet.paste(tile, (index % columns * w, index // columns * h))
    return sheet
