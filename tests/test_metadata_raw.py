"""The shooting data of real RAW files, judged by exiftool; and of made ones for the corners they do not reach."""

import io
import json
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from lptn_retouch.metadata import Metadata, compare, exif_from_raw, metadata_from_raw, splice_jpeg
from lptn_retouch.metadata.tiff import Tiff
from lptn_retouch.metadata.tiff_build import Field, build_exif, rational_field, short_field, text_field

RAW_FILES = Path(__file__).resolve().parents[2] / "shared" / "data" / "raw"
needs_files = pytest.mark.skipif(not RAW_FILES.is_dir(), reason="the real RAW files (../shared/data/raw) are absent")
needs_exiftool = pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is absent")

SHOOTING = ("Make", "Model", "DateTimeOriginal", "ExposureTime", "FNumber", "ISO", "FocalLength")


@pytest.fixture(scope="module")
def developed(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Path]:
    folder = tmp_path_factory.mktemp("developed")
    file = io.BytesIO()
    Image.new("RGB", (64, 48)).save(file, "JPEG")
    pairs = {}
    for path in sorted(RAW_FILES.iterdir()):
        metadata, _ = metadata_from_raw(path).for_result(
            width=64, height=48, turned=True, make_thumbnail=lambda _box, _most: None
        )
        pairs[path] = folder / (path.name + ".jpg")
        pairs[path].write_bytes(splice_jpeg(file.getvalue(), metadata))
    return pairs


def exiftool(paths: list[Path]) -> list[dict[str, object]]:
    command = [
        "exiftool",
        "-j",
        "-n",
        "-q",
        "-q",
        *(f"-{tag}" for tag in (*SHOOTING, "Orientation", "Warning")),
        *paths,
    ]
    found: list[dict[str, object]] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return found


def close(a: object, b: object) -> bool:
    """Equal, or equal numbers to five digits (exiftool gives long ones as text)."""
    try:
        return float(str(a)) == pytest.approx(float(str(b)), rel=1e-5)
    except ValueError:
        return a == b


@needs_files
@needs_exiftool
def test_what_exiftool_sees_in_the_raw_it_sees_in_the_jpeg(developed: dict[Path, Path]) -> None:
    before, after = exiftool(list(developed)), exiftool(list(developed.values()))
    seen = 0
    for old, new in zip(before, after, strict=True):
        for tag in SHOOTING:
            if tag in old:
                seen += 1
                assert close(old[tag], new.get(tag)), (old["SourceFile"], tag, old[tag], new.get(tag))
        assert new.get("Orientation") == 1
        assert "Warning" not in new
    assert seen >= 40


@needs_files
def test_our_own_diff_finds_nothing_lost(developed: dict[Path, Path]) -> None:
    for before, after in developed.items():
        diff = compare(before, after)
        assert diff.ok, (before.name, diff.to_text())
        assert diff.counts["kept"] >= 4


@needs_files
def test_nothing_of_the_raw_files_own_structure_comes_along() -> None:
    for path in RAW_FILES.iterdir():
        exif = exif_from_raw(path)
        assert exif is not None
        assert len(exif) < 20_000
        tiff = Tiff(exif)
        (first,) = tiff.chain()
        shot = tiff.pointed(first, 0x8769)
        tags = {entry.tag for entry in (*first.entries, *(shot.entries if shot else ()))}
        assert not tags & {0x0100, 0x0101, 0x0111, 0x0117, 0x014A, 0x0144, 0x828E, 0x927C, 0xC612, 0xC621, 0x02BC}
        assert tiff.number(first.get(0x0112)) == 1


@needs_files
def test_a_cut_raw_file_gives_what_it_can_and_never_crashes(tmp_path: Path) -> None:
    for path in sorted(RAW_FILES.iterdir()):
        whole = path.read_bytes()[:4096]
        for keep in (0, 1, 17, 18, 100, 1000, 4096):
            cut = tmp_path / path.name
            cut.write_bytes(whole[:keep])
            exif = exif_from_raw(cut)
            assert exif is None or Tiff(exif).order in "<>"


