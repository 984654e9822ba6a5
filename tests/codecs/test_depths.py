"""Every raster format at its full depth, in and out."""

import base64
import contextlib
import io
import struct
import sys
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lptn_retouch.codecs.decoded import in_range, unpremultiplied, widened
from lptn_retouch.codecs.jxl import pixels as jxl
from lptn_retouch.codecs.jxl.header import read_header
from lptn_retouch.codecs.jxl.profile import embedded_profile
from lptn_retouch.codecs.png import pixels as png
from lptn_retouch.color import adobe_rgb_profile, read_profile
from lptn_retouch.errors import PhotoError, UnreadablePhotoError, UnsupportedPhotoError
from lptn_retouch.opening import open_photo
from lptn_retouch.photo import Photo
from tests.builders import png_chunk, png_file, tiff_file

Array = npt.NDArray[Any]

_RNG = np.random.default_rng(5)
DEEP = _RNG.integers(0, 65536, (40, 56, 3), np.uint16)
# Smooth, as lossy codecs expect, with a level of 16 bits in every pixel.
SMOOTH = np.stack(np.meshgrid(np.linspace(2000, 60000, 96), np.linspace(1000, 50000, 64)) * 2, axis=2)[:, :, :3]
SMOOTH = SMOOTH.astype(np.uint16)


def opened(folder: Path, data: bytes, name: str = "a") -> Photo:
    (folder / name).write_bytes(data)
    return open_photo(folder / name)


def psnr(a: Array, b: Array) -> float:
    white = np.iinfo(a.dtype).max
    return float(10 * np.log10(white**2 / max(np.mean((a.astype(np.float64) - b) ** 2), 1e-9)))


# Lossless, 4 x 4 pixels, with the profile of `adobe_rgb_profile`, by libjxl 0.11.
ADOBE_JXL = base64.b64decode(
    "/woYEBDCv4IpFIgFCwpwcIB4bIQOGxd8Bd8PzAINv46HcPSVx7EeYdB9wU47utOOjdbqyGg0WqoBgIMAwDtppQAAAABAAQAAAAAAAAD80goA"
    "AFCGuk4csGwg6atoeaDkoXBwdPHy8/ET/NIKAABlqOvEkGUd3wNHX2FzZVNPUWmIPauCTN/UUAFeefv3b/7CuwnSD5J///aF8u9fPxE9LgLU"
    "hXCG/KcSHvFxNA0COmNeBWceWfgjvjagfQIIBAEATABLGIsVwkmDYb5ABACHBGCCSAQA"
)


# What is written is read back


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_jpeg_xl_of_quality_100_gives_back_every_bit(tmp_path: Path, channels: int, dtype: type) -> None:
    pixels = _RNG.integers(0, np.iinfo(dtype).max + 1, (37, 53, channels)).astype(dtype)
    photo = opened(tmp_path, jxl.encode(pixels[:, :, 0] if channels == 1 else pixels, 100))
    assert np.array_equal(photo.pixels, pixels[:, :, [0, 0, 0, *range(1, channels)]] if channels < 3 else pixels)


# PNG


def deep_png(pixels: Array, *, interlaced: bool = False, before: bytes = b"", colour: int | None = None) -> bytes:
    """A PNG of 16 bits by the letter of the standard, independent of any codec."""
    height, width, channels = pixels.shape
    rows = b""
    adam7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    for column, row, across, down in adam7 if interlaced else ((0, 0, 1, 1),):
        for line in pixels[row::down, column::across]:
            rows += b"\0" + line.astype(">u2").tobytes() if line.size else b""
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels] if colour is None else colour
    return png_file(width, height, 16, colour, rows, interlaced=interlaced, before=before)


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_deep_pngs_open_whole(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], channels: int, interlaced: bool
) -> None:
    pixels = np.dstack([DEEP, DEEP[:, :, :1]])[:, :, :channels]
    photo = opened(tmp_path, deep_png(pixels, interlaced=interlaced))
    colours = pixels if channels > 2 else pixels[:, :, [0, 0, 0, *range(1, channels)]]
    assert np.array_equal(photo.pixels, colours)
    assert capfd.readouterr() == ("", "")


def test_a_transparent_colour_of_a_deep_png_becomes_alpha(tmp_path: Path) -> None:
    clear = png_chunk(b"tRNS", DEEP[3, 4].astype(">u2").tobytes())
    photo = opened(tmp_path, deep_png(DEEP, before=clear))
    assert np.array_equal(photo.pixels[:, :, :3], DEEP)
    assert np.array_equal(photo.pixels[:, :, 3] == 0, (DEEP[3, 4] == DEEP).all(axis=2))


