"""Opening: every kind, every way up, every kind of damage."""

import io
import os
import struct
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lptn_retouch.codecs import limits
from lptn_retouch.codecs.detect import detect
from lptn_retouch.errors import PhotoError, UnreadablePhotoError, UnsupportedPhotoError, UsageError
from lptn_retouch.opening import open_photo
from lptn_retouch.photo import Photo
from tests.builders import png_file
from tests.places import ROOT

# A corner in each colour, flat in blocks of 16, so that JPEG keeps them.
CORNERS = np.kron(
    np.array(
        [[[200, 30, 30], [30, 160, 30]], [[30, 30, 200], [220, 220, 220]], [[20, 20, 20], [200, 200, 40]]], np.uint8
    ),
    np.ones((16, 16, 1), np.uint8),
)
# How a camera stores an upright picture for each value of the tag: written with numpy's own words, not with ours.
STORED = {
    1: CORNERS,
    2: np.fliplr(CORNERS),
    3: np.rot90(CORNERS, 2),
    4: np.flipud(CORNERS),
    5: CORNERS.swapaxes(0, 1),
    6: np.rot90(CORNERS, 1),
    7: np.rot90(CORNERS, 2).swapaxes(0, 1),
    8: np.rot90(CORNERS, 3),
}


def exif(orientation: int) -> bytes:
    block = Image.Exif()
    block[0x0112] = orientation
    return block.tobytes()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("extension", ["jpg", "png", "tif", "webp"])
def test_a_photo_stands_upright_exactly_once(tmp_path: Path, orientation: int, extension: str) -> None:
    source = tmp_path / f"stored.{extension}"
    options = {"quality": 95, "subsampling": 0} if extension == "jpg" else {}
    options |= {"lossless": True} if extension == "webp" else {}
    Image.fromarray(np.ascontiguousarray(STORED[orientation])).save(source, exif=exif(orientation), **options)
    photo = open_photo(source)
    assert photo.pixels.shape == CORNERS.shape
    assert np.abs(photo.pixels.astype(int) - CORNERS).max() <= 6

    again = open_photo(photo.save(tmp_path / "again.jpg").path)
    assert again.metadata.orientation == 1
    assert np.abs(again.pixels.astype(int) - CORNERS).max() <= 12


@pytest.mark.parametrize("orientation", [0, 9, 99])
def test_nonsense_orientation_turns_nothing(tmp_path: Path, orientation: int) -> None:
    Image.fromarray(CORNERS).save(tmp_path / "a.png", exif=exif(orientation))
    assert np.array_equal(open_photo(tmp_path / "a.png").pixels, CORNERS)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
@pytest.mark.parametrize("extension", ["png", "tif"])
def test_modes_come_as_three_or_four_channels(tmp_path: Path, mode: str, extension: str) -> None:
    image = Image.fromarray(CORNERS).convert("L" if mode in ("1", "LA") else "RGB").convert(mode)
    image.save(tmp_path / f"a.{extension}")
    photo = open_photo(tmp_path / f"a.{extension}")
    assert np.array_equal(photo.pixels, np.asarray(image.convert("RGBA" if "A" in mode else "RGB")))
    assert photo.source.grey == (mode in ("1", "L", "LA"))
    assert not photo.pixels.flags.writeable


def test_transparent_colours_become_alpha(tmp_path: Path) -> None:
    Image.fromarray(CORNERS).save(tmp_path / "rgb.png", transparency=(20, 20, 20))
    Image.fromarray(CORNERS).quantize(8).save(tmp_path / "p.png", transparency=bytes([0, 128]))
    Image.fromarray(CORNERS).convert("L").save(tmp_path / "l.png", transparency=20)
    for name in ("rgb", "p", "l"):
        photo = open_photo(tmp_path / f"{name}.png")
        assert photo.pixels.shape[2] == 4, name
        assert photo.pixels[:, :, 3].min() == 0, name
    assert open_photo(tmp_path / "l.png").source.grey


