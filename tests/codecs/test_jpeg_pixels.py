"""JPEG pixels without Pillow: the same as with it, encoded in strips or whole, and handed to it where it is odd."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lptn_retouch import open_photo
from lptn_retouch.codecs.jpeg import pixels as jpeg
from lptn_retouch.errors import UnreadablePhotoError
from tests.places import LAKE

SUBSAMPLINGS = ["4:4:4", "4:2:2", "4:2:0"]


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return np.asarray(Image.open(LAKE))


def by_pillow(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)))


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 300),
    width=st.integers(1, 300),
    quality=st.integers(1, 100),
    subsampling=st.sampled_from(SUBSAMPLINGS),
    strips=st.integers(2, 40),
)
def test_strips_make_the_same_picture(
    picture: np.ndarray, height: int, width: int, quality: int, subsampling: str, strips: int
) -> None:
    part = picture[200 : 200 + height, 300 : 300 + width]
    whole = jpeg.encode(part, quality, subsampling, strips=1)
    cut = jpeg.encode(part, quality, subsampling, strips=strips)
    expected = by_pillow(whole)
    assert np.array_equal(by_pillow(cut), expected)
    assert np.array_equal(jpeg.decode(cut), expected)
    assert np.array_equal(jpeg.decode(whole), expected)


@pytest.mark.slow
@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
def test_a_large_picture_is_whole_in_strips(picture: np.ndarray, subsampling: str) -> None:
    large = np.tile(picture, (3, 2, 1))  # 12 megapixels
    data = jpeg.encode(large, 90, subsampling, strips=2)
    assert b"\xff\xdd\x00\x04" in data[:1000], "it has a restart interval"
    assert np.array_equal(by_pillow(data), by_pillow(jpeg.encode(large, 90, subsampling, strips=1)))


@pytest.mark.slow
def test_units_beyond_16_bits_make_more_strips() -> None:
    wide = np.zeros((600, 8000, 3), np.uint8)  # 75,000 units of 8 x 8
    wide[304:] = 200
    data = jpeg.encode(wide, 50, "4:4:4", strips=1)
    assert np.array_equal(by_pillow(data)[::100, ::100], wide[::100, ::100])
    data = jpeg.encode(np.tile(wide, (4, 1, 1)), 50, "4:4:4", strips=2)
    assert data.count(b"\xff\xd0") + data.count(b"\xff\xd1") >= 2
    assert by_pillow(data).shape == (2400, 8000, 3)
    assert np.array_equal(by_pillow(data)[::100, ::100], np.tile(wide, (4, 1, 1))[::100, ::100])


@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
def test_it_is_pillows_picture(picture: np.ndarray, subsampling: str) -> None:
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "JPEG", quality=92, subsampling=subsampling)
    assert np.array_equal(by_pillow(jpeg.encode(picture, 92, subsampling)), by_pillow(out.getvalue()))


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"optimize": True, "quality": 30}])
def test_an_ordinary_jpeg_opens_as_with_pillow(picture: np.ndarray, tmp_path: Path, options: dict[str, object]) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(picture).save(path, **options)
    decoded = jpeg.decode(path.read_bytes())
    assert decoded is not None
    assert np.array_equal(decoded, np.asarray(Image.open(path)))
    assert np.array_equal(open_photo(path).pixels, decoded)


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_an_odd_one_is_left_to_pillow(picture: np.ndarray, tmp_path: Path, mode: str) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(picture).convert(mode).save(path)
    if mode == "L":
        assert np.array_equal(open_photo(path).pixels[..., 0], np.asarray(Image.open(path)))
    else:
        photo = open_photo(path)
        assert any("CMYK" in notice for notice in photo.notices)
        assert np.abs(photo.pixels.astype(int) - picture).mean() < 3  # Pillow's own inks filter as perfectly as ours


def test_a_damaged_one_is_not_taken_for_whole(picture: np.ndarray, tmp_path: Path) -> None:
    data = jpeg.encode(picture, 92, "4:2:0")
    assert jpeg.decode(data[: len(data) // 2]) is None
    assert jpeg.decode(b"\xff\xd8\xff") is None
    assert jpeg.decode(b"") is None
    path = tmp_path / "cut.jpg"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(UnreadablePhotoError):
        open_photo(path)
    path.write_bytes(data + b"more that follows, as a maker's preview does")
    assert np.array_equal(open_photo(path).pixels, by_pillow(data))