def test_what_a_png_says_of_its_colours_becomes_a_profile(tmp_path: Path) -> None:
    p3 = bytes((12, 13, 0, 1))
    assert opened(tmp_path, deep_png(DEEP, before=png_chunk(b"cICP", p3))).color_space == "Display P3"
    linear = opened(tmp_path, deep_png(DEEP, before=png_chunk(b"gAMA", struct.pack(">I", 100000))))
    assert linear.color_space == "PNG gamma 1" and linear.metadata.icc


@pytest.mark.slow
def test_a_thousand_damaged_pngs_cost_no_reference(tmp_path: Path) -> None:
    """The codec frees `None` once more each time its libpng finds an error, so it must not get to see one."""
    whole = png.encode(DEEP[:9, :9])
    before = sys.getrefcount(None)
    for seed in range(1000):
        random = np.random.default_rng(seed)
        data = bytearray(whole)
        for _ in range(random.integers(1, 5)):
            data[random.integers(8, len(data))] = random.integers(256)
        if seed % 3 == 0:
            del data[random.integers(20, len(data)) :]
        try:
            opened(tmp_path, bytes(data))
        except PhotoError as error:
            assert str(error).endswith(".")
    assert abs(sys.getrefcount(None) - before) < 100


# TIFF


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([np.uint8, np.uint16, np.float32]),
    st.integers(1, 4),
    st.sampled_from([None, "lzw", "deflate", "packbits", "zstd", "lzma"]),
    st.booleans(),
    st.sampled_from(["contig", "separate"]),
    st.sampled_from([None, (16, 16), (32, 48)]),
    st.sampled_from("<>"),
    st.booleans(),
)
def test_tiffs_of_every_layout_open_to_the_bit(
    dtype: type, channels: int, coding: str | None, predicted: bool, planes: str, tile: Any, order: str, big: bool
) -> None:
    import tempfile

    whole = _RNG.integers(0, 65536, (45, 61, channels))
    pixels = (whole / 65535).astype(dtype) if dtype is np.float32 else whole.astype(dtype)
    predicted = predicted and coding in ("lzw", "deflate", "zstd")
    given_pixels = np.moveaxis(pixels, 2, 0) if planes == "separate" and channels > 1 else pixels
    data = tiff_file(
        given_pixels[:, :, 0] if channels == 1 else given_pixels,
        photometric="rgb" if channels > 2 else "minisblack",
        planarconfig=planes if channels > 1 else None,
        extrasamples=["unassalpha"] if channels in (2, 4) else None,
        compression=coding,
        predictor=predicted,
        tile=tile,
        rowsperstrip=None if tile else 7,
        byteorder=order,
        bigtiff=big,
    )
    with tempfile.TemporaryDirectory() as folder:
        photo = opened(Path(folder), data)
    colours = pixels if channels > 2 else pixels[:, :, [0, 0, 0, *range(1, channels)]]
    assert photo.pixels.dtype == dtype and np.array_equal(photo.pixels, colours)
    assert photo.pixels.flags.c_contiguous and photo.pixels.dtype.isnative


def test_associated_alpha_is_taken_out_of_the_colours(tmp_path: Path) -> None:
    straight = np.dstack([DEEP, np.full(DEEP.shape[:2], 40000, np.uint16)])
    straight[:4, :, 3], straight[4:8, :, 3] = 0, 65535
    multiplied = straight.copy()
    multiplied[:, :, :3] = np.rint(straight[:, :, :3] * (straight[:, :, 3:] / 65535))
    photo = opened(tmp_path, tiff_file(multiplied, photometric="rgb", extrasamples=["assocalpha"]))
    assert np.array_equal(photo.pixels[:, :, 3], straight[:, :, 3])
    assert np.abs(photo.pixels[4:].astype(int) - straight[4:]).max() <= 1


@given(st.integers(0, 65535), st.integers(1, 65535))
def test_what_is_multiplied_by_its_alpha_comes_back_within_what_was_kept(colour: int, alpha: int) -> None:
    kept = round(colour * alpha / 65535)
    again = unpremultiplied(np.array([[[kept, kept, kept, alpha]]], np.uint16))
    assert abs(int(again[0, 0, 0]) - colour) <= 0.5 * 65535 / alpha + 1