def test_sixteen_bits_and_floats_are_kept(tmp_path: Path) -> None:
    deep = (CORNERS.astype(np.uint16) * 257) - 3
    tifffile.imwrite(tmp_path / "rgb16.tif", deep, photometric="rgb")
    tifffile.imwrite(tmp_path / "end.tif", deep, photometric="rgb", bigtiff=True)
    Image.fromarray(deep[:, :, 0]).save(tmp_path / "grey16.png")
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in deep)
    (tmp_path / "rgb16.png").write_bytes(png_file(deep.shape[1], deep.shape[0], 16, 2, rows))
    with Image.open(tmp_path / "rgb16.png") as image:
        assert image.mode == "RGB"  # the trap: Pillow says nothing
    for path in tmp_path.iterdir():
        photo = open_photo(path)
        grey = path.stem == "grey16"
        assert photo.source.bit_depth == 16 and photo.source.grey == grey
        assert np.array_equal(photo.pixels, deep[:, :, [0, 0, 0]] if grey else deep), path
    floats = deep.astype(np.float32) / 65535
    tifffile.imwrite(tmp_path / "float.tif", floats, photometric="rgb")
    photo = open_photo(tmp_path / "float.tif")
    assert photo.source.bit_depth == 32 and np.array_equal(photo.pixels, floats)


def test_other_colour_models_become_srgb(tmp_path: Path) -> None:
    Image.fromarray(CORNERS).convert("CMYK").save(tmp_path / "cmyk.jpg", quality=95, subsampling=0)
    Image.fromarray(CORNERS).convert("CMYK").save(tmp_path / "cmyk.tif")
    Image.fromarray(CORNERS).convert("LAB").save(tmp_path / "lab.tif")
    for path in tmp_path.iterdir():
        photo = open_photo(path)
        assert photo.color_space == "sRGB" and photo.metadata.icc is None
        assert any("converted to sRGB" in notice for notice in photo.notices)
        assert np.abs(photo.pixels.astype(int) - CORNERS).mean() < 4, path


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"FUJIFILMCCD-RAW 0201FF383501", "RAW:RAF"),
        (b"IIRO\x08\0\0\0", "RAW:ORF"),
        (b"IIU\0\x18\0\0\0", "RAW:RW2"),
        (b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom", "RAW:CR3"),
        (b"\0MRM\0\0\0\0", "RAW:MRW"),
        (b"FOVb\0\0\0\0", "RAW:X3F"),
        (b"II*\0\x10\0\0\0CR\x02\0", "RAW:CR2"),
        (b"\0\0\0\x1cftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avif", "AVIF"),
        (b"\xff\x0a\xfa\x7f", "JPEG XL"),
        (b"RIFF\0\0\0\0WAVE", None),
        (b"", None),
    ],
)
def test_detect(head: bytes, kind: str | None) -> None:
    assert detect(head) == kind


def test_a_raw_inside_a_tiff_is_told_by_its_tags(tmp_path: Path) -> None:
    mosaic = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    tifffile.imwrite(tmp_path / "plain.tif", mosaic)
    make = (271, 2, 0, "NIKON CORPORATION", True)
    tifffile.imwrite(tmp_path / "cfa.tif", mosaic, photometric=32803, extratags=[make])
    assert detect((tmp_path / "plain.tif").read_bytes()) == "TIFF"
    assert detect((tmp_path / "cfa.tif").read_bytes()) == "RAW:NEF"


@given(st.binary(max_size=200), st.sampled_from([b"", b"II*\0", b"MM\0*", b"II+\0\x08\0\0\0", b"\0\0\0\x20ftyp"]))
def test_detect_never_raises(tail: bytes, magic: bytes) -> None:
    assert detect(magic + tail) is None or isinstance(detect(magic + tail), str)


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["damaged", "odd"])
def test_hostile_files_open_or_are_refused_in_one_sentence(
    shared: Path, folder: str, capfd: pytest.CaptureFixture[str]
) -> None:
    opened = 0
    for path in sorted((shared / "data" / folder).iterdir()):
        try:
            photo = open_photo(path)
        except PhotoError as error:
            assert str(error).startswith(str(path)) and str(error).endswith(".") and "\n" not in str(error)
        else:
            opened += 1
            assert photo.pixels.dtype in (np.uint8, np.uint16, np.float32) and photo.pixels.shape[2] in (3, 4)
    assert opened >= 10
    assert "TIFF" not in capfd.readouterr().err  # libtiff writes hundreds of lines for one of these files


def test_camera_jpegs_open_with_their_subsampling(shared: Path) -> None:
    kinds = set()
    for path in sorted((shared / "data" / "camera-jpegs").iterdir())[::4]:
        try:
            kinds.add(open_photo(path).source.subsampling)
        except PhotoError as error:
            assert path.name in str(error)
    assert {"4:2:0", "4:2:2"} <= kinds


