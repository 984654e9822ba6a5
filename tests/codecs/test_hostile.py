"""Files made to hurt, through the command as people run it: a picture comes out, or one sentence, and nothing else.

One process takes many files, so that a crash shows as its end; it tells of each what memory it took.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from lptn_retouch import Photo, open_photo
from lptn_retouch.codecs.jpeg.embed import embed_jpeg
from lptn_retouch.codecs.png.blocks import embed_png
from lptn_retouch.color import adobe_rgb_profile
from lptn_retouch.metadata import Block, Metadata
from lptn_retouch.metadata.blocks import PNG_CHUNK
from tests.builders import png_file, tiff_directories
from tests.places import SAMPLES

LIMIT = 0.3  # gigabytes that a picture may need, as --memory-limit says it
MOST_MEMORY = LIMIT * 1e9 + 200e6  # and what decoders and the library itself take beside the picture
PATIENCE = 120  # seconds for all files together: what ends later hangs
Sentence = Callable[[object], str]
Told = list[dict[str, Any]]

CHILD = """
import json, os, sys
from pathlib import Path
said = os.open(sys.argv[1], os.O_CREAT | os.O_RDWR | os.O_APPEND)
os.dup2(said, 2)
from lptn_retouch.cli import main

def memory(name):
    lines = Path("/proc/self/status").read_text().splitlines() if Path("/proc/self/status").exists() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(name)), 0)

out = os.fdopen(os.dup(1), "w")
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
for line in sys.stdin:
    os.ftruncate(said, 0)
    if Path("/proc/self/clear_refs").exists():
        Path("/proc/self/clear_refs").write_text("5")
    before = memory("VmRSS")
    try:
        status = main(["apply", *json.loads(line)])
    except SystemExit as stop:
        status = stop.code
    sys.stderr.flush()
    words = os.pread(said, 1 << 20, 0).decode()
    print(json.dumps([status, words, memory("VmHWM") - before]), file=out, flush=True)