def test_channels_that_are_no_alpha_are_left_out_with_a_notice(tmp_path: Path) -> None:
    five = _RNG.integers(0, 65536, (20, 30, 5), np.uint16)
    photo = opened(tmp_path, tiff_file(five, photometric="rgb", extrasamples=["unspecified", "unassalpha"]))
    assert np.array_equal(photo.pixels, five[:, :, [0, 1, 2, 4]])
    assert any("further channels" in notice for notice in photo.notices)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_white_may_be_zero(tmp_path: Path, dtype: type) -> None:
    white = 1 if dtype is np.float32 else np.iinfo(dtype).max
    grey = np.linspace(0, white, 600).reshape(20, 30).astype(dtype)
    photo = opened(tmp_path, tiff_file(grey, photometric="miniswhite"))
    assert np.array_equal(photo.pixels[:, :, 1], white - grey) and photo.source.grey


def test_floats_outside_are_clipped_and_counted(tmp_path: Path) -> None:
    pixels = np.full((10, 10, 3), 0.5, np.float32)
    pixels[0], pixels[1, :5], pixels[1, 5:] = 2.0, np.nan, -1.0
    photo = opened(tmp_path, tiff_file(pixels, photometric="rgb"))
    assert photo.notices == ("20.0 % of its values lay outside 0 to 1 and were clipped.",)
    assert photo.pixels[0].min() == 1 and photo.pixels[1].max() == 0 and (photo.pixels[2:] == 0.5).all()
    half = opened(tmp_path, tiff_file(pixels[2:].astype(np.float16), photometric="rgb"))
    assert half.pixels.dtype == np.float32 and (half.pixels == 0.5).all() and not half.notices


@pytest.mark.parametrize("bits", [9, 10, 12, 14])
def test_samples_of_odd_depths_are_spread_over_16_bits(tmp_path: Path, bits: int) -> None:
    grey = np.linspace(0, (1 << bits) - 1, 600).reshape(20, 30).astype(np.uint16)
    packed = imagecodecs.packints_encode(grey, bits)
    data = bytearray(tiff_file(grey, photometric="minisblack", byteorder="<", metadata=None, rowsperstrip=20))
    with tifffile.TiffFile(io.BytesIO(bytes(data))) as made:
        tags = made.pages[0].tags
        struct.pack_into("<H", data, tags[258].valueoffset, bits)
        struct.pack_into("<I", data, tags[279].valueoffset, len(packed))
        start = made.pages[0].dataoffsets[0]
    rows = b"".join(imagecodecs.packints_encode(row, bits) for row in grey)
    struct.pack_into("<I", data, tags[279].valueoffset, len(rows))
    photo = opened(tmp_path, bytes(data[:start]) + rows)
    assert np.array_equal(photo.pixels[:, :, 0], widened(grey, bits))
    assert photo.pixels.min() == 0 and photo.pixels.max() == 65535


@given(st.integers(1, 16), st.data())
def test_widening_keeps_black_white_and_order(bits: int, data: Any) -> None:
    top = (1 << bits) - 1
    value = data.draw(st.integers(0, top))
    low, this, high = widened(np.array([0, value, top], np.uint16), bits).tolist()
    assert (low, high) == (0, 65535) and abs(this - value * 65535 / top) <= 0.5


def test_whole_numbers_of_32_bits(tmp_path: Path) -> None:
    ramp = np.linspace(0, 2**32 - 1, 600).reshape(20, 30)
    assert np.array_equal(in_range(ramp.astype(np.uint32), 32)[0], (ramp.astype(np.uint64) >> 16).astype(np.uint16))
    photo = opened(tmp_path, tiff_file(ramp.astype(np.uint32)))
    assert photo.pixels.dtype == np.uint16 and photo.pixels.max() == 65535
    held = opened(tmp_path, tiff_file(np.arange(600, dtype=np.int32).reshape(20, 30)))
    assert np.array_equal(held.pixels[:, :, 0].ravel(), np.arange(600))


def test_inks_and_cielab_become_srgb(tmp_path: Path) -> None:
    for dtype in (np.uint8, np.uint16):
        white = np.iinfo(dtype).max
        inks = np.zeros((4, 5, 4), dtype)
        inks[0, :, 3], inks[1, :, 0] = white, white
        photo = opened(tmp_path, tiff_file(inks, photometric="separated"))
        assert photo.pixels.dtype == dtype and photo.color_space == "sRGB" and photo.metadata.icc is None
        assert photo.pixels[2].min() == white and photo.pixels[0].max() == 0 and photo.pixels[1, 0, 0] == 0
        assert any("inks (CMYK)" in notice for notice in photo.notices)
        lab = np.zeros((4, 5, 3), dtype)
        lab[:, :, 0] = white
        photo = opened(tmp_path, tiff_file(lab, photometric="cielab"))
        assert photo.pixels.min() >= white - white // 255
    Image.fromarray(inks.astype(np.uint8)[:, :, :4], "CMYK").save(tmp_path / "a.jpg", quality=95)
    photo = open_photo(tmp_path / "a.jpg")
    assert photo.pixels.mean() > 100 and any("inks (CMYK)" in notice for notice in photo.notices)


