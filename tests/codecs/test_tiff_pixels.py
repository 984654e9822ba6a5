"""TIFF: which of its directories is the picture, numbers below zero, and two libraries before a file is refused."""

import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from lptn_retouch.codecs.stderr import captured_stderr
from lptn_retouch.color import adobe_rgb_profile
from lptn_retouch.errors import UnreadablePhotoError
from lptn_retouch.opening import open_photo
from tests.places import ROOT

Sentence = Callable[[object], str]
Numbers = np.ndarray[Any, np.dtype[Any]]

WHOLE = np.random.default_rng(3).integers(0, 256, (48, 64, 3), np.uint8)
SMALL = np.ascontiguousarray(WHOLE[::4, ::4])
SMOOTH = np.kron(np.random.default_rng(4).integers(60, 200, (6, 8, 3), np.uint8), np.ones((8, 8, 1), np.uint8))


def with_whole_below(path: Path, small: Numbers, whole: Numbers, **options: Any) -> Path:
    """A TIFF whose first directory is a reduced copy, with the whole picture in a SubIFD."""
    with tifffile.TiffWriter(
        path, bigtiff=options.pop("bigtiff", False), byteorder=options.pop("byteorder", "<")
    ) as out:
        extratags = [(274, 3, 1, options.pop("orientation", 1), True)]
        out.write(small, photometric="rgb", subfiletype=1, subifds=1, extratags=extratags, metadata=None)
        out.write(whole, photometric=options.pop("photometric", "rgb"), subfiletype=0, metadata=None, **options)
    return path


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_whole_picture_opens_from_below_its_reduced_copy(
    tmp_path: Path, byteorder: str, bigtiff: bool, dtype: Any
) -> None:
    scale = np.iinfo(dtype).max // 255
    small, whole = SMALL.astype(dtype) * dtype(scale), WHOLE.astype(dtype) * dtype(scale)
    path = with_whole_below(tmp_path / "a.tif", small, whole, byteorder=byteorder, bigtiff=bigtiff)
    photo = open_photo(path)
    assert np.array_equal(photo.pixels, whole) and photo.notices == ()


@pytest.mark.parametrize(("bigtiff", "byteorder"), [(False, "<"), (False, ">"), (True, "<")])
def test_the_whole_picture_opens_from_below_where_pillow_decodes_it(
    tmp_path: Path, byteorder: str, bigtiff: bool
) -> None:
    path = with_whole_below(tmp_path / "a.tif", SMALL, SMOOTH, compression="jpeg", byteorder=byteorder, bigtiff=bigtiff)
    photo = open_photo(path)
    assert photo.pixels.shape == SMOOTH.shape and photo.notices == ()
    assert np.abs(photo.pixels.astype(int) - SMOOTH).mean() < 12


@pytest.mark.parametrize("compression", [None, "jpeg"])
def test_the_whole_picture_stands_as_its_copy_is_said_to(tmp_path: Path, compression: str | None) -> None:
    options = {"compression": compression} if compression else {}
    path = with_whole_below(tmp_path / "a.tif", SMALL, SMOOTH, orientation=6, **options)
    photo = open_photo(path)
    assert np.abs(photo.pixels.astype(int) - np.rot90(SMOOTH, -1)).mean() < 12
    again = open_photo(photo.save(tmp_path / "b.tif").path)
    assert np.array_equal(again.pixels, photo.pixels)


def test_the_whole_picture_keeps_the_profile_that_stands_beside_it(tmp_path: Path) -> None:
    path = with_whole_below(tmp_path / "a.tif", SMALL, WHOLE, iccprofile=adobe_rgb_profile())
    assert open_photo(path).color_space == "Adobe RGB (1998)"


