"""Sheets: labelled pictures side by side, to be looked at on a screen."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lptn_retouch.errors import shown

if TYPE_CHECKING:
    from PIL.Image import Image

    from lptn_retouch.photo import Photo

SCREEN = 16 / 9  # width to height of what a sheet is looked at on
MOST = 24  # stacks on one sheet
_MARGIN, _LABEL, _FONT = 12, 44, 28  # px; to be read on a sheet shown at half its size
_GROUND, _INK = (28, 28, 28), (225, 225, 225)


def thumbnail(photo: Photo, side: int) -> Image:
    """A photo in 8 bits of sRGB, without alpha, its longer side ``side`` px at most."""
    import numpy as np
    from PIL import Image

    from lptn_retouch.picture.samples import eight_bits

    small = Image.fromarray(np.ascontiguousarray(eight_bits(photo.pixels)[..., :3]))
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    return Image.fromarray(photo.with_pixels(np.array(small)).to_srgb().pixels)


def labelled(picture: Image, label: str) -> Image:
    """A tile: the picture with its label below; a label wider than the picture ends in an ellipsis."""
    from PIL import Image, ImageDraw, ImageFont

    tile = Image.new("RGB", (picture.width + 2 * _MARGIN, picture.height + _MARGIN + _LABEL), _GROUND)
    tile.paste(picture, (_MARGIN, _MARGIN))
    text, font = shown(label), ImageFont.load_default(_FONT)
    while text != "…" and font.getlength(text) > picture.width:
        text = text.removesuffix("…")[:-1] + "…"
    ImageDraw.Draw(tile).text((_MARGIN, picture.height + _MARGIN + 4), text, fill=_INK, font=font)
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


def arranged(tiles: Sequence[Image]) -> Image:
    """Tiles in rows, each in a cell of the largest one's width and height."""

    columns = columns_for(len(tiles), max(tile.width for tile in tiles), max(tile.height for tile in tiles))
    return grid([tiles[k : k + columns] for k in range(0, len(tiles), columns)])


def grid(rows: Sequence[Sequence[Image]], gap: int = 0) -> Image:
    """Pictures in rows, each in a cell of the largest one's width and height.

    Args:
        gap: between cells, px.

    Example:
        >>> from PIL import Image
        >>> grid([[Image.new("RGB", (3, 2))] * 2, [Image.new("RGB", (1, 4))]], gap=1).size
        (7, 9)
    """
    from PIL import Image

    w = max(picture.width for row in rows for picture in row) + gap
    h = max(picture.height for row in rows for picture in row) + gap
    sheet = Image.new("RGB", (max(map(len, rows)) * w - gap, len(rows) * h - gap), _GROUND)
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            sheet.paste(picture, (x * w, y * h))
    return sheet


def before_and_after(
    apply: Callable[[Image], Image], files: Sequence[Path], targets: Sequence[Path] = (), side: int = 320
) -> Image:
    """A stack for each picture: before, after, and its target if there are any; :data:`MOST` stacks, evenly chosen.

    A preset looks the same at every size, so the pictures are made small first.

    Args:
        files: pictures before, in order.
        targets: as many, or none.
        side: of a picture's longer side, px.

    Raises:
        PhotoError: a picture cannot be read.
    """
    from lptn_retouch.opening import open_photo

    stacks = []
    for k in range(0, len(files), math.ceil(len(files) / MOST)):
        before = thumbnail(open_photo(files[k]), side)
        rows = [before, apply(before)]
        if targets:
            rows.append(thumbnail(open_photo(targets[k]), side).resize(before.size))
        stacks.append(labelled(grid([[row] for row in rows], gap=4), files[k].name))
    return arranged(stacks)