def test_a_palette_of_16_bits_keeps_them(tmp_path: Path) -> None:
    colours = _RNG.integers(0, 65536, (3, 256), np.uint16)
    index = _RNG.integers(0, 256, (20, 30), np.uint8)
    photo = opened(tmp_path, tiff_file(index, photometric="palette", colormap=colours))
    assert np.array_equal(photo.pixels, colours.T[index])
    photo = opened(tmp_path, tiff_file(index, photometric="palette", colormap=(colours >> 8) * 257))
    assert np.array_equal(photo.pixels, (colours >> 8).astype(np.uint8).T[index])


def test_a_thumbnail_in_front_is_not_the_picture(tmp_path: Path) -> None:
    out = io.BytesIO()
    with tifffile.TiffWriter(out) as made:
        made.write(DEEP[::4, ::4], photometric="rgb", subfiletype=1)
        made.write(DEEP, photometric="rgb")
    photo = opened(tmp_path, out.getvalue())
    assert np.array_equal(photo.pixels, DEEP) and not photo.notices
    out = io.BytesIO()
    with tifffile.TiffWriter(out) as made:
        made.write((DEEP[::4, ::4] >> 8).astype(np.uint8), photometric="rgb", subfiletype=1, compression="jpeg")
        made.write((SMOOTH >> 8).astype(np.uint8), photometric="rgb", compression="jpeg")
    assert opened(tmp_path, out.getvalue()).pixels.shape == SMOOTH.shape


def test_a_tiff_that_lies_is_refused_before_memory_is_taken(tmp_path: Path) -> None:
    plain = tiff_file(DEEP, photometric="rgb", metadata=None, rowsperstrip=40)
    coded = tiff_file(DEEP, photometric="rgb", metadata=None, compression="deflate", rowsperstrip=40)
    tiled = tiff_file(DEEP, photometric="rgb", metadata=None, compression="deflate", tile=(64, 64))
    for data, tags in ((plain, (256, 257)), (coded, (256, 257, 278)), (tiled, (322, 323)), (coded, (277,))):
        lying = bytearray(data)
        with tifffile.TiffFile(io.BytesIO(data)) as made:
            for tag in tags:
                entry = made.pages[0].tags[tag]
                code = "<I" if entry.dtype == 4 else "<H"
                struct.pack_into(code, lying, entry.valueoffset, 30000 if code == "<I" else 60000)
        with pytest.raises(PhotoError):
            opened(tmp_path, bytes(lying))