def test_of_several_pictures_below_a_copy_the_largest_is_taken(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as out:
        out.write(SMALL, photometric="rgb", subfiletype=1, subifds=2, metadata=None)
        out.write(np.ascontiguousarray(WHOLE[::2, ::2]), photometric="rgb", metadata=None)
        out.write(WHOLE, photometric="rgb", metadata=None)
    assert np.array_equal(open_photo(tmp_path / "a.tif").pixels, WHOLE)


def test_the_whole_picture_opens_from_a_later_directory(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as out:
        out.write(SMALL, photometric="rgb", subfiletype=1, metadata=None)
        out.write(WHOLE, photometric="rgb", metadata=None)
    photo = open_photo(tmp_path / "a.tif")
    assert np.array_equal(photo.pixels, WHOLE) and photo.notices == ()


def test_a_reduced_copy_without_its_picture_says_so(tmp_path: Path, one_sentence: Sentence) -> None:
    tifffile.imwrite(tmp_path / "a.tif", SMALL, photometric="rgb", subfiletype=1)
    photo = open_photo(tmp_path / "a.tif")
    assert np.array_equal(photo.pixels, SMALL)
    assert "reduced copy" in one_sentence(*photo.notices)


def rewritten(path: Path, samples: Numbers, tag: int, *, kind: int | None = None, count: int | None = None) -> Path:
    """A TIFF, in which one entry of the directory says another type or another number of values."""
    tifffile.imwrite(path, samples, photometric="rgb", metadata=None, software=False)
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tiff:
        at = tiff.pages[0].tags[tag].offset  # type: ignore[union-attr]
    if kind is not None:
        struct.pack_into("<H", data, at + 2, kind)
    if count is not None:
        struct.pack_into("<I", data, at + 4, count)
    path.write_bytes(data)
    return path


def with_entries(path: Path, more: int) -> Path:
    """A TIFF whose directory says that it has so many entries more than it has."""
    tifffile.imwrite(path, WHOLE, photometric="rgb", metadata=None, software=False)
    data = bytearray(path.read_bytes())
    at = int.from_bytes(data[4:8], "little")
    struct.pack_into("<H", data, at, int.from_bytes(data[at : at + 2], "little") + more)
    path.write_bytes(data)
    return path


def test_a_directory_that_only_libtiff_can_read_opens_with_a_doubt(tmp_path: Path, one_sentence: Sentence) -> None:
    """RowsPerStrip without a value, or a text; two numbers of samples; thousands of entries that are not there."""
    damaged = [
        rewritten(tmp_path / "none.tif", WHOLE, 278, count=0),
        rewritten(tmp_path / "text.tif", WHOLE, 278, kind=2, count=0),
        rewritten(tmp_path / "two.tif", WHOLE, 277, count=2),
        with_entries(tmp_path / "entries.tif", 4090),
    ]
    for path in damaged:
        with pytest.raises(Exception), tifffile.TiffFile(path) as tiff:  # noqa: B017
            tiff.pages[0].asarray()
        photo = open_photo(path)
        assert np.array_equal(photo.pixels, WHOLE), path.name
        assert "one of two decoders" in one_sentence(*photo.notices)


def test_what_libtiff_would_guess_stays_refused(tmp_path: Path) -> None:
    """Of 16 bits Pillow gives 8; without a compression, a depth or one height it takes whatever comes."""
    deep = WHOLE.astype(np.uint16) * np.uint16(257)
    damaged = [
        rewritten(tmp_path / "deep.tif", deep, 278, count=0),
        rewritten(tmp_path / "compression.tif", WHOLE, 259, count=0),
        rewritten(tmp_path / "bits.tif", WHOLE, 258, count=0),
        rewritten(tmp_path / "height.tif", WHOLE, 257, kind=4, count=2),
    ]
    for path in damaged:
        with pytest.raises(UnreadablePhotoError, match=path.name):
            open_photo(path)


def test_a_damaged_directory_below_leaves_the_copy(tmp_path: Path) -> None:
    path = with_whole_below(tmp_path / "a.tif", SMALL, WHOLE)
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tiff:
        at = tiff.pages[0].tags[330].valueoffset  # type: ignore[union-attr]
    data[at : at + 4] = struct.pack("<I", len(data) - 1)
    path.write_bytes(data)
    photo = open_photo(path)
    assert np.array_equal(photo.pixels, SMALL) and "reduced copy" in photo.notices[0]


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32])
def test_numbers_below_zero_are_told_of(tmp_path: Path, dtype: Any, one_sentence: Sentence) -> None:
    top = np.iinfo(dtype).max
    values = np.full((10, 10, 3), top, dtype)
    tifffile.imwrite(tmp_path / "sound.tif", values, photometric="rgb")
    values[:5] = -top
    tifffile.imwrite(tmp_path / "below.tif", values, photometric="rgb")
    sound, below = open_photo(tmp_path / "sound.tif"), open_photo(tmp_path / "below.tif")
    assert sound.notices == () and below.notices == ("50.0 % of its values lay below 0 and were taken as 0.",)
    assert sound.pixels.min() == below.pixels.max() == np.iinfo(sound.pixels.dtype).max
    assert not below.pixels[:5].any() and sound.pixels.dtype == (np.uint8 if dtype == np.int8 else np.uint16)
    one_sentence(*below.notices)


