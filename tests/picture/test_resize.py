"""Results made smaller, in pixels and in bytes: crisp without halos, and the best quality that fits."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lptn_retouch import Photo, open_photo, retouch
from lptn_retouch.batch.settings import Output
from lptn_retouch.batch.words import bytes_of
from lptn_retouch.budget import LEAST, best_within
from lptn_retouch.cli import main
from lptn_retouch.errors import UnwritablePhotoError, UsageError
from lptn_retouch.metadata.recipe import read_recipe
from tests.places import LAKE


def luma(pixels: Any) -> Any:
    return pixels[..., :3].astype(float) @ [0.299, 0.587, 0.114]


def acutance(pixels: Any) -> float:
    """The mean slope of luma, in levels a pixel."""
    grey = luma(pixels)
    return float(np.hypot(np.diff(grey, axis=0)[:, 1:], np.diff(grey, axis=1)[1:]).mean())


def overshoot(plain: Any, sharp: Any) -> float:
    """How far samples left the range of their neighbours, in levels."""
    around = np.pad(luma(plain), 1, mode="edge")
    near = np.lib.stride_tricks.sliding_window_view(around, (3, 3))
    return float(np.maximum(luma(sharp) - near.max((2, 3)), near.min((2, 3)) - luma(sharp)).max())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["roman-colosseum", "tea-gardens", "singaporean-cityscape"])
def test_a_photograph_is_crisper_and_has_no_halo(shared: Path, name: str) -> None:
    photo = open_photo(shared / "data" / "photos" / f"{name}.jpg")
    plain, sharp = (photo.fitted(1200, sharpen=sharpen).pixels for sharpen in (False, True))
    assert 1.1 < acutance(sharp) / acutance(plain) < 1.4
    assert overshoot(plain, sharp) < 4.5  # a fiftieth of what black and white differ by
    chroma = [pixels - luma(pixels)[..., None] for pixels in (plain, sharp)]
    clipped = ((sharp == 0) | (sharp == 255)).any(2)
    moved = np.abs(chroma[1] - chroma[0])[~clipped]
    assert np.quantile(moved, 0.99) < 1.2, "edges have got a colour"


@pytest.mark.slow
def test_the_more_it_is_reduced_the_more_it_is_sharpened() -> None:
    photo = open_photo(LAKE)
    gains = []
    for edge in (photo.width * 9 // 10, photo.width // 2, photo.width // 5):
        gains.append(acutance(photo.fitted(edge).pixels) / acutance(photo.fitted(edge, sharpen=False).pixels))
    assert 1 < gains[0] < 1.06 < gains[1] < gains[2]


def test_grain_is_hardly_sharpened() -> None:
    noise = np.random.default_rng(1).normal(120, 2, (800, 800, 1)).repeat(3, 2)
    photo = Photo(np.rint(noise).astype(np.uint8))
    plain, sharp = (photo.fitted(400, sharpen=sharpen).pixels.astype(float).std() for sharpen in (False, True))
    assert sharp < 1.1 * plain


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
@pytest.mark.parametrize("channels", [3, 4])
def test_every_depth_is_sharpened_alike(dtype: type, channels: int) -> None:
    pixels = open_photo(LAKE).fitted(600, sharpen=False).pixels
    if channels == 4:
        pixels = np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)])
    deep = pixels.astype(np.float32) / 255 if dtype == np.float32 else pixels.astype(np.uint16) * np.uint16(257)
    small, smaller = Photo(deep).fitted(200).pixels, Photo(pixels).fitted(200).pixels
    assert small.dtype == dtype
    levels = small * (255.0 if dtype == np.float32 else 1 / 257)
    assert np.abs(levels - smaller).mean() < 0.5
    assert channels == 3 or (smaller[..., 3] == 255).all()


def test_what_is_transparent_is_not_sharpened() -> None:
    pixels = np.dstack([open_photo(LAKE).fitted(400, sharpen=False).pixels] * 2)[..., :4].copy()
    pixels[..., 3] = 0
    plain, sharp = (Photo(pixels).fitted(200, sharpen=sharpen).pixels for sharpen in (False, True))
    assert np.array_equal(plain, sharp)


def test_a_photo_that_is_small_enough_is_left_alone() -> None:
    photo = Photo(np.zeros((30, 40, 3), np.uint8))
    assert photo.fitted(40) is photo
    for wrong in (0, 2.5, True, "200"):
        with pytest.raises(UsageError):
            photo.fitted(wrong)  # type: ignore[arg-type]


def test_without_sharpening_it_is_what_lanczos_filter_makes_of_it() -> None:
    photo = open_photo(LAKE)
    size = (500, round(photo.height * 500 / photo.width))
    wanted = Image.fromarray(photo.pixels).resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    assert np.array_equal(photo.fitted(500, sharpen=False).pixels, np.asarray(wanted))


@pytest.mark.slow
def test_apply_makes_it_smaller_and_redo_does_it_again(tmp_path: Path) -> None:
    for name, more in (("sharp", []), ("plain", ["--no-sharpen"])):
        result = tmp_path / f"{name}.png"
        assert main(["apply", str(LAKE), "--long-edge", "300", *more, "-o", str(result)]) == 0
        assert max(open_photo(result).pixels.shape) == 300
        assert main(["redo", str(result), "--source", str(LAKE)]) == 0
        assert result.with_name(f"{name}-redo.png").read_bytes() == result.read_bytes()
    sharp, plain = (open_photo(tmp_path / f"{name}.png").pixels for name in ("sharp", "plain"))
    assert acutance(sharp) > 1.1 * acutance(plain)
    recipe = read_recipe(open_photo(tmp_path / "plain.png").metadata)
    assert recipe is not None and not recipe.sharpened, "as in recipes from before, which say nothing of it"


# Bytes.


@pytest.mark.slow
@given(
    st.lists(st.integers(0, 50), min_size=100, max_size=100),
    st.integers(1, 100),
    st.integers(1, 100),
    st.integers(1, 3000),
)
def test_the_best_quality_that_fits_is_found(steps: list[int], quality: int, least: int, most: int) -> None:
    sizes = np.cumsum(steps)  # a better quality is never smaller
    tried: list[int] = []

    def encode(at: int) -> tuple[int, int]:
        tried.append(at)
        return at, int(sizes[at - 1])

    found, size = best_within(most, quality, encode, lambda coded: coded[1], least)
    fitting = [at for at in range(min(least, quality), quality + 1) if sizes[at - 1] <= most]
    assert found == (max(fitting) if fitting else min(least, quality))
    assert (size <= most) == bool(fitting) and len(tried) <= 8


@pytest.mark.slow
@pytest.mark.parametrize("ending", [".jpg", ".webp", ".avif", ".jxl"])
def test_a_file_is_as_large_as_allowed_and_no_larger(tmp_path: Path, ending: str) -> None:
    photo = retouch(open_photo(LAKE).fitted(300))
    whole = photo.save(tmp_path / f"whole{ending}").path.stat().st_size
    bare = photo.save(tmp_path / f"bare{ending}", quality=LEAST).path.stat().st_size
    for most in (whole, (2 * whole + bare) // 3, (whole + bare) // 2, bare):
        path = photo.save(tmp_path / f"fits{ending}", max_size=most).path
        recipe = read_recipe(open_photo(path).metadata)
        assert path.stat().st_size <= most and recipe is not None and recipe.quality
        again = photo.save(tmp_path / f"again{ending}", quality=recipe.quality).path
        assert again.read_bytes() == path.read_bytes(), "what the recipe says makes the same file"
        if recipe.quality < 92:
            better = photo.save(tmp_path / f"better{ending}", quality=recipe.quality + 1).path
            assert better.stat().st_size > most
    photo.save(tmp_path / f"capped{ending}", max_size=10 * whole, quality=60)
    capped = read_recipe(open_photo(tmp_path / f"capped{ending}").metadata)
    assert capped is not None and capped.quality == 60


@pytest.mark.slow
@pytest.mark.parametrize("ending", [".jpg", ".png"])
def test_what_cannot_fit_is_told_with_a_size_that_can(
    tmp_path: Path, ending: str, one_sentence: Callable[[object], str]
) -> None:
    photo = replace(open_photo(LAKE).fitted(900), metadata=open_photo(LAKE).metadata)
    most = photo.save(tmp_path / f"a{ending}", quality=LEAST).path.stat().st_size // 2
    with pytest.raises(UnwritablePhotoError) as caught:
        photo.save(tmp_path / f"b{ending}", max_size=most)
    sentence = one_sentence(caught.value)
    assert not (tmp_path / f"b{ending}").exists()
    assert ("quality 40" in sentence) == (ending == ".jpg")
    edge = re.search(r"--long-edge (\d+)", sentence)
    assert edge is not None
    assert photo.fitted(int(edge[1])).save(tmp_path / f"c{ending}", max_size=most).path.stat().st_size <= most


@pytest.mark.parametrize("wrong", [0, -1, 1.5, True, "500KB"])
def test_a_wrong_size_is_refused(tmp_path: Path, wrong: Any, one_sentence: Callable[[object], str]) -> None:
    with pytest.raises(UsageError) as caught:
        Photo(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / "a.jpg", max_size=wrong)
    one_sentence(caught.value)


@pytest.mark.parametrize("text", ["", "KB", "0", "0.0001KB", "5 parrots", "-1MB", "1e9", "inf", "9" * 20])
def test_what_is_no_size_is_told(text: str, one_sentence: Callable[[object], str]) -> None:
    with pytest.raises(UsageError) as caught:
        bytes_of(text)
    one_sentence(caught.value)


@pytest.mark.slow
def test_the_command_fits_files_to_a_size_and_redo_repeats_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = tmp_path / "web.jpg"
    assert main(["apply", str(LAKE), "--long-edge", "640", "--max-size", "60KB", "-o", str(result)]) == 0
    assert 40_000 < result.stat().st_size <= 60_000
    assert main(["redo", str(result), "--source", str(LAKE)]) == 0
    assert result.with_name("web-redo.jpg").read_bytes() == result.read_bytes()
    capsys.readouterr()
    assert main(["apply", str(LAKE), "--max-size", "60KB", "-o", str(tmp_path / "large.jpg")]) == 1
    assert "--long-edge" in capsys.readouterr().err and not (tmp_path / "large.jpg").exists()


def test_an_output_of_a_batch_takes_all_of_it() -> None:
    output = Output.parse("web:long-edge=2048,sharpen=no,max-size=1.5MB")
    assert (output.long_edge, output.sharpen, output.max_size) == (2048, False, 1_500_000)
    for wrong in ("web:sharpen=much", "web:max-size=little", "web:max-size=0"):
        with pytest.raises(UsageError):
            Output.parse(wrong)
