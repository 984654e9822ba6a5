"""Saving: whole or not at all, never over the source, in the source's own manner."""

import copy
import errno
import hashlib
import io
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, JpegImagePlugin

from lptn_retouch import files
from lptn_retouch import saving as encode
from lptn_retouch.codecs.format import Format
from lptn_retouch.codecs.registry import WRITTEN
from lptn_retouch.color import adobe_rgb_profile
from lptn_retouch.errors import UnwritablePhotoError, UsageError
from lptn_retouch.metadata import Kind, Metadata
from lptn_retouch.opening import open_photo
from lptn_retouch.photo import Photo
from lptn_retouch.thumbnail import thumbnailer
from tests.builders import SRGB, xmp_packet
from tests.places import ROOT

PIXELS = np.kron(np.random.default_rng(7).integers(0, 256, (6, 5, 3), np.uint8), np.ones((8, 8, 1), np.uint8))
PHOTO = Photo(PIXELS)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("name", ["a", "a.bmp", "a.gif", "a.heic", ".jpg", "a.jpg "])
def test_other_extensions_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnwritablePhotoError, match="extension"):
        PHOTO.save(tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "options",
    [{"quality": 0}, {"quality": 101}, {"quality": 92.5}, {"quality": True}, {"bit_depth": 12}, {"metadata": "some"}],
)
def test_wrong_arguments_are_refused(tmp_path: Path, options: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        PHOTO.save(tmp_path / "a.jpg", **options)  # type: ignore[arg-type]


RAMP = np.arange(65536, dtype=np.uint16).reshape(64, 1024, 1).repeat(3, axis=2)


def test_a_depth_can_be_asked_for_where_the_format_holds_it(tmp_path: Path) -> None:
    deep = PHOTO.with_pixels(RAMP)
    saved = open_photo(deep.save(tmp_path / "a.png", bit_depth=8).path).pixels[:, :, 0].ravel()
    assert np.array_equal(saved, np.rint(np.arange(65536) / 257).astype(np.uint8))
    wide = open_photo(PHOTO.save(tmp_path / "b.tif", bit_depth=16).path).pixels
    assert np.array_equal(wide, PHOTO.pixels.astype(np.uint16) * 257)
    for name, bits in (("a.jpg", 16), ("a.webp", 16), ("a.png", 32)):
        with pytest.raises(UnwritablePhotoError, match="bits a channel"):
            deep.save(tmp_path / name, bit_depth=bits)


def test_floats_are_clipped_and_rounded(tmp_path: Path) -> None:
    values = np.array([-0.2, 0, 0.4 / 255, 0.6 / 255, 0.5, 1, 1.4], np.float32)
    Photo(np.stack([values] * 3, axis=1)[None]).save(tmp_path / "a.png", bit_depth=8)
    assert open_photo(tmp_path / "a.png").pixels[0, :, 1].tolist() == [0, 0, 0, 1, 128, 255, 255]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("extension", ["png", "jpg", "tif"])
def test_what_is_no_number_is_not_saved_as_black(
    tmp_path: Path, value: float, extension: str, one_sentence: Callable[[object], str]
) -> None:
    pixels = np.full((4, 4, 3), 0.5, np.float32)
    pixels[1, 2, 0] = value
    with pytest.raises(UsageError, match="NaN or infinity") as caught:
        Photo(pixels).save(tmp_path / f"a.{extension}")
    one_sentence(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("again", [lambda p: pickle.loads(pickle.dumps(p)), copy.deepcopy, copy.copy])
def test_a_photo_from_a_pickle_or_a_copy_is_as_immutable(again: Callable[[Photo], Photo]) -> None:
    other = again(PHOTO)
    assert np.array_equal(other.pixels, PHOTO.pixels) and other.source == PHOTO.source
    with pytest.raises(ValueError, match="read-only"):
        other.pixels[0, 0, 0] = 1


def test_grey_stays_grey(tmp_path: Path) -> None:
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    Image.fromarray(ramp).save(tmp_path / "grey.png")
    Image.fromarray(np.stack([ramp, 255 - ramp], axis=2)).save(tmp_path / "alpha.png")
    photo = open_photo(tmp_path / "grey.png")
    assert np.array_equal(photo.pixels, ramp[:, :, None].repeat(3, axis=2))
    for extension, mode in [("png", "L"), ("tif", "L"), ("jpg", "L")]:
        with Image.open(photo.save(tmp_path / f"out.{extension}").path) as image:
            assert image.mode == mode
            assert np.abs(np.asarray(image).astype(int) - ramp).max() <= (0 if extension != "jpg" else 10)
    coloured = photo.with_pixels(np.broadcast_to(np.array([255, 0, 0], np.uint8), (4, 4, 3)))
    with Image.open(coloured.save(tmp_path / "luma.png").path) as image:
        assert image.getpixel((0, 0)) == 76  # Rec. 601 luma of red
    with Image.open(open_photo(tmp_path / "alpha.png").save(tmp_path / "la.png").path) as image:
        assert image.mode == "LA" and np.array_equal(np.asarray(image)[:, :, 1], 255 - ramp)


def test_alpha_is_laid_on_white_in_a_jpeg(tmp_path: Path) -> None:
    clear = np.zeros((16, 16, 4), np.uint8)
    saved = Photo(clear).save(tmp_path / "a.jpg")
    assert any("white" in notice for notice in saved.notices)
    assert open_photo(saved.path).pixels.min() >= 254
    clear[:, :, 3] = 255
    saved = Photo(clear).save(tmp_path / "b.jpg")
    assert saved.notices == () and open_photo(saved.path).pixels.max() <= 1


@pytest.mark.parametrize(("subsampling", "number"), [("4:4:4", 0), ("4:2:2", 1), ("4:2:0", 2)])
def test_a_jpeg_keeps_its_chroma_subsampling(tmp_path: Path, subsampling: str, number: int) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "a.jpg", subsampling=number)
    photo = open_photo(tmp_path / "a.jpg")
    assert photo.source.subsampling == subsampling
    with Image.open(photo.save(tmp_path / "b.jpg").path) as image:
        assert JpegImagePlugin.get_sampling(image) == number  # type: ignore[arg-type]
    with Image.open(PHOTO.save(tmp_path / "c.jpg").path) as image:
        assert JpegImagePlugin.get_sampling(image) == 0  # type: ignore[arg-type]


def test_the_source_is_never_overwritten_by_any_name(tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "a.jpg")
    before = digest(tmp_path / "a.jpg")
    photo = open_photo(tmp_path / "a.jpg")
    (tmp_path / "link.jpg").symlink_to("a.jpg")
    (tmp_path / "hard.jpg").hardlink_to(tmp_path / "a.jpg")
    (tmp_path / "folder").mkdir()
    (tmp_path / "way").symlink_to(tmp_path)
    for name in ["a.jpg", "link.jpg", "hard.jpg", "folder/../a.jpg", "way/a.jpg"]:
        with pytest.raises(UsageError, match="never overwritten"):
            photo.save(tmp_path / name)
    with pytest.raises(UsageError, match="never overwritten"):
        photo.with_pixels(255 - PIXELS).save(tmp_path / "a.jpg")
    assert digest(tmp_path / "a.jpg") == before


def test_targets_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "file").touch()
    for target in ["folder.jpg", "nowhere/a.jpg", "file/a.jpg", "x" * 252 + ".jpg"]:
        with pytest.raises(UnwritablePhotoError):
            PHOTO.save(tmp_path / target)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "fifo.jpg")
        with pytest.raises(UnwritablePhotoError, match="pipe"):
            PHOTO.save(tmp_path / "fifo.jpg")
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".lptn")]


