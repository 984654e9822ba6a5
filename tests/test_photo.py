"""A photo as a Python programmer meets it: shown in a notebook, given to NumPy and Pillow, printed, not found."""

import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import lptn_retouch
from lptn_retouch import Photo, Retoucher, errors, open_photo, retouch
from lptn_retouch.color import adobe_rgb_profile, converted, read_profile
from lptn_retouch.metadata import Metadata
from lptn_retouch.picture.picture import Source
from tests.places import ROOT

LAKE = ROOT / "samples" / "lake-sherburne.jpg"
SMOOTH = np.stack(np.broadcast_arrays(*np.ogrid[:120, :240], 60), axis=2).astype(np.uint8)
NOTEBOOK = """
import sys, nbclient, nbformat
notebook = nbformat.read(sys.argv[1], 4)
nbclient.NotebookClient(notebook, timeout=300).execute()
nbformat.write(notebook, sys.argv[1])
"""


# For NumPy.


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_an_array_of_a_photo_is_its_pixels(dtype: type[np.generic]) -> None:
    photo = Photo(SMOOTH.astype(dtype) / dtype(255) if dtype is np.float32 else SMOOTH.astype(dtype))
    seen = np.asarray(photo)
    assert seen.shape == (120, 240, 3) and seen.dtype == dtype
    assert np.shares_memory(seen, photo.pixels) and not seen.flags.writeable
    assert np.asarray(photo, dtype) is not None and np.shares_memory(np.asarray(photo, dtype), photo.pixels)
    own = np.array(photo)
    own[0, 0] = 0
    assert not np.shares_memory(own, photo.pixels)
    wide = np.asarray(photo, np.float64)
    assert wide.dtype == np.float64 and np.array_equal(wide, photo.pixels)
    assert np.allclose(photo - photo.pixels, 0), "NumPy's own operators take it too"  # type: ignore[operator]


@pytest.mark.skipif(int(np.__version__.split(".")[0]) < 2, reason="NumPy 1 has no copy=False that refuses")
def test_numpy_2s_copy_is_honoured() -> None:
    photo = Photo(SMOOTH)
    assert np.shares_memory(np.array(photo, copy=False), photo.pixels)
    assert np.shares_memory(np.array(photo, np.uint8, copy=None), photo.pixels)
    assert not np.shares_memory(np.array(photo, copy=True), photo.pixels)
    with pytest.raises(ValueError, match="without a copy"):
        np.array(photo, np.float32, copy=False)


# For Pillow.


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [3, 4])
def test_to_pil_is_the_same_picture_in_8_bits(dtype: type[np.generic], channels: int) -> None:
    eight = np.concatenate([SMOOTH, SMOOTH[..., :1]], 2)[..., :channels]
    scale = {np.uint8: 1, np.uint16: 257, np.float32: np.float32(1 / 255)}[dtype]
    image = Photo(eight.astype(dtype) * dtype(scale)).to_pil()
    assert image.mode == ("RGB" if channels == 3 else "RGBA")
    assert np.array_equal(np.asarray(image), eight)


def test_to_pil_keeps_the_colour_space() -> None:
    photo = Photo(SMOOTH, "Adobe RGB", Metadata.build(icc=adobe_rgb_profile()))
    image = photo.to_pil()
    assert image.info["icc_profile"] == adobe_rgb_profile()
    assert np.array_equal(np.asarray(retouch(image, device="cpu")), retouch(photo, device="cpu").pixels)
    assert "icc_profile" not in Photo(SMOOTH).to_pil().info


@pytest.mark.parametrize("mode", ["L", "LA"])
def test_to_pil_of_a_grey_file_is_grey(tmp_path: Path, mode: str) -> None:
    Image.fromarray(SMOOTH[..., 1]).convert(mode).save(tmp_path / "grey.png")
    image = open_photo(tmp_path / "grey.png").to_pil()
    assert image.mode == mode and np.array_equal(np.asarray(image.convert("L")), SMOOTH[..., 1])


# In a notebook.


def test_a_photo_shows_itself_small_and_in_srgb() -> None:
    large = np.tile(SMOOTH, (20, 10, 1))
    photo = Photo(large, "Adobe RGB", Metadata.build(icc=adobe_rgb_profile(), exif=b"II*\0private"))
    shown = photo._repr_jpeg_()
    assert shown is not None and photo._repr_png_() is None
    with Image.open(io.BytesIO(shown)) as image:
        assert image.size == (960, 960) and image.mode == "RGB" and image.format == "JPEG"
        assert "icc_profile" not in image.info and b"private" not in shown
    space, _ = read_profile(adobe_rgb_profile())
    flat = np.full((200, 300, 3), (200, 40, 40), np.uint8)
    drawn = photo.with_pixels(flat)._repr_jpeg_()
    assert drawn is not None
    with Image.open(io.BytesIO(drawn)) as image:
        middle = np.asarray(image)[100, 150].astype(int)
    assert np.abs(middle - converted(flat, space)[100, 150]).max() <= 2
    assert np.abs(middle - flat[100, 150]).max() > 10, "or the colour space was not looked at"