"""


@pytest.fixture(scope="session")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> None:
    """All kernels on the disk, so that what is said of compiling them is not said of a damaged file."""
    folder = tmp_path_factory.mktemp("kernels")
    files = []
    for dtype in (np.uint8, np.uint16, np.float32):
        for icc in (None, adobe_rgb_profile()):
            pixels = np.full((400, 500, 3), 0.5 if dtype == np.float32 else 90, dtype)
            photo = Photo(pixels, metadata=Metadata.build(icc=icc))
            files.append(str(photo.save(folder / f"{np.dtype(dtype)}-{'adobe' if icc else 'srgb'}.tif").path))
    words = [sys.executable, "-m", "lptn_retouch", "apply", *files, "-o", str(folder / "results")]
    subprocess.run(words, check=True, capture_output=True)


@pytest.fixture
def apply(tmp_path: Path, one_sentence: Sentence, kernels: None) -> Callable[..., Told]:  # noqa: ARG001
    """Run `apply` on each file, with the laws that hold for any; tells of each `status`, `words` and `result`."""

    def told(files: list[Path], *options: str, ending: str = ".jpg") -> Told:
        results, temporary = tmp_path / "results", tmp_path / "tmp"
        for folder in (results, temporary):
            folder.mkdir(exist_ok=True)
        targets = [results / f"{number}{ending}" for number in range(len(files))]
        options = ("--memory-limit", str(LIMIT), *options)
        orders = [[str(f), "-o", str(t), *options] for f, t in zip(files, targets, strict=True)]
        warm = [str(SAMPLES / "lake-sherburne.jpg"), "-o", str(tmp_path / "warm.jpg")]  # all is loaded, and compiled
        before = {file: _state(file) for file in files}
        done = subprocess.run(
            [sys.executable, "-c", CHILD, str(tmp_path / "stderr")],
            input="\n".join(map(json.dumps, [warm, *orders])),
            capture_output=True,
            text=True,
            timeout=PATIENCE + 2 * len(files),
            env=os.environ | {"TMPDIR": str(temporary), "OMP_NUM_THREADS": "1"},
        )
        lines = [json.loads(line) for line in done.stdout.splitlines()][1:]
        last = (tmp_path / "stderr").read_text()[-500:]
        assert len(lines) == len(files), f"{files[len(lines)]} ended the process with {done.returncode}: {last}"
        said = []
        for file, target, (status, words, memory) in zip(files, targets, lines, strict=True):
            assert status in (0, 1), (file, words)
            notes = words.splitlines()
            for note in notes:
                one_sentence(note.removeprefix("  note: ").removeprefix("lptn-retouch: "))
            assert all(note.startswith("  note: ") for note in notes) if status == 0 else len(notes) == 1, (file, words)
            assert target.exists() == (status == 0), file
            assert memory < MOST_MEMORY, (file, memory)
            assert _state(file) == before[file], f"{file} was modified"
            said.append({"file": file, "status": status, "words": words, "result": target})
        assert not list(temporary.iterdir()), "a temporary file was left behind"
        assert {path.suffix for path in results.iterdir()} <= {ending}
        return said

    return told


def _state(file: Path) -> tuple[str, int] | None:
    if not file.is_file() or not file.stat().st_size < 1 << 30:
        return None
    return hashlib.sha256(file.read_bytes()).hexdigest(), file.stat().st_mtime_ns


@pytest.mark.slow
def test_damaged_files_of_others(shared: Path, apply: Callable[..., Told]) -> None:
    """Files that crashed other programs."""
    told = apply(sorted((shared / "data" / "damaged").iterdir()))
    for one in told:
        if one["status"] == 0:
            assert open_photo(one["result"]).width > 0
    assert 5 < sum(one["status"] for one in told) < len(told), "all opened, or none"


WHOLE = (
    "camera-jpegs/photoprism__iptc-fields-500.jpg", "odd/photoprism__screenshot.png", "odd/exiv2__Reagan.tiff",
    "odd/TwelveMonkeys__4_webp_a.webp", "odd/Pillow__rot1mir1.avif", "odd/pillow-heif__RGB_10__29x100.heif",
    "odd/Pillow__no_palette_with_transparency.gif", "odd/Pillow__rgb32bf-abgr.bmp", "odd/Pillow__16bit.MM.cropped.tif",
    "raw/bsd3-lg-h815.dng", "raw/cc0-kodak-dc120-0.kdc",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("harm", ["cut", "flipped"])
def test_a_real_file_of_each_kind_damaged_here(
    shared: Path, tmp_path: Path, apply: Callable[..., Told], harm: str
) -> None:
    picture = np.random.default_rng(3).integers(0, 256, (40, 60, 3), np.uint8)
    made = Photo(picture).save(tmp_path / "made.jxl").path
    files = []
    for source in (*(shared / "data" / name for name in WHOLE), made):
        data = source.read_bytes()
        for number, damaged in enumerate(_cut(data) if harm == "cut" else _flipped(data)):
            files.append(tmp_path / f"{number}-{source.name}")
            files[-1].write_bytes(damaged)
    told = apply(files)
    assert sum(one["status"] for one in told) > (len(told) / 2 if harm == "cut" else 5)
    for one in told:
        if one["status"] == 0:
            assert open_photo(one["result"]).width > 0


def _cut(data: bytes) -> Iterator[bytes]:
    for length in (1, 12, 100, len(data) // 3, len(data) * 9 // 10, len(data) - 1):
        yield data[:length]


def _flipped(data: bytes) -> Iterator[bytes]:
    """One bit in the header; a few in the first kilobyte; many anywhere."""
    rng = random.Random(len(data))
    for count, within in ((1, 64), (3, 1024), (8, 1024), (8, len(data)), (64, len(data))):
        damaged = bytearray(data)
        for _ in range(count):
            damaged[rng.randrange(4, min(within, len(data)))] ^= 1 << rng.randrange(8)
        yield bytes(damaged)


def _png(width: int, height: int, rows: bytes) -> bytes:
    return png_file(width, height, 1, 0, rows)


def _tiff(width: int, height: int, bits: int, compression: int, strip: bytes) -> bytes:
    numbers = {256: width, 257: height, 258: bits, 259: compression, 262: 1, 273: 200, 277: 1, 278: height,
               279: len(strip)}  # fmt: skip
    return tiff_directories({tag: (number,) for tag, number in numbers.items()}).ljust(200, b"\0") + strip


def _webp(side: int) -> bytes:
    bits = struct.pack("<BI", 0x2F, side - 1 | side - 1 << 14)
    return b"RIFF" + struct.pack("<I", 20) + b"WEBPVP8L" + struct.pack("<I", 8) + bits + bytes(3)


def _jxl(side: int) -> bytes:
    """A codestream whose header says so (18 bits a side), and then that of a small picture."""
    small = bytes(imagecodecs.jpegxl_encode(np.zeros((8, 8, 3), np.uint8), usecontainer=False))
    number = 0 | 2 << 1 | (side - 1) << 3 | 1 << 21  # not small; 18 bits of height; as wide as high
    return small[:2] + number.to_bytes(3, "little") + small[3:]


def _avif(side: int) -> bytes:
    small = bytes(imagecodecs.avif_encode(np.zeros((16, 16, 3), np.uint8)))
    at = small.index(b"ispe") + 8
    return small[:at] + struct.pack(">II", side, side) + small[at + 8 :]


def _bmp(side: int) -> bytes:
    return b"BM" + struct.pack("<IHHIIIIHHIIIIII", 154, 0, 0, 54, 40, side, side, 1, 24, 0, 0, 0, 0, 0, 0) + bytes(100)


@pytest.mark.slow
def test_a_tiny_file_that_promises_a_huge_picture_is_refused(tmp_path: Path, apply: Callable[..., Told]) -> None:
    """Each is sound up to where its pixels would be, and its size one that the library opens at most."""
    bombs = {
        "a.png": _png(20000, 20000, bytes(2501 * 20000)),
        "deflate.tif": _tiff(30000, 30000, 8, 8, zlib.compress(bytes(1 << 22))),
        "plain.tif": _tiff(30000, 30000, 8, 1, bytes(64)),
        "fax.tif": _tiff(30000, 30000, 1, 4, bytes(64)),
        "a.webp": _webp(16384),
        "a.jxl": _jxl(31000),
        "a.avif": _avif(31000),
        "a.gif": b"GIF89a" + struct.pack("<HH", 30000, 30000) + b"\x80\0\0" + bytes(6)
        + b"," + struct.pack("<HHHHB", 0, 0, 30000, 30000, 0) + b"\x02\x02\x4c\x01\0;",
        "a.bmp": _bmp(30000),
    }  # fmt: skip
    for name, content in bombs.items():
        (tmp_path / name).write_bytes(content)
    for one in apply([tmp_path / name for name in bombs], "--memory-limit", "1"):
        assert one["status"] == 1, one
        assert one["file"].name in one["words"]


@pytest.mark.slow
def test_a_file_that_lies_about_its_kind_is_what_it_is(tmp_path: Path, apply: Callable[..., Told]) -> None:
    with Image.open(SAMPLES / "lake-sherburne.jpg") as image:
        small = image.resize((96, 64))
    small.save(tmp_path / "a.png")
    small.save(tmp_path / "a.jpg")
    png, jpeg = (tmp_path / "a.png").read_bytes(), (tmp_path / "a.jpg").read_bytes()
    lies = {"png.jpg": png, "jpeg.cr2": jpeg, "jpeg.dng": jpeg, "jpeg.png": jpeg, "png.nef": png, "png": png,
            "raw.jpg": (SAMPLES / "canon-s40.crw").read_bytes()}  # fmt: skip
    empty = {"text.jpg": b"a photograph of a lake", "page.jpg": b"<html><img src=lake.jpg>", "zip.png": b"PK\3\4" * 99,
             "jpeg-behind.jpg": b"\0" * 4096 + jpeg, "gif-then-jpeg.jpg": b"GIF89a" + jpeg,
             "video.jpg": b"\0\0\0\x1cftypisom\0\0\2\0" + bytes(999),
             "picture.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>"}  # fmt: skip
    for name, content in (lies | empty).items():
        (tmp_path / name).write_bytes(content)
    told = apply([tmp_path / name for name in lies | empty], "--memory-limit", "1")
    for one in told:
        assert one["status"] == (one["file"].name in empty), one
        if one["status"] == 0:
            with Image.open(one["result"]) as result:
                assert result.size == ((2272, 1704) if one["file"].name == "raw.jpg" else small.size), one


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="links, pipes and bytes in names are POSIX's")
def test_traps_of_the_file_system(tmp_path: Path, apply: Callable[..., Told]) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    with Image.open(SAMPLES / "lake-sherburne.jpg") as image:
        image.resize((96, 64)).save(folder / "a.jpg")
    os.mkfifo(folder / "pipe.jpg")
    (folder / "zero.jpg").symlink_to("/dev/zero")
    (folder / "loop.jpg").symlink_to("loop.jpg")
    (folder / "link.jpg").symlink_to("a.jpg")
    names = ["two\nlines.jpg", "\x1b[31mred.jpg", "x" * 251 + ".jpg", "-o.jpg", "café.jpg", " .jpg", "a.b..jpg"]
    names.append(os.fsdecode(b"not-utf-8-\xff.jpg"))
    for name in names:
        os.link(folder / "a.jpg", folder / name)
    good = [folder / name for name in ("a.jpg", "link.jpg", *names)]
    bad = [folder / name for name in ("pipe.jpg", "zero.jpg", "loop.jpg", "absent.jpg")] + [folder]
    bad += [folder / "two\nabsent lines.jpg", folder / os.fsdecode(b"absent-\xff\x1b[2J.jpg")]
    told = apply(good + bad)
    assert [one["status"] for one in told] == [0] * len(good) + [1] * len(bad)


@pytest.mark.slow
@pytest.mark.parametrize("command", [["--format", "png"], []])
def test_a_batch_with_every_kind_of_harm_does_the_others(
    tmp_path: Path, command: list[str], one_sentence: Sentence
) -> None:
    """As one command, as its user sees it."""
    with Image.open(SAMPLES / "lake-sherburne.jpg") as image:
        image.resize((96, 64)).save(tmp_path / "good.jpg")
    good = (tmp_path / "good.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(good[: len(good) // 2])
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "bomb.png").write_bytes(_png(20000, 20000, bytes(2501 * 20000)))
    inputs = [str(tmp_path / name) for name in ("cut.jpg", "empty.jpg", "bomb.png", "missing.jpg", "good.jpg")]
    words = [sys.executable, "-m", "lptn_retouch", "apply", *inputs, "-o", f"{tmp_path}/out/", "--memory-limit", "1"]
    done = subprocess.run([*words, *command], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if not line.startswith("  note: ")]
    assert len(lines) == 5 and lines[-1].endswith(", 4 failed"), done.stderr
    for line, name in zip(lines, inputs[:4], strict=False):
        assert Path(name).name in one_sentence(line)
    assert [path.stem for path in (tmp_path / "out").iterdir()] == ["good"]


def test_a_chunk_that_claims_gigabytes_reserves_none(tmp_path: Path) -> None:
    """Pillow asks the file for as many bytes as the chunk says; found by fuzzing."""
    whole = tmp_path / "whole.png"
    Image.new("RGB", (200, 130), (90, 120, 90)).save(whole)
    data = whole.read_bytes()
    at = data.index(b"IDAT") - 4
    (tmp_path / "lying.png").write_bytes(data[:at] + b"\xf0\0\0\0" + data[at + 4 :])
    code = """
