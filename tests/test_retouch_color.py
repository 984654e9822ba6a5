"""A retouch in the file's own colours: what the preset leaves alone is untouched, and the look is the one of sRGB."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage.color import deltaE_ciede2000, rgb2lab

from lptn_retouch import Photo, Retoucher, open_photo
from lptn_retouch.color import adobe_rgb_profile, converted, matrix_profile, profile_from_cicp, read_profile
from lptn_retouch.errors import UsageError
from lptn_retouch.metadata import Metadata
from tests.places import LAKE

P3 = profile_from_cicp(12, 13)
PROPHOTO = matrix_profile("ProPhoto RGB", ((0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001)), (0.3457, 0.3585), 1.8)
WIDE = {"Adobe RGB": adobe_rgb_profile(), "Display P3": P3, "ProPhoto RGB": PROPHOTO}
every_space = pytest.mark.parametrize("name", WIDE)


def wide(pixels: np.ndarray, name: str) -> Photo:
    return Photo(pixels, name, Metadata.build(icc=WIDE[name]))


@pytest.fixture(scope="module")
def winter(without_gate: Callable[[str], Retoucher]) -> Retoucher:
    return without_gate("winter")


@pytest.fixture(scope="module")
def lake() -> np.ndarray:
    return np.ascontiguousarray(open_photo(LAKE).pixels[::4, ::4, :3])


@every_space
@settings(max_examples=20, deadline=None)
@given(st.sampled_from([np.uint8, np.uint16, np.float32]), st.integers(3, 4), st.integers(0, 2**32))
def test_amount_0_is_the_input_bit_for_bit(name: str, dtype: type, channels: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    if dtype is np.float32:
        pixels = random.random((9, 13, channels), np.float32)
    else:
        pixels = random.integers(0, np.iinfo(dtype).max, (9, 13, channels), dtype, endpoint=True)
    photo = wide(pixels, name)
    result = Retoucher("winter", "cpu")(photo, amount=0, detail=0)
    assert np.array_equal(result.pixels, photo.pixels) and result.pixels.dtype == dtype
    assert result.metadata.icc == photo.metadata.icc


@every_space
def test_where_the_mask_is_empty_wide_colours_come_back_bit_for_bit(name: str, winter: Retoucher) -> None:
    corners = np.array([[[r, g, b] for r in (0, 128, 255) for g in (0, 128, 255) for b in (0, 128, 255)]], np.uint8)
    pixels = corners.repeat(40, 0).repeat(4, 1)
    mask = np.zeros(pixels.shape[:2], np.float32)
    mask[:20] = 1
    result = winter(wide(pixels, name), mask=mask).pixels
    assert np.array_equal(result[20:], pixels[20:])
    assert not np.array_equal(result[:20], pixels[:20])


@every_space
def test_the_look_is_the_one_that_the_same_photograph_gets_in_srgb(
    name: str, winter: Retoucher, lake: np.ndarray
) -> None:
    space, _ = read_profile(WIDE[name])
    there = wide((lake // 2 + 64).astype(np.uint16) * 257, name)  # muted, so that all of it lies inside sRGB
    here = Photo(converted(there.pixels, space))
    result = converted(winter(there).pixels, space) / 65535
    asked = winter(here).pixels / 65535
    error = deltaE_ciede2000(rgb2lab(result), rgb2lab(asked))
    assert error.mean() < 0.2 and np.quantile(error, 0.99) < 1.5
    assert deltaE_ciede2000(rgb2lab(asked), rgb2lab(here.pixels / 65535)).mean() > 3, "the look does something"


def test_a_photograph_taken_for_srgb_would_look_another(winter: Retoucher, lake: np.ndarray) -> None:
    photo = wide(lake, "ProPhoto RGB")
    assert np.abs(winter(photo).pixels.astype(int) - winter(lake).astype(int)).mean() > 2


def test_pil_images_carry_their_profile_too(winter: Retoucher, lake: np.ndarray) -> None:
    image = Image.fromarray(lake)
    image.info["icc_profile"] = WIDE["ProPhoto RGB"]
    result = winter(image)
    assert result.info["icc_profile"] == WIDE["ProPhoto RGB"]
    assert np.array_equal(np.asarray(result), winter(wide(lake, "ProPhoto RGB")).pixels)


def test_in_place_is_the_same_as_beside(tmp_path: Path, winter: Retoucher, lake: np.ndarray) -> None:
    photo = wide(lake, "Adobe RGB")
    path = photo.save(tmp_path / "wide.tif").path
    assert np.array_equal(winter(path).pixels, winter(open_photo(path)).pixels)
    assert np.array_equal(winter(path).pixels, winter(photo).pixels)


def test_the_recipe_says_what_was_done(tmp_path: Path, winter: Retoucher, lake: np.ndarray) -> None:
    path = Photo(lake).save(tmp_path / "lake.png").path
    once = winter(path, amount=0.5)
    assert once.recipe is not None and once.recipe.source_name == "lake.png" and once.recipe.alters == "season"
    assert (once.recipe.preset, once.recipe.amount, once.recipe.masked) == ("winter", 0.5, False)
    twice = Retoucher("retouch", "cpu")(once)
    assert twice.recipe is not None and not twice.recipe.source_sha256, "no single step repeats two"
    assert Retoucher("retouch", "cpu")(path).recipe.alters == ""


def test_floats_that_are_no_numbers_are_refused_in_every_space(winter: Retoucher) -> None:
    pixels = np.full((20, 20, 3), 0.5, np.float32)
    pixels[3, 4] = np.nan
    for photo in (Photo(pixels), wide(pixels, "Adobe RGB")):
        with pytest.raises(UsageError, match="NaN"):
            winter(photo)
