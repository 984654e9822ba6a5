"""The colours of pixels that nobody sees change nothing of those that are seen."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lptn_retouch.color import adobe_rgb_profile
from lptn_retouch.metadata import Metadata
from lptn_retouch.photo import Photo
from lptn_retouch.retoucher import Retoucher

HEIGHT, WIDTH = 120, 160
ROWS, COLUMNS = np.mgrid[:HEIGHT, :WIDTH]
SEEN = ((COLUMNS - 80) / 60) ** 2 + ((ROWS - 60) / 40) ** 2 < 1
COLOURS = np.random.default_rng(5).integers(0, 256, (HEIGHT // 8, WIDTH // 8, 3)).repeat(8, 0).repeat(8, 1)
HIDDEN = {"black": (0, 0, 0), "white": (255, 255, 255), "red": (255, 0, 0)}


def cut_out(colour: tuple[int, int, int], dtype: Any = np.uint8) -> np.ndarray[Any, Any]:
    """The same visible pixels, with that colour in the others."""
    pixels = np.dstack([np.where(SEEN[:, :, None], COLOURS, colour), 255 * SEEN])
    if dtype == np.float32:
        return (pixels / 255).astype(np.float32)
    return (pixels * (np.iinfo(dtype).max // 255)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_hidden_colours_change_no_visible_ones_and_stay(retoucher: Retoucher, dtype: Any) -> None:
    given = {name: cut_out(colour, dtype) for name, colour in HIDDEN.items()}
    results = {name: retoucher(pixels) for name, pixels in given.items()}
    for name, result in results.items():
        assert np.array_equal(result[SEEN], results["black"][SEEN]), name
        assert np.array_equal(result[~SEEN], given[name][~SEEN]), name
        assert np.array_equal(given[name], cut_out(HIDDEN[name], dtype)), "the input is not modified"
    assert not np.array_equal(results["black"][SEEN], given["black"][SEEN])


def test_hidden_colours_change_nothing_in_a_file_or_another_colour_space(tmp_path: Path, retoucher: Retoucher) -> None:
    seen = []
    for name, colour in HIDDEN.items():
        Image.fromarray(cut_out(colour)).save(tmp_path / f"{name}.png")
        wide = Photo(cut_out(colour), "Adobe RGB (1998)", Metadata.build(icc=adobe_rgb_profile()))
        results = [retoucher(tmp_path / f"{name}.png").pixels, retoucher(wide).pixels]
        results.append(np.asarray(retoucher(Image.fromarray(cut_out(colour)))))
        assert all(np.array_equal(result[~SEEN], cut_out(colour)[~SEEN]) for result in results), name
        seen.append([result[SEEN] for result in results])
    for other in seen[1:]:
        assert all(np.array_equal(one, two) for one, two in zip(seen[0], other, strict=True))


def test_a_picture_of_which_nothing_is_visible_is_retouched_as_it_is(retoucher: Retoucher) -> None:
    pixels = np.dstack([COLOURS, np.zeros((HEIGHT, WIDTH), int)]).astype(np.uint8)
    assert np.array_equal(retoucher(pixels)[:, :, :3], retoucher(pixels[:, :, :3]))