import resource, sys
from lptn_retouch import open_photo
open_photo(sys.argv[1])  # all libraries are loaded
now = next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmSize"))
resource.setrlimit(resource.RLIMIT_AS, (now + (512 << 20),) * 2)
try:
    open_photo(sys.argv[2])
except Exception as error:
    print(error)
"""
    if not Path("/proc/self/status").exists():
        pytest.skip("the size of a process is not told here")
    told = subprocess.run([sys.executable, "-c", code, whole, tmp_path / "lying.png"], capture_output=True, text=True)
    assert told.returncode == 0 and "memory" not in told.stdout, told.stdout


def test_what_a_decoder_says_of_damage_becomes_a_note(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """libtiff decodes on after a bad code word and tells only the terminal; found by fuzzing."""
    rows = np.zeros((64, 256), bool)
    rows[20:40, 100:200] = rows[:, 40:90] = True
    Image.fromarray(rows).save(tmp_path / "fax.tif", compression="group3")
    sound = open_photo(tmp_path / "fax.tif")
    assert not sound.notices
    data = bytearray((tmp_path / "fax.tif").read_bytes())
    data[200:240] = b"\xff" * 40  # amid the strip, which begins at 8
    (tmp_path / "bad.tif").write_bytes(data)
    assert any("damage" in notice for notice in open_photo(tmp_path / "bad.tif").notices)
    assert not capfd.readouterr().err


def test_a_resolution_chunk_of_another_length_is_not_carried() -> None:
    """Readers refuse the whole PNG for it; found by fuzzing."""
    bare = imagecodecs.png_encode(np.zeros((4, 4, 3), np.uint8))
    for chunk in (b"pHYs", b"pHYs" + bytes(8), b"pHYs" + bytes(20)):
        png, _ = embed_png(bytes(bare), Metadata((Block(PNG_CHUNK, chunk),)))
        assert b"pHYs" not in png


def test_a_note_that_leads_to_one_directory_again_and_again_comes_to_an_end() -> None:
    """Each level would be laid out as often as it is named: a thousand times a thousand directories in 36 KB."""
    code = """
import struct
from lptn_retouch.codecs.raw.maker_note import fitted_note

def directory(entries):
    return struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)

many, top = 1000, 12
middle, bottom, end = (top + n * (2 + 12 * many) for n in (1, 2, 3))
note = b"OLYMPUS\\0II\\3\\0" + directory([(0x2010, 13, 1, middle)] * (many - 2) + [(1, 7, 8, end), (2, 7, 8, 10**8)])
note += directory([(0x2020, 13, 1, bottom)] * many) + directory([(3, 7, 9, 10**8)] * many) + bytes(16)
fitted_note(note, 5000, "<", room=65000, free_at=500)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_texts_that_unfold_to_megabytes_do_not_fill_a_jpeg() -> None:
    text = b"zTXtNote\0\0" + zlib.compress(b"a" * (15 << 20), 9)
    bare = imagecodecs.jpeg8_encode(np.zeros((8, 8, 3), np.uint8), 90)
    jpeg, notices = embed_jpeg(bytes(bare), Metadata((Block(PNG_CHUNK, text),) * 10))
    assert len(jpeg) < 2 << 20 and any("text" in notice for notice in notices)