@pytest.mark.slow
@pytest.mark.parametrize("name", ["photos/extreme-desert-hike.jpg", "odd/image__3.jpg", "odd/test-assets__denali.webp"])
def test_a_cut_photograph_never_passes_for_whole(shared: Path, tmp_path: Path, name: str) -> None:
    source = shared / "data" / name
    data = source.read_bytes()
    whole = open_photo(source).pixels
    cut = tmp_path / "cut"
    for length in [0, 1, 3, 10, 100, 600, *np.linspace(1000, len(data) - 3, 14).astype(int), len(data) - 1]:
        cut.write_bytes(data[:length])
        try:
            photo = open_photo(cut)
        except UnreadablePhotoError as error:
            assert str(cut) in str(error)
        else:
            assert np.array_equal(photo.pixels, whole), length


@pytest.mark.parametrize(("rows", "interlace"), [(10, 0), (399, 0), (200, 1)])
def test_a_png_with_too_few_rows_is_refused(tmp_path: Path, rows: int, interlace: int) -> None:
    data = np.random.default_rng(1).integers(1, 255, (rows, 3 * 300 + 1), np.uint8)
    data[:, 0] = 0  # filter type
    (tmp_path / "a.png").write_bytes(png_file(300, 400, 8, 2, data.tobytes(), interlaced=bool(interlace)))
    with pytest.raises(UnreadablePhotoError):
        open_photo(tmp_path / "a.png")


@pytest.mark.parametrize("mode", ["RGB", "L", "1", "RGBA"])
@pytest.mark.parametrize("size", [(1, 1), (5, 3), (8, 8), (301, 97)])
def test_a_png_that_ends_in_black_is_whole(tmp_path: Path, mode: str, size: tuple[int, int]) -> None:
    Image.new(mode, size).save(tmp_path / "a.png")
    photo = open_photo(tmp_path / "a.png")
    assert (photo.width, photo.height) == size


def test_a_header_larger_than_the_limit_is_refused_before_decoding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_PIXELS", 1000)
    Image.fromarray(CORNERS).save(tmp_path / "a.png")
    with pytest.raises(UnsupportedPhotoError, match="32 x 48"):
        open_photo(tmp_path / "a.png")


def test_a_file_of_many_gigabytes_is_refused_unread(tmp_path: Path) -> None:
    Image.fromarray(CORNERS).save(tmp_path / "a.jpg")
    with (tmp_path / "a.jpg").open("r+b") as file:
        file.truncate(limits.MAX_FILE_SIZE + 1)  # sparse: takes no room
    with pytest.raises(UnsupportedPhotoError, match="bytes are more"):
        open_photo(tmp_path / "a.jpg")


def test_a_header_that_no_such_file_can_fill_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png_file(30000, 30000, 8, 2, b"\0" * 100))
    jpeg = io.BytesIO()
    Image.fromarray(CORNERS).save(jpeg, "JPEG")
    at = jpeg.getvalue().index(b"\xff\xc0") + 5
    (tmp_path / "a.jpg").write_bytes(
        jpeg.getvalue()[:at] + struct.pack(">HH", 30000, 30000) + jpeg.getvalue()[at + 4 :]
    )
    for name in ("a.png", "a.jpg"):
        with pytest.raises(UnreadablePhotoError, match="900,000,000"):
            open_photo(tmp_path / name)


def test_a_large_picture_opens_without_a_warning_and_leaves_pillow_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # stands for a panorama over the limit, without its memory
    for extension in ("png", "jpg", "bmp", "tif"):
        Image.fromarray(CORNERS).save(tmp_path / f"a.{extension}")
        assert open_photo(tmp_path / f"a.{extension}").width == 32
    Image.fromarray(CORNERS).convert("1").save(tmp_path / "a.tif")  # which Pillow's limit leaves to tifffile
    assert open_photo(tmp_path / "a.tif").notices == ()
    Image.fromarray(CORNERS).save(tmp_path / "a.webp")  # here the limit sits inside the decoder
    with pytest.raises(UnsupportedPhotoError, match="more pixels than Pillow opens"):
        open_photo(tmp_path / "a.webp")
    assert Image.MAX_IMAGE_PIXELS == 100


