"""Pictures of high dynamic range come in the standard one: dark tones stay as bright, highlights are led to white."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest

from lptn_retouch.codecs.hdr import HLG, PQ, WHITE, standard_range
from lptn_retouch.codecs.png import pixels as png
from lptn_retouch.color import read_profile
from lptn_retouch.color.srgb import light
from lptn_retouch.opening import open_photo
from tests.builders import png_chunk, with_png_chunks

Sentence = Callable[[object], str]
Numbers = np.ndarray[Any, np.dtype[Any]]
# Light in cd/m2 and its code in PQ: SMPTE ST 2084, and BT.2408-7, table 1, for 203.
KNOWN = {0.0: 0.0, 1.0: 0.1499, 100.0: 0.5081, 203.0: 0.5807, 1000.0: 0.7518, 4000.0: 0.9026, 10000.0: 1.0}


def greys(*codes: float) -> Numbers:
    """A row of greys of these codes."""
    return np.rint(np.array(codes)[None, :, None].repeat(3, axis=2) * 65535).astype(np.uint16)


def shown(pixels: Numbers) -> Numbers:
    """The light of sRGB, in cd/m2, of the first row's green."""
    return WHITE * np.asarray(light(pixels[0, :, 1] / 65535))


def test_without_highlights_all_light_stays_as_it_was() -> None:
    codes = [code for lights, code in KNOWN.items() if lights <= WHITE]
    expected = [lights for lights in KNOWN if lights <= WHITE]
    assert np.allclose(shown(standard_range(greys(*codes), PQ)), expected, rtol=0.005, atol=0.01)


@pytest.mark.parametrize("peak", [1000.0, 4000.0, 10000.0])
def test_the_brightest_light_becomes_white_and_dark_tones_stay(peak: float) -> None:
    codes = np.linspace(0, KNOWN[peak], 4000)
    tones = shown(standard_range(greys(*codes), PQ))
    assert (np.diff(tones) >= 0).all() and tones[-1] == pytest.approx(WHITE)
    assert (np.diff(tones[:3800:20]) > 0).all(), "what differs in the file differs in the result"
    dark = np.interp([KNOWN[1.0]], codes, tones)
    assert dark[0] == pytest.approx(1, rel=0.01)


def test_hue_stays_where_a_highlight_is_brought_down() -> None:
    pixels = greys(*[0.3] * 20)
    pixels[0, 4] = np.rint(np.array([0.7518, 0.5807, 0.5081]) * 65535)  # 1000, 203 and 100 cd/m2
    result = np.asarray(light(standard_range(pixels, PQ)[0, 4] / 65535))
    assert np.allclose(result / result[0], [1, 0.203, 0.1], rtol=0.01)


def test_hlg_s_reference_white_and_peak() -> None:
    tones = shown(standard_range(greys(0, 0.75, 1), HLG))  # 75 % is 203 cd/m2 on a display of 1000 (BT.2408)
    assert tones[0] == 0 and tones[2] == pytest.approx(WHITE) and 140 < tones[1] < 180
    assert shown(standard_range(greys(0, 0.75), HLG))[1] == pytest.approx(203, rel=0.01)


def test_alpha_is_as_it_was() -> None:
    pixels = np.dstack([greys(0.2, 0.5, 0.7), np.array([[0, 1000, 65535]], np.uint16)])
    assert np.array_equal(standard_range(pixels, PQ)[:, :, 3], pixels[:, :, 3])


@pytest.mark.parametrize(("primaries", "name"), [(9, "BT.2020"), (12, "Display P3"), (1, "sRGB"), (2, "BT.2020")])
@pytest.mark.parametrize(("transfer", "curve"), [(PQ, "PQ"), (HLG, "HLG")])
def test_an_avif_of_high_dynamic_range_opens_with_a_note(
    tmp_path: Path, primaries: int, name: str, transfer: int, curve: str, one_sentence: Sentence
) -> None:
    ramp = np.linspace(0, 770, 64).round().astype(np.uint16)[None, :, None].repeat(16, 0).repeat(3, 2)
    coded = imagecodecs.avif_encode(ramp, bitspersample=10, primaries=primaries, transfer=transfer, speed=9)
    (tmp_path / "a.avif").write_bytes(coded)
    photo = open_photo(tmp_path / "a.avif")
    assert photo.pixels.dtype == np.uint16 and photo.color_space == name
    assert f"high dynamic range ({curve})" in one_sentence(*photo.notices) and "BT.2390" in photo.notices[0]
    assert photo.pixels[0, -1, 1] > 64000 and 10000 < photo.pixels[0, 32, 1] < 60000
    again = open_photo(photo.save(tmp_path / "b.png").path)
    assert np.array_equal(again.pixels, photo.pixels) and again.color_space == name and again.notices == ()


def test_a_png_of_high_dynamic_range_opens_in_the_space_that_its_chunk_says(tmp_path: Path) -> None:
    cicp = png_chunk(b"cICP", bytes((9, PQ, 0, 1)))
    (tmp_path / "a.png").write_bytes(with_png_chunks(png.encode(greys(0.1, 0.5, 0.7)), cicp))
    photo = open_photo(tmp_path / "a.png")
    assert photo.color_space == "BT.2020" and read_profile(photo.metadata.icc)[0].name == "BT.2020"
    assert np.array_equal(photo.pixels, standard_range(greys(0.1, 0.5, 0.7), PQ))


def test_a_real_picture_of_high_dynamic_range(shared: Path) -> None:
    photo = open_photo(shared / "data/odd/libavif-1.4.2__color_nogrid_alpha_nogrid_gainmap_grid.avif")
    assert photo.pixels.shape == (200, 128, 4) and photo.pixels[:, :, :3].max() > 65000