@pytest.mark.parametrize("coding", [None, "lzw", "deflate", "packbits", "zstd"])
def test_a_cut_deep_tiff_never_passes_for_whole(tmp_path: Path, coding: str | None) -> None:
    data = tiff_file(DEEP, photometric="rgb", compression=coding, rowsperstrip=9)
    for length in range(0, len(data), max(1, len(data) // 30)):
        try:
            photo = opened(tmp_path, data[:length])
        except PhotoError as error:
            assert str(error).endswith(".")
        else:
            assert np.array_equal(photo.pixels, DEEP), length


# JPEG


@pytest.mark.parametrize("lossless", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_jpegs_of_12_bits_and_lossless_ones(tmp_path: Path, channels: int, lossless: bool) -> None:
    if lossless:
        pixels = np.ascontiguousarray(SMOOTH[:, :, :channels].squeeze())
        data = imagecodecs.jpeg8_encode(pixels, lossless=True, bitspersample=16)
    else:
        pixels = SMOOTH[:, :, :channels].squeeze() >> 4
        data = imagecodecs.jpeg8_encode(pixels, 98, bitspersample=12)
    expected = pixels if lossless else widened(pixels, 12)
    photo = opened(tmp_path, data)
    assert photo.source.format == "JPEG" and photo.pixels.dtype == np.uint16
    shown = photo.pixels if channels == 3 else photo.pixels[:, :, 0]
    assert np.array_equal(shown, expected) if lossless else psnr(shown, expected) > 50
    with pytest.raises(UnreadablePhotoError):
        opened(tmp_path, data[: len(data) // 2])


# JPEG XL


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 300),
    st.integers(1, 300),
    st.sampled_from([np.uint8, np.uint16, np.float32]),
    st.integers(1, 4),
    st.booleans(),
)
def test_the_header_of_a_jpeg_xl_is_read(width: int, height: int, dtype: type, channels: int, boxed: bool) -> None:
    pixels = np.zeros((height, width, channels), dtype)
    data = imagecodecs.jpegxl_encode(pixels, effort=1, lossless=True, usecontainer=boxed)
    header = read_header(bytes(data))
    assert (header.width, header.height) == (width, height)
    assert header.bits == 8 * pixels.itemsize and header.floats == (dtype is np.float32)
    assert header.transfer == (13 if dtype is np.uint8 else 8) and not header.has_icc and not header.animated


@given(st.binary(max_size=80))
def test_a_made_up_jpeg_xl_header_raises_value_errors_only(tail: bytes) -> None:
    with contextlib.suppress(ValueError):
        read_header(b"\xff\x0a" + tail)


def test_what_a_jpeg_xl_says_of_its_colours_is_heard(tmp_path: Path) -> None:
    linear = imagecodecs.jpegxl_encode(DEEP, lossless=True)
    photo = opened(tmp_path, bytes(linear))
    assert photo.color_space != "sRGB" and np.array_equal(photo.pixels, DEEP)
    space, doubts = read_profile(photo.metadata.icc)
    assert not space.is_srgb and not doubts


def test_the_profile_inside_a_jpeg_xl_is_read(tmp_path: Path) -> None:
    if embedded_profile(ADOBE_JXL) is None:
        pytest.skip("this build of imagecodecs does not show libjxl's functions")
    photo = opened(tmp_path, ADOBE_JXL)
    assert photo.metadata.icc == adobe_rgb_profile()
    assert photo.color_space == "Adobe RGB (1998)" and (photo.width, photo.height) == (4, 4)


# AVIF and HEIC


@pytest.mark.parametrize("bits", [10, 12])
def test_avifs_of_10_and_12_bits_are_spread_over_16(tmp_path: Path, bits: int) -> None:
    ramp = (DEEP >> (16 - bits)).astype(np.uint16)
    photo = opened(tmp_path, imagecodecs.avif_encode(ramp, bitspersample=bits, primaries=1, transfer=13, speed=9))
    assert np.array_equal(photo.pixels, widened(ramp, bits))


def test_what_an_avif_says_of_its_colours_is_heard(tmp_path: Path) -> None:
    ramp = (DEEP >> 6).astype(np.uint16)
    p3 = imagecodecs.avif_encode(ramp, bitspersample=10, primaries=12, transfer=13, speed=9)
    assert opened(tmp_path, p3).color_space == "Display P3"


def test_avif_and_heic_stand_upright_by_their_own_boxes(shared: Path) -> None:
    avif_photo = open_photo(shared / "data/odd/Pillow__rot1mir1.avif")
    assert (avif_photo.width, avif_photo.height) == (640, 427)
    assert avif_photo.pixels[:100, :, 2].mean() > avif_photo.pixels[-100:, :, 2].mean() + 40  # the sky is above
    pytest.importorskip("pillow_heif")
    heic = open_photo(shared / "data/odd/kf6-kimageformats-6.30.0__orientation8.heic")
    assert (heic.width, heic.height) == (480, 160)


def test_heic_of_10_bits(shared: Path) -> None:
    pytest.importorskip("pillow_heif")
    photo = open_photo(shared / "data/odd/pillow-heif__L_10__128x128.heif")
    assert photo.pixels.dtype == np.uint16 and photo.source.grey and photo.pixels.max() == 65535
    assert open_photo(shared / "data/odd/pillow-heif__RGB_10__29x100.heif").pixels.dtype == np.uint16


def test_without_its_package_a_heic_names_it(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(UnsupportedPhotoError) as caught:
        open_photo(shared / "data/odd/kf6-kimageformats-6.30.0__orientation8.heic")
    assert 'pip install "lptn-retouch[heif]"' in str(caught.value)


@pytest.mark.parametrize("bits", [10, 12])
def test_a_jpeg_xl_of_fewer_bits_than_its_type_has_is_as_bright_as_it_was(tmp_path: Path, bits: int) -> None:
    white = np.full((16, 16, 3), (1 << bits) - 1, np.uint16)
    (tmp_path / "a.jxl").write_bytes(imagecodecs.jpegxl_encode(white, lossless=True, bitspersample=bits))
    assert (open_photo(tmp_path / "a.jxl").pixels == 65535).all()