@pytest.mark.parametrize("order", ["<", ">"])
def test_place_lens_and_tiff_ep_tags_survive_in_both_byte_orders(order: str, tmp_path: Path) -> None:
    lens = struct.pack(order + "8I", 24, 1, 70, 1, 28, 10, 28, 10)
    gps = [text_field(1, "N"), Field(2, 5, 3, struct.pack(order + "6I", 51, 1, 30, 1, 777, 10))]
    time = Field(0x829A, 5, 1, struct.pack(order + "2I", 1, 250))
    main = [text_field(0x010F, "Camera"), Field(0xC630, 5, 4, lens), Field(0x9102, 5, 1, bytes(8)), time,
            Field(0x0112, 3, 1, struct.pack(order + "H", 8))]  # fmt: skip
    path = tmp_path / "made.dng"
    path.write_bytes(build_exif(order, main, [text_field(0xA434, "A lens")], gps).ljust(4096, b"\0"))
    tiff = Tiff(exif_from_raw(path) or b"")
    first = tiff.ifd(tiff.first)
    shot, place = tiff.pointed(first, 0x8769), tiff.pointed(first, 0x8825)
    assert first is not None and shot is not None and place is not None
    values = {entry.tag: tiff.value(entry) for entry in (*first.entries, *shot.entries)}
    assert (values[0x010F], values[0x0112], values[0xA434]) == ("Camera", (1,), "A lens")
    assert (values[0xA432], values[0x829A]) == (((24, 1), (70, 1), (28, 10), (28, 10)), ((1, 250),))
    assert 0x9102 not in values
    assert [tiff.value(entry) for entry in place.entries] == ["N", ((51, 1), (30, 1), (777, 10))]


def test_built_exif_is_what_pillow_reads() -> None:
    exif = build_exif("<", [short_field(0x0112, 1), text_field(0x0110, "S40")], [rational_field(0x829D, 2.8)])
    read = Image.Exif()
    read.load(b"Exif\0\0" + exif)
    assert (read[0x0112], read[0x0110], read.get_ifd(0x8769)[0x829D]) == (1, "S40", 2.8)
    assert Metadata.build(exif=exif).orientation == 1


def crw(records: dict[int, bytes]) -> bytes:
    """A CIFF heap with one directory."""
    values, entries = b"", b""
    for number, value in records.items():
        entries += struct.pack("<HII", number, len(value), len(values))
        values += value
    heap = values + struct.pack("<H", len(records)) + entries + struct.pack("<I", len(values))
    return b"II\x1a\0\0\0HEAPCCDR".ljust(26, b"\0") + heap


def test_canons_third_stops_become_the_numbers_on_the_dial(tmp_path: Path) -> None:
    settings, shot = [0] * 32, [0] * 32
    settings[16], settings[25] = 17, 32  # ISO 100 in Canon's numbering, focal lengths in 1/32 mm
    shot[21], shot[22] = 2 * 32 + 12, 7 * 32 + 20  # 2 1/3 stops of aperture; 7 2/3 stops of time
    records = {0x080A: b"Canon\0Canon S40\0", 0x180E: struct.pack("<III", 86400 * 365, 0, 0),
               0x102D: struct.pack("<32h", *settings), 0x102A: struct.pack("<32h", *shot),
               0x1029: struct.pack("<4h", 2, 227, 0, 0)}  # fmt: skip
    path = tmp_path / "made.crw"
    path.write_bytes(crw(records))
    tiff = Tiff(exif_from_raw(path) or b"")
    shooting = tiff.pointed(tiff.ifd(tiff.first), 0x8769)
    assert shooting is not None
    values = {entry.tag: tiff.value(entry) for entry in shooting.entries}
    assert (values[0x8827], values[0x9003]) == ((100,), "1971:01:01 00:00:00")
    for tag, number in ((0x829D, 2 ** (7 / 6)), (0x829A, 2 ** (-23 / 3)), (0x920A, 227 / 32)):
        ((top, bottom),) = values[tag]  # type: ignore[misc]
        assert top / bottom == pytest.approx(number, rel=1e-5)  # type: ignore[operator]