@pytest.mark.parametrize("kind", ["lossless", "12 bits", "big-endian BigTIFF"])
def test_what_libtiff_does_not_read_is_asked_of_the_other_library(
    tmp_path: Path, kind: str, one_sentence: Sentence, capfd: pytest.CaptureFixture[str]
) -> None:
    path, pixels, most = tmp_path / "a.tif", SMOOTH, 0.0
    if kind == "lossless":
        tifffile.imwrite(path, SMOOTH, photometric="rgb", compression="jpeg", compressionargs={"lossless": True})
    elif kind == "12 bits":
        tifffile.imwrite(path, SMOOTH.astype(np.uint16) * 16, photometric="rgb", compression="jpeg", bitspersample=12)
        pixels, most = (SMOOTH.astype(np.uint32) * 16 * 65535 // 4095).astype(np.uint16), 12 * 257
    else:
        tifffile.imwrite(path, SMOOTH, photometric="rgb", compression="jpeg", bigtiff=True, byteorder=">")
        most = 12
    photo = open_photo(path)
    assert photo.pixels.dtype == pixels.dtype and np.abs(photo.pixels.astype(int) - pixels).mean() <= most
    assert "one of two decoders" in one_sentence(*photo.notices)
    assert capfd.readouterr().err == ""


def test_what_tifffile_does_not_read_is_asked_of_the_other_library(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", SMOOTH, photometric="rgb", compression="adobe_deflate", rowsperstrip=48)
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        at = tiff.pages[0].tags[279].valueoffset  # type: ignore[union-attr]
        count = tiff.pages[0].databytecounts[0]
    data = bytearray((tmp_path / "a.tif").read_bytes())
    data[at : at + 4] = struct.pack("<I", count - 2)  # half of the check sum is missing
    (tmp_path / "a.tif").write_bytes(data)
    photo = open_photo(tmp_path / "a.tif")
    assert np.array_equal(photo.pixels, SMOOTH) and "one of two decoders" in photo.notices[0]


def test_a_sixteen_bit_tiff_never_comes_as_eight(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", WHOLE.astype(np.uint16) * 257, photometric="rgb", compression="adobe_deflate")
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        at, count = tiff.pages[0].dataoffsets[0], tiff.pages[0].databytecounts[0]
    data = bytearray((tmp_path / "a.tif").read_bytes())
    data[at + count - 1] ^= 255
    (tmp_path / "a.tif").write_bytes(data)
    with pytest.raises(UnreadablePhotoError):
        open_photo(tmp_path / "a.tif")


def test_a_frame_larger_than_its_strip_is_not_given_to_the_other_library(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", SMOOTH, photometric="rgb", compression="jpeg", rowsperstrip=16)
    data = bytearray((tmp_path / "a.tif").read_bytes())
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", 65000, 65000)  # 12.7 GB, if it were decoded
    (tmp_path / "a.tif").write_bytes(data)
    with pytest.raises(UnreadablePhotoError):
        open_photo(tmp_path / "a.tif")


@pytest.mark.parametrize("table", ["one strip", "several strips"])
def test_a_damaged_huffman_table_says_nothing_on_standard_error(
    tmp_path: Path, table: str, one_sentence: Sentence, capfd: pytest.CaptureFixture[str]
) -> None:
    if table == "one strip":
        Image.fromarray(SMOOTH).save(tmp_path / "a.tif", compression="jpeg")
    else:
        tifffile.imwrite(tmp_path / "a.tif", SMOOTH, photometric="rgb", compression="jpeg", rowsperstrip=16)
    data = bytearray((tmp_path / "a.tif").read_bytes())
    at = data.index(b"\xff\xc4") + 5
    data[at : at + 4] = b"\xff" * 4
    (tmp_path / "a.tif").write_bytes(data)
    with pytest.raises(UnreadablePhotoError) as caught:
        open_photo(tmp_path / "a.tif")
    one_sentence(caught.value)
    assert capfd.readouterr().err == ""


OPEN_ALL = """
import sys
from lptn_retouch import open_photo
from lptn_retouch.errors import PhotoError
for path in sys.argv[1:]:
    try:
        open_photo(path)
    except PhotoError:
        print("refused")
"""


def test_damaged_tags_say_nothing_on_standard_error(tmp_path: Path) -> None:
    for compression in ("lzw", "jpeg"):
        tifffile.imwrite(tmp_path / "sound", SMOOTH, photometric="rgb", compression=compression, metadata=None)
        with tifffile.TiffFile(tmp_path / "sound") as tiff:
            places = {tag: tiff.pages[0].tags[tag].offset for tag in (277, 273, 279)}  # type: ignore[union-attr]
        for tag, at in places.items():
            data = bytearray((tmp_path / "sound").read_bytes())
            if tag == 277:
                data[at + 8 : at + 10] = struct.pack("<H", 2048)  # samples a pixel
            else:
                data[at : at + 2] = struct.pack("<H", 10000)  # no strips
            (tmp_path / f"{compression}-{tag}.tif").write_bytes(data)
    files = sorted(tmp_path.glob("*.tif"))
    done = subprocess.run([sys.executable, "-c", OPEN_ALL, *files], capture_output=True, text=True, cwd=ROOT)
    assert done.stderr == "" and done.stdout.split().count("refused") >= 4 and done.returncode == 0


def test_other_lines_on_standard_error_come_through(capfd: pytest.CaptureFixture[str]) -> None:
    with captured_stderr() as said:
        os.write(2, b"JPEGFixupTagsSubsampling: Warning, odd.\nApparently should be 2,2..\n")
        os.write(2, b"JPEGLib: Bogus Huffman table definition.\nJPEG: done\nanother thread's line\n")
    assert said == ["JPEGLib: Bogus Huffman table definition."]
    assert capfd.readouterr().err == "JPEG: done\nanother thread's line\n"