def test_transparency_is_shown() -> None:
    deep = np.full((30, 40, 4), 40_000, np.uint16)
    deep[:10, :, 3] = 0
    photo = Photo(deep)
    shown = photo._repr_png_()
    assert shown is not None and photo._repr_jpeg_() is None
    with Image.open(io.BytesIO(shown)) as image:
        assert image.mode == "RGBA" and image.getpixel((0, 0))[3] == 0  # type: ignore[index]


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # those of the notebook's own libraries are not ours to mend
def test_the_page_about_python_runs_as_a_notebook(tmp_path: Path) -> None:
    """Its blocks are the cells."""
    pytest.importorskip("nbclient", reason="no nbclient here, which runs notebooks")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel", reason="no ipykernel here, which notebooks run in")
    page = (ROOT / "docs" / "python.md").read_text("utf-8")
    cells = re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    assert len(cells) > 4
    shutil.copy(LAKE, tmp_path / "holiday.jpg")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    path = tmp_path / "page.ipynb"
    nbformat.write(notebook, path)
    own = {"JUPYTER_DATA_DIR": str(tmp_path / "jupyter"), "IPYTHONDIR": str(tmp_path / "ipython")}
    done = subprocess.run(  # in a process of its own: the files that its libraries leave open are not ours
        [sys.executable, "-c", NOTEBOOK, str(path)],
        cwd=tmp_path,
        env=os.environ | own,
        capture_output=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")[-3000:]
    notebook = nbformat.read(path, 4)
    outputs = [cell["outputs"] for cell in notebook.cells]
    (first,) = (output["data"] for output in outputs[0] if output["output_type"] == "execute_result")
    assert first["text/plain"] == "Photo(1920x1080 RGB uint8, sRGB, JPEG holiday.jpg)"
    assert set(first) == {"text/plain", "image/jpeg"} and len(first["image/jpeg"]) < 600_000
    said = "".join(output["text"] for output in outputs[1] if output["output_type"] == "stream")
    for line in re.findall(r"print\(.*# (\w+\(.*)", cells[1]):
        assert line in said, (line, said)
    assert (tmp_path / "brighter.jpg").is_file() and (tmp_path / "winter-holiday.jpg").is_file()
    assert "there is no such file" in str(outputs[-1])


# Printed.


def test_printing_a_photo_or_its_metadata_is_a_line() -> None:
    photo = open_photo(LAKE)
    assert repr(photo) == "Photo(1920x1080 RGB uint8, sRGB, JPEG lake-sherburne.jpg)"
    assert repr(photo.metadata) == "Metadata(JFIF 14 bytes, EXIF 3,555 bytes)"
    assert repr(Metadata()) == "Metadata()"
    assert all(len(repr(block)) < 200 for block in photo.metadata.blocks)
    assert repr(Photo(SMOOTH)) == "Photo(240x120 RGB uint8, sRGB, memory)"


def test_no_name_of_a_file_steers_the_terminal_in_a_repr() -> None:
    named = replace(Photo(SMOOTH), source=Source("JPEG", path=Path("/a/\x1b[31m.jpg")))
    assert repr(named).isprintable()


# Not found.


def test_a_missing_file_is_a_file_not_found_error(tmp_path: Path, one_sentence: Callable[[object], str]) -> None:
    for call in (open_photo, lambda path: retouch(path, device="cpu"), Retoucher("retouch", "cpu").open):
        with pytest.raises(FileNotFoundError) as caught:
            call(tmp_path / "nope.jpg")
        assert isinstance(caught.value, errors.UnreadablePhotoError)
        assert caught.value.errno == 2 and "nope.jpg" in one_sentence(caught.value)


def test_a_damaged_file_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(LAKE.read_bytes()[:5000])
    with pytest.raises(errors.UnreadablePhotoError) as caught:
        open_photo(tmp_path / "a.jpg")
    assert not isinstance(caught.value, OSError)


@pytest.mark.parametrize("name", ["sharing", "batch", "errors", "metadata", "photo", "preset"])
def test_documented_modules_need_no_import_of_their_own(name: str) -> None:
    script = f"import lptn_retouch; print(lptn_retouch.{name}.__name__)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout == f"lptn_retouch.{name}\n", done.stderr


def test_modules_that_pages_speak_of_are_among_them() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    named = {name for page in pages for name in re.findall(r"\blptn_retouch\.([a-z_]+)", page.read_text("utf-8"))}
    assert {"sharing", "batch", "errors"} <= named
    for name in named:
        assert hasattr(lptn_retouch, name), name


# Floats that are not meant as 0 to 1.


def floats(value: float, kind: str) -> object:
    array = np.full((40, 60, 3), value, np.float32)
    if kind == "array":
        return array
    if kind == "photo":
        return Photo(array)
    import torch

    return torch.from_numpy(array).permute(2, 0, 1)


@pytest.mark.parametrize("kind", ["array", "photo", "tensor"])
@pytest.mark.parametrize(("value", "cure"), [(128.0, "by 255"), (30_000.0, "by 65535"), (-1.2, "(x + 1) / 2")])
def test_no_kind_of_floats_beyond_the_range_is_taken(
    kind: str, value: float, cure: str, one_sentence: Callable[[object], str]
) -> None:
    with pytest.raises(errors.UsageError) as caught:
        retouch(floats(value, kind), device="cpu")  # type: ignore[call-overload]
    assert cure in one_sentence(caught.value)


@pytest.mark.parametrize("ending", ["png", "tif", "jpg"])
def test_a_photo_of_them_is_not_saved_as_white(
    tmp_path: Path, ending: str, one_sentence: Callable[[object], str]
) -> None:
    photo = Photo(np.full((40, 60, 3), 128, np.float32))
    for work in (lambda: photo.save(tmp_path / f"a.{ending}"), photo.to_pil):
        with pytest.raises(errors.UsageError) as caught:
            work()
        assert "divide 8-bit values by 255" in one_sentence(caught.value)
    assert not list(tmp_path.iterdir())
    overshooting = SMOOTH.astype(np.float32) / 255
    overshooting[3, 4] = 1.2
    Photo(overshooting).save(tmp_path / f"a.{ending}")