def test_only_the_first_of_several_pictures_with_a_notice(tmp_path: Path) -> None:
    pages = [Image.fromarray(CORNERS), Image.fromarray(255 - CORNERS)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    pages[0].save(tmp_path / "a.png", save_all=True, append_images=pages[1:])
    pages[0].save(tmp_path / "a.webp", save_all=True, append_images=pages[1:], lossless=True)
    pages[0].save(tmp_path / "a.mpo", save_all=True, append_images=pages[1:], quality=95)
    for path in tmp_path.iterdir():
        photo = open_photo(path)
        assert any("holds 2 pictures" in notice for notice in photo.notices), path
        assert np.abs(photo.pixels[:, :, :3].astype(int) - CORNERS).mean() < 12, path


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs on this system")
def test_what_is_not_a_regular_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.jpg")
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "dangling.jpg").symlink_to(tmp_path / "gone")
    for path, word in [
        (tmp_path / "fifo.jpg", "pipe"),
        (tmp_path, "folder"),
        (tmp_path / "empty.jpg", "empty"),
        (tmp_path / "missing.jpg", "no such file"),
        (tmp_path / "dangling.jpg", "no such file"),
        (tmp_path / "empty.jpg" / "in-a-file.jpg", "cannot be opened"),
        (tmp_path / ("x" * 300), "cannot be opened"),
        (Path("/dev/zero"), "device"),
    ]:
        with pytest.raises(UnreadablePhotoError, match=word):
            open_photo(path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_without_permission(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    (tmp_path / "a.jpg").chmod(0)
    with pytest.raises(UnreadablePhotoError, match="permi"):
        open_photo(tmp_path / "a.jpg")


@pytest.mark.parametrize("path", ["", "a\0b.jpg", 3, None])
def test_what_is_not_a_path(path: object) -> None:
    with pytest.raises(UsageError):
        open_photo(path)  # type: ignore[arg-type]


def test_names_that_are_not_text(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/caf\xe9\n.jpg"
    with pytest.raises(UnreadablePhotoError) as caught:
        open_photo(os.fsdecode(name))
    str(caught.value).encode("ascii")
    assert "\n" not in str(caught.value)
    buffer = io.BytesIO()
    Image.fromarray(CORNERS).save(buffer, "PNG")
    with open(name, "wb") as file:  # noqa: PTH123
        file.write(buffer.getvalue())
    assert np.array_equal(open_photo(os.fsdecode(name)).pixels, CORNERS)


def test_threads_leave_the_warning_filters_as_they_were(tmp_path: Path) -> None:
    import warnings

    Image.fromarray(CORNERS).save(tmp_path / "a.jpg")
    before = list(warnings.filters)
    threads = [threading.Thread(target=lambda: [open_photo(tmp_path / "a.jpg") for _ in range(20)]) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert warnings.filters == before


def test_bad_metadata_does_not_cost_the_picture(tmp_path: Path) -> None:
    Image.fromarray(CORNERS).save(tmp_path / "a.png", exif=b"Exif\0\0II*\0\xff\xff\xff\xff", icc_profile=b"no profile")
    photo = open_photo(tmp_path / "a.png")
    assert np.array_equal(photo.pixels, CORNERS)
    assert photo.color_space == "unknown" and any("colour profile" in notice for notice in photo.notices)


def test_the_colour_space_is_the_profile_s_description(tmp_path: Path) -> None:
    from lptn_retouch.color import adobe_rgb_profile, srgb_profile

    for profile, expected in [(srgb_profile(), "sRGB"), (adobe_rgb_profile(), "Adobe RGB (1998)")]:
        Image.fromarray(CORNERS).save(tmp_path / "a.png", icc_profile=profile)
        assert open_photo(tmp_path / "a.png").color_space == expected


@pytest.mark.parametrize("pixels", [np.zeros((2, 2)), np.zeros((2, 2, 3)), np.zeros((0, 2, 3), np.uint8), [[1]]])
def test_a_photo_of_another_shape_or_type_is_refused(pixels: object) -> None:
    with pytest.raises(UsageError):
        Photo(pixels)  # type: ignore[arg-type]


def test_importing_loads_neither_torch_nor_decoders() -> None:
    code = "import sys, lptn_retouch.opening; print(*[m for m in ('torch', 'rawpy', 'PIL.Image') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == ""