@pytest.mark.parametrize("name", [b"x" * 251 + b".jpg", b"caf\xe9.jpg", b"-rf .png", b"two\nlines.png"])
def test_odd_names(tmp_path: Path, name: bytes) -> None:
    target = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
    assert PHOTO.save(target).path == target
    assert open_photo(target).width == PHOTO.width


@pytest.mark.parametrize("failure", [OSError(errno.ENOSPC, "full"), PermissionError(errno.EACCES, "no")])
@pytest.mark.parametrize("moment", ["replace", "fsync"])
def test_a_failing_disk_leaves_the_target_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: OSError, moment: str
) -> None:
    def fail(*_: object) -> None:
        raise failure

    (tmp_path / "a.png").write_bytes(b"the old one")
    monkeypatch.setattr(files.os, moment, fail)
    with pytest.raises(UnwritablePhotoError, match=r"full|permitted"):
        PHOTO.save(tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes() == b"the old one"
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_ctrl_c_while_writing_leaves_the_target_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    (tmp_path / "a.png").write_bytes(b"the old one")
    monkeypatch.setattr(files.os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        PHOTO.save(tmp_path / "a.png")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    assert (tmp_path / "a.png").read_bytes() == b"the old one"


def test_a_failing_encoder_leaves_the_target_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> tuple[bytes, list[str]]:
        raise SystemError("tile cannot extend outside image")

    (tmp_path / "a.png").write_bytes(b"the old one")
    monkeypatch.setattr(encode, "_encoded", fail)
    with pytest.raises(UnwritablePhotoError, match="could not be encoded"):
        PHOTO.save(tmp_path / "a.png")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    assert (tmp_path / "a.png").read_bytes() == b"the old one"


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
def test_a_killed_process_leaves_the_target_as_it_was(tmp_path: Path) -> None:
    target = tmp_path / "a.png"
    target.write_bytes(b"the old one")
    code = (
        "import os, sys, time, numpy as np\n"
        "from lptn_retouch import Photo, files\n"
        "files.os.fsync = lambda _: (print('half way', flush=True), time.sleep(60))\n"
        "Photo(np.zeros((50, 50, 3), np.uint8)).save(sys.argv[1])\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, target], stdout=subprocess.PIPE, cwd=ROOT) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"half way\n"
        child.kill()
    assert target.read_bytes() == b"the old one"
    assert len(list(tmp_path.glob(".lptn-*.tmp"))) == 1  # hidden, and of a name that says whose it is


def test_permissions_of_the_replaced_file_and_links(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"old")
    (tmp_path / "a.png").chmod(0o640)
    PHOTO.save(tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_mode & 0o777 == 0o640
    (tmp_path / "elsewhere").write_bytes(b"untouched")
    (tmp_path / "link.png").symlink_to("elsewhere")
    PHOTO.save(tmp_path / "link.png")
    assert (tmp_path / "elsewhere").read_bytes() == b"untouched"
    assert not (tmp_path / "link.png").is_symlink()


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
@pytest.mark.parametrize(
    ("pointed_at", "umask", "granted"),
    [(0o644, 0o022, 0o644), (0o600, 0o022, 0o600), (0o666, 0o077, 0o600), (None, 0o077, 0o600)],
)
def test_what_replaces_a_link_is_no_more_open_than_its_target_or_umask(
    tmp_path: Path, pointed_at: int | None, umask: int, granted: int
) -> None:
    """The mode of a link itself is 0777 and means nothing."""
    (tmp_path / "link.png").symlink_to("elsewhere")
    if pointed_at is not None:
        (tmp_path / "elsewhere").write_bytes(b"untouched")
        (tmp_path / "elsewhere").chmod(pointed_at)
    before = os.umask(umask)
    try:
        PHOTO.save(tmp_path / "link.png")
    finally:
        os.umask(before)
    assert (tmp_path / "link.png").lstat().st_mode & 0o7777 == granted


WRITING = """
import sys, time
from pathlib import Path
from lptn_retouch.files import write_atomically

def slowly(file):
    file.write(b"half")
    print("half way", flush=True)
    time.sleep(600)

write_atomically(Path(sys.argv[1]), slowly)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
def test_what_a_killed_process_left_is_removed_and_what_a_living_one_writes_is_not(tmp_path: Path) -> None:
    kept = [".lptn-0123.tmp", ".lptn-0123456789abcdef.tmp.jpg", "x.lptn-0123456789abcdef.tmp", "a.jpg", "way"]
    for name in kept[:-1]:
        (tmp_path / name).write_bytes(b"somebody's")
    (tmp_path / "way").mkdir()
    (tmp_path / "way" / ".lptn-0123456789abcdef.tmp").write_bytes(b"in another folder")
    (tmp_path / ".lptn-aaaaaaaaaaaaaaaa.tmp").symlink_to("a.jpg")
    (tmp_path / ".lptn-bbbbbbbbbbbbbbbb.tmp").mkdir()
    kept += [".lptn-aaaaaaaaaaaaaaaa.tmp", ".lptn-bbbbbbbbbbbbbbbb.tmp"]
    words = [sys.executable, "-c", WRITING, tmp_path / "result.png"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, cwd=ROOT) as child:
        assert child.stdout is not None
        try:
            assert child.stdout.readline() == b"half way\n"
            (written,) = {path.name for path in tmp_path.iterdir()} - set(kept)
            assert files.remove_leftovers(tmp_path) == []
        finally:
            child.kill()
    assert files.remove_leftovers(tmp_path) == [tmp_path / written]
    assert {path.name for path in tmp_path.iterdir()} == set(kept)
    assert (tmp_path / "way" / ".lptn-0123456789abcdef.tmp").exists()


def test_what_this_process_writes_is_no_leftover(tmp_path: Path) -> None:
    """Until it has its name: then it is no temporary file any more."""
    found: list[list[Path]] = []
    replace = os.replace

    def look(stream: io.BufferedWriter) -> None:
        stream.write(b"new")
        found.append(files.remove_leftovers(tmp_path))

    def replaced(*names: Path) -> None:
        found.append(files.remove_leftovers(tmp_path))
        replace(*names)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files.os, "replace", replaced)
        files.write_atomically(tmp_path / "a", look)  # type: ignore[arg-type]
    assert found == [[], []]
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"new"]


def test_a_file_taken_for_a_leftover_before_it_was_locked_is_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = os.open
    taken: list[Path] = []

    def taken_away(path: Path, *how: int) -> int:
        handle = opened(path, *how)
        if how[0] & os.O_CREAT and not taken:
            taken.extend(files.remove_leftovers(tmp_path))
        return handle

    monkeypatch.setattr(files.os, "open", taken_away)
    files.write_atomically(tmp_path / "a", lambda stream: stream.write(b"new"))
    assert len(taken) == 1
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"new")]


@pytest.mark.parametrize("locks", [None, "unsupported"])
def test_where_there_are_no_locks_a_leftover_is_a_day_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, locks: str | None
) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "no locks here")

    if locks is None:
        monkeypatch.setattr(files, "fcntl", None)
    else:
        monkeypatch.setattr(files.fcntl, "flock", unsupported)
    young, old = tmp_path / ".lptn-0000000000000000.tmp", tmp_path / ".lptn-0123456789abcdef.tmp"
    for path, hours in ((young, 23), (old, 25)):
        path.write_bytes(b"half")
        os.utime(path, (time.time() - hours * 3600,) * 2)
    assert files.remove_leftovers(tmp_path) == [old]
    files.write_atomically(tmp_path / "a", lambda stream: stream.write(b"new"))
    assert {path.name for path in tmp_path.iterdir()} == {young.name, "a"}


def test_a_folder_that_cannot_be_read_has_no_leftovers(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert files.remove_leftovers(tmp_path / "nowhere") == files.remove_leftovers(tmp_path / "file") == []


GONE = """
import os, sys
from lptn_retouch import errors, open_photo
from lptn_retouch.photo import Photo
import numpy as np

os.mkdir("gone")
os.chdir("gone")
os.rmdir("../gone")
for call in (lambda: open_photo("a.jpg"), lambda: Photo(np.zeros((2, 2, 3), np.uint8)).save("a.png")):
    try:
        call()
    except errors.PhotoError as error:
        print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the working folder cannot be removed")
def test_a_working_folder_that_is_gone_is_told_in_a_sentence(
    tmp_path: Path, one_sentence: Callable[[object], str]
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", GONE],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.stderr == "" and done.stdout.count("\n") == 2
    for line in done.stdout.splitlines():
        assert "working folder" in one_sentence(line)


def with_everything(folder: Path) -> Photo:
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Maker", 6
    exif.get_ifd(0x8769)[0x9003] = "2020:01:02 03:04:05"
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (1.0, 2.0, 3.0)
    source = folder / "everything.jpg"
    Image.fromarray(PIXELS).save(source, exif=exif, xmp=xmp_packet(), icc_profile=SRGB, comment=b"hello", quality=95)
    return open_photo(source)


@pytest.mark.parametrize("format", dict.fromkeys(WRITTEN.values()), ids=lambda format: format.name)
def test_blocks_travel_into_every_container(tmp_path: Path, format: Format[Any]) -> None:
    photo = with_everything(tmp_path)
    saved = photo.save(tmp_path / f"out{format.endings[0]}")
    again = open_photo(saved.path)
    assert again.metadata.orientation == 1
    assert (again.width, again.height) == (photo.width, photo.height) == (48, 40)
    assert again.metadata.icc == (photo.metadata.icc if format.holds and format.holds.profiles else None)
    assert again.metadata.xmp is not None and b"xmpmeta" in again.metadata.xmp
    exif = Image.Exif()
    exif.load(again.metadata.exif or b"")
    assert exif[0x010F] == "Maker"
    assert exif.get_ifd(0x8769)[0x9003] == "2020:01:02 03:04:05"
    assert exif.get_ifd(0x8825)[1] == "N"
    assert any("comment" in notice for notice in saved.notices) == (Kind.COMMENT not in format.carries)


def test_metadata_may_be_left_out(tmp_path: Path) -> None:
    photo = with_everything(tmp_path)
    bare = open_photo(photo.save(tmp_path / "bare.jpg", metadata="none").path)
    assert bare.metadata.exif is None and bare.metadata.xmp is None
    assert bare.metadata.icc == photo.metadata.icc  # without it the numbers would mean other colours
    private = open_photo(photo.save(tmp_path / "private.jpg", metadata="strip-private").path).metadata
    exif = Image.Exif()
    exif.load(private.exif or b"")
    assert exif[0x010F] == "Maker" and 0x8825 not in exif
    with pytest.raises(UsageError, match="strip-private"):
        photo.save(tmp_path / "some.jpg", metadata="some")
    assert not (tmp_path / "some.jpg").exists()


def test_a_result_keeps_the_date_of_its_source(tmp_path: Path) -> None:
    photo = with_everything(tmp_path)
    os.utime(tmp_path / "everything.jpg", ns=(0, 1_234_567_890_000_000_000))
    photo = open_photo(tmp_path / "everything.jpg")
    assert photo.save(tmp_path / "kept.png").path.stat().st_mtime_ns == 1_234_567_890_000_000_000
    assert photo.save(tmp_path / "bare.png", metadata="none").path.stat().st_mtime_ns > 1_700_000_000_000_000_000


WIDE = np.array([[[10, 250, 10], [250, 10, 10], [10, 10, 250], [128, 128, 128]]], np.uint8).repeat(8, 0).repeat(8, 1)


def test_srgb_can_be_asked_for_and_is_what_a_jpeg_xl_gets(tmp_path: Path) -> None:
    photo = Photo(WIDE, metadata=Metadata.build(icc=adobe_rgb_profile()))
    saved = photo.save(tmp_path / "narrow.png", profile="srgb")
    again = open_photo(saved.path)
    assert again.color_space == "sRGB" and not saved.notices
    assert again.pixels[0, 0].tolist() == [0, 250, 0]  # this green lies outside sRGB, and goes to its edge
    assert again.pixels[0, -1].tolist() == [129, 129, 129]  # another curve, the same grey
    saved = photo.save(tmp_path / "narrow.jxl", quality=100)
    assert any("sRGB" in notice for notice in saved.notices)
    assert np.array_equal(open_photo(saved.path).pixels, again.pixels)


def test_the_thumbnail_shows_the_result() -> None:
    small = io.BytesIO()
    Image.new("RGB", (160, 120), (0, 0, 255)).resize((160, 120)).save(small, "JPEG", quality=95)
    padded = small.getvalue() + bytes(3000)
    make = thumbnailer(Photo(np.full((400, 600, 3), (255, 0, 0), np.uint8)).picture)
    made = make((160, 120), len(padded))
    assert made is not None and len(made) <= len(padded)
    with Image.open(io.BytesIO(made)) as image:
        assert image.size == (160, 107) and image.getpixel((80, 50))[0] > 250  # type: ignore[index]
    assert make((160, 120), 100) is None


@pytest.mark.slow
@pytest.mark.parametrize("name", ["oakland-zoo-otters.jpg", "casa-mila.jpg"])
def test_opening_and_saving_a_photograph_changes_neither_the_file_nor_much_of_the_picture(
    shared: Path, tmp_path: Path, name: str
) -> None:
    source = shared / "data" / "photos" / name
    before, status = digest(source), source.stat()
    photo = open_photo(source)
    again = open_photo(photo.save(tmp_path / "a.jpg", quality=95).path)
    error = (again.pixels.astype(np.float32) - photo.pixels) ** 2
    assert 10 * np.log10(255**2 / error.mean()) > 38  # dB
    assert digest(source) == before
    assert source.stat().st_mtime_ns == status.st_mtime_ns


def test_a_photo_that_was_changed_elsewhere_names_no_source(tmp_path: Path) -> None:
    photo = open_photo(PHOTO.save(tmp_path / "a.png").path)
    assert photo.source.sha256 and photo.with_pixels(PIXELS // 2).source.sha256 is None


def test_too_little_memory_to_write_is_told_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> tuple[bytes, list[str]]:
        raise MemoryError

    monkeypatch.setattr(encode, "_encoded", fail)
    with pytest.raises(UnwritablePhotoError, match="memory"):
        PHOTO.save(tmp_path / "a.png")
