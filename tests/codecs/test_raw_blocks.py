"""The shooting data of real RAW files, judged by exiftool; and of made ones for the corners they do not reach."""

import json
import random
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lptn_retouch.codecs.jpeg.embed import embed_jpeg
from lptn_retouch.codecs.raw.blocks import (
    SIDECAR_DAMAGED,
    SIDECAR_PASSED,
    SIDECAR_USED,
    metadata_from_raw,
)
from lptn_retouch.codecs.raw.cr3 import CANON, XMP
from lptn_retouch.codecs.raw.maker_note import NOTE_DROPPED, fitted_note
from lptn_retouch.metadata import Metadata
from lptn_retouch.metadata.exif.build import Field, build_exif, rational_field, short_field, text_field
from lptn_retouch.metadata.photoshop import iptc_records
from lptn_retouch.structures.boxes import box_of
from lptn_retouch.structures.tiff import MAKER_NOTE, Ifd, Tiff
from lptn_retouch.verify.compare import compare
from tests.builders import plain, xmp_packet

PACKET = xmp_packet(
    '<rdf:Description xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/" crs:Exposure2012="+1.00"/>'
)

WARNING = "ExifTool:Warning"
SHOOTING = ("Make", "Model", "DateTimeOriginal", "ExposureTime", "FNumber", "ISO", "FocalLength")


@pytest.fixture(scope="module")
def developed(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Path]:
    folder = tmp_path_factory.mktemp("developed")
    pairs = {}
    for path in sorted((shared / "data" / "raw").iterdir()):
        metadata, _ = metadata_from_raw(path)[0].for_result(
            width=64, height=48, turned=True, make_thumbnail=lambda _box, _most: None
        )
        pairs[path] = folder / (path.name + ".jpg")
        pairs[path].write_bytes(embed_jpeg(plain(size=(64, 48)), metadata)[0])
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


@pytest.mark.slow
@pytest.mark.usefixtures("exiftool")
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


@pytest.mark.slow
def test_our_own_diff_finds_nothing_lost(developed: dict[Path, Path]) -> None:
    for before, after in developed.items():
        diff = compare(before, after)
        assert diff.ok, (before.name, diff.to_text())
        assert diff.counts["kept"] >= 4


def test_nothing_of_the_raw_files_own_structure_comes_along(shared: Path) -> None:
    for path in (shared / "data" / "raw").iterdir():
        exif = metadata_from_raw(path)[0].exif
        assert exif is not None
        assert len(exif) < 65_528
        tiff = Tiff(exif)
        (first,) = tiff.chain()
        shot = tiff.pointed(first, 0x8769)
        tags = {entry.tag for entry in (*first.entries, *(shot.entries if shot else ()))}
        assert not tags & {0x0100, 0x0101, 0x0111, 0x0117, 0x014A, 0x0144, 0x828E, 0xC612, 0xC621, 0x02BC}
        assert tiff.number(first.get(0x0112)) == 1


def test_a_cut_raw_file_gives_what_it_can_and_never_crashes(shared: Path, tmp_path: Path) -> None:
    for path in sorted((shared / "data" / "raw").iterdir()):
        whole = path.read_bytes()[:4096]
        for keep in (0, 1, 17, 18, 100, 1000, 4096):
            cut = tmp_path / path.name
            cut.write_bytes(whole[:keep])
            exif = metadata_from_raw(cut)[0].exif
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
    tiff = Tiff(metadata_from_raw(path)[0].exif or b"")
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
    tiff = Tiff(metadata_from_raw(path)[0].exif or b"")
    shooting = tiff.pointed(tiff.ifd(tiff.first), 0x8769)
    assert shooting is not None
    values = {entry.tag: tiff.value(entry) for entry in shooting.entries}
    assert (values[0x8827], values[0x9003]) == ((100,), "1971:01:01 00:00:00")
    for tag, number in ((0x829D, 2 ** (7 / 6)), (0x829A, 2 ** (-23 / 3)), (0x920A, 227 / 32)):
        ((top, bottom),) = values[tag]  # type: ignore[misc]
        assert top / bottom == pytest.approx(number, rel=1e-5)  # type: ignore[operator]


def tags(path: Path, *groups: str) -> dict[str, object]:
    """Exiftool's tags of some groups, unknown ones as well; without what describes storage."""
    command = ["exiftool", "-j", "-n", "-u", "-G1", *(f"-{group}:all" for group in groups), "-Warning", path]
    found: dict[str, object] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)[0]
    words = ("Preview", "Thumbnail", "SourceFile", "ExifImage")
    return {tag: value for tag, value in found.items() if not any(word in tag for word in words)}


@pytest.mark.slow
@pytest.mark.usefixtures("exiftool")
def test_a_canon_maker_note_survives_but_for_what_is_too_long(cr2: Path, tmp_path: Path) -> None:
    metadata, notices = metadata_from_raw(cr2)
    assert len(notices) == 1 and "maker note" in notices[0]
    (tmp_path / "a.jpg").write_bytes(embed_jpeg(plain(), metadata)[0])
    before, after = tags(cr2, "MakerNotes"), tags(tmp_path / "a.jpg", "MakerNotes")
    same = [tag for tag in before if after.get(tag) == before[tag]]
    assert len(before) > 150 and len(same) >= 0.98 * len(before)
    assert not any("Warning" in tag for tag in after)


def directory(tiff: Tiff, ifd: Ifd | None, without: int = -1) -> list[Field]:
    entries = ifd.entries if ifd else ()
    return [Field(e.tag, e.type, e.count, tiff.raw(e)) for e in entries if e.tag != without and e.size < 30000]


@pytest.fixture(scope="module")
def cr2(photograph: Callable[[str], Path]) -> Path:
    return photograph("raw/local-only-canon-eos30d.cr2")


def made_cr3(cr2: Path) -> bytes:
    """A CR3's metadata boxes, holding what the CR2 holds."""
    tiff = Tiff(cr2.read_bytes())
    first = tiff.ifd(tiff.first)
    shot = tiff.pointed(first, 0x8769)
    note = shot.get(MAKER_NOTE) if shot else None
    assert first and note
    main = [f for f in directory(tiff, first) if f.tag in (0x010F, 0x0110, 0x0132)]
    gps = [text_field(1, "S"), Field(2, 5, 3, struct.pack("<6I", 33, 1, 51, 1, 250, 10))]
    parts = (main, directory(tiff, shot, MAKER_NOTE), directory(tiff, tiff.ifd(note.value_at)), gps)
    boxes = b"".join(box_of(b"CMT%d" % (i + 1), build_exif("<", part)) for i, part in enumerate(parts))
    return (
        box_of(b"ftyp", b"crx ", bytes(4))
        + box_of(b"moov", box_of(b"uuid", CANON, boxes))
        + box_of(b"uuid", XMP, PACKET)
        + box_of(b"mdat", bytes(1000))
    )


@pytest.mark.slow
@pytest.mark.usefixtures("exiftool")
def test_a_cr3_s_four_structures_become_one(cr2: Path, tmp_path: Path) -> None:
    metadata, notices = metadata_from_raw(made_cr3(cr2))
    assert notices == ()
    (tmp_path / "a.jpg").write_bytes(embed_jpeg(plain(), metadata)[0])
    for group in ("MakerNotes", "ExifIFD"):
        before, after = tags(cr2, group), tags(tmp_path / "a.jpg", group)
        same = [tag for tag in before if after.get(tag) == before[tag]]
        assert len(same) >= 0.95 * len(before) > 20
        assert not any("Warning" in tag for tag in after)
    place = tags(tmp_path / "a.jpg", "GPS")
    assert place["GPS:GPSLatitude"] == pytest.approx(33.8569444) and place["GPS:GPSLatitudeRef"] == "S"
    assert b'crs:AlreadyApplied="True"' in (metadata.xmp or b"")


def test_a_damaged_cr3_gives_what_it_can_and_never_crashes(cr2: Path) -> None:
    whole = made_cr3(cr2)
    for keep in range(0, len(whole), 997):
        metadata_from_raw(whole[:keep])
    chance = random.Random(5)
    for _ in range(60):
        data = bytearray(whole[:4000])
        for _ in range(8):
            data[chance.randrange(len(data))] = chance.randrange(256)
        metadata_from_raw(bytes(data))


@pytest.mark.slow
@pytest.mark.usefixtures("exiftool")
@pytest.mark.parametrize(
    "name",
    [
        "exif-samples__32-lens_data.jpeg",
        "exiv2__FujiTagsSTone0HTone0Rating4.jpg",
        "exiv2__exiv2-canon-eos-20d.jpg",
        "exiv2__exiv2-sony-dsc-w7.jpg",
        "hsexif__test.jpg",
        "piexif-1.1.3__r_pen.jpg",
        "photoprism__snow.jpg",
    ],
)
def test_maker_notes_of_many_makers_keep_their_values_wherever_they_go(
    photograph: Callable[[str], Path], name: str, tmp_path: Path
) -> None:
    """Where it was, and squeezed into less room: the tags that stay have the values they had."""
    camera = photograph(f"camera-jpegs/{name}")
    exif = Metadata.from_jpeg(camera.read_bytes()).exif or b""
    tiff = Tiff(exif)
    shot = tiff.pointed(tiff.ifd(tiff.first), 0x8769)
    entry = shot.get(MAKER_NOTE) if shot else None
    assert entry
    main = [f for f in directory(tiff, tiff.ifd(tiff.first)) if f.tag in (0x010F, 0x0110)]
    before = tags(camera, "MakerNotes")
    warned = before.pop(WARNING, None)
    for room, share in ((65527, 0.98), (600 + entry.size * 9 // 10, 0.2)):
        fitted = fitted_note(tiff.raw(entry), entry.value_at, tiff.order, room=room, free_at=600)
        assert fitted and (fitted.at or 600) + len(fitted.data) <= max(room, 600)
        fields = [Field(MAKER_NOTE, 7, len(fitted.data), fitted.data)]
        built = build_exif(tiff.order, main, fields, pinned=fitted.at)
        (tmp_path / name).write_bytes(embed_jpeg(plain(), Metadata.build(exif=built))[0])
        after = tags(tmp_path / name, "MakerNotes")
        warning = after.pop(WARNING, None)
        assert warning in (None, warned) or "Preview" in str(warning)
        same = [tag for tag in before if after.get(tag) == before[tag]]
        assert len(same) >= share * len(before)
        wrong = [tag for tag in after if tag in before and after[tag] != before[tag] and "Offset" not in tag]
        assert not wrong


def test_a_maker_note_nobody_understands_stays_at_its_offset_or_goes() -> None:
    secret = b"ACME\0" + bytes(range(200)) * 5
    maker = [text_field(0x010F, "Acme")]
    near = build_exif("<", maker, [Field(MAKER_NOTE, 7, len(secret), secret)], pinned=4000)
    metadata, notices = metadata_from_raw(near.ljust(9000, b"\0"))
    assert notices == () and metadata.exif is not None and metadata.exif.index(secret) == 4000
    # The same, but so far back that no JPEG reaches it.
    far = bytearray(near.ljust(90000, b"\0"))
    struct.pack_into("<I", far, far.index(struct.pack("<HHI", MAKER_NOTE, 7, len(secret))) + 8, 80000)
    far[80000 : 80000 + len(secret)] = secret
    metadata, notices = metadata_from_raw(bytes(far))
    assert notices == (NOTE_DROPPED,)
    assert b"ACME" not in (metadata.exif or b"ACME")


@given(st.binary(max_size=400), st.integers(0, 100000), st.sampled_from("<>"), st.integers(100, 65527))
def test_no_bytes_make_a_maker_note_crash_or_overflow(tail: bytes, at: int, order: str, room: int) -> None:
    for head in (
        b"",
        b"Nikon\0\2\x10\0\0II*\0\x08\0\0\0",
        b"OLYMPUS\0II\3\0",
        b"FUJIFILM\x0c\0\0\0",
        b"SONY DSC \0\0\0",
    ):
        fitted = fitted_note(head + tail, at, order, room=room, free_at=90)
        if fitted is not None:
            assert (90 if fitted.at is None else fitted.at) + len(fitted.data) <= room


def test_raf_and_rw2_give_the_exif_of_their_jpeg_as_it_is(photograph: Callable[[str], Path]) -> None:
    jpeg = photograph("camera-jpegs/exiv2__FujiTagsDRangeWeakRating2.jpg").read_bytes()
    exif = Metadata.from_jpeg(jpeg).exif
    raf = b"FUJIFILMCCD-RAW 0201".ljust(84, b"\0") + struct.pack(">II", 148, len(jpeg)) + bytes(56) + jpeg + bytes(99)
    assert metadata_from_raw(raf)[0].exif == exif
    rw2 = build_exif("<", [text_field(0x010F, "Panasonic"), Field(0x2E, 7, len(jpeg), jpeg)])
    assert metadata_from_raw(rw2.replace(b"II*\0", b"IIU\0", 1))[0].exif == exif
    # A file that only LibRaw can take apart: its preview is asked.
    assert metadata_from_raw(b"FOVb" + bytes(200), preview=jpeg)[0].exif == exif


def test_mrw_keeps_its_structure_in_a_block() -> None:
    inner = build_exif(">", [text_field(0x010F, "Minolta")], [Field(0x829A, 5, 1, struct.pack(">2I", 1, 60))])
    blocks = b"\0PRD" + struct.pack(">I", 4) + bytes(4) + b"\0TTW" + struct.pack(">I", len(inner)) + inner
    found = metadata_from_raw(b"\0MRM" + struct.pack(">I", len(blocks)) + blocks + bytes(100))[0].exif
    tiff = Tiff(found or b"")
    first = tiff.ifd(tiff.first)
    maker = first.get(0x010F) if first else None
    assert maker and tiff.value(maker) == "Minolta"
    shot = tiff.pointed(first, 0x8769)
    assert shot and shot.get(0x829A)


def test_a_developed_picture_is_in_srgb_whatever_the_camera_was_set_to() -> None:
    exif = [Field(0xA001, 3, 1, struct.pack("<H", 65535)), text_field(0x9003, "2024:01:01 00:00:00")]
    interop = [text_field(1, "R03"), Field(2, 7, 4, b"0100")]
    raw = build_exif("<", [text_field(0x010F, "Camera")], exif, interop=interop)
    tiff = Tiff(metadata_from_raw(raw)[0].exif or b"")
    shot = tiff.pointed(tiff.ifd(tiff.first), 0x8769)
    space, inner = (shot.get(0xA001), tiff.pointed(shot, 0xA005)) if shot else (None, None)
    index = inner.get(1) if inner else None
    assert tiff.number(space) == 1 and index and tiff.value(index) == "R98"


def test_iptc_photoshop_and_places_of_a_raw_come_along_without_a_second_pointer() -> None:
    iptc = b"\x1c\2\x78\0\4Dawn"
    turned = b"".join(iptc.ljust(12, b"\0")[i : i + 4][::-1] for i in range(0, 12, 4))
    gps = [text_field(1, "N"), Field(2, 5, 3, struct.pack("<6I", 51, 1, 30, 1, 777, 10))]
    main = [text_field(0x010F, "Camera"), Field(0x83BB, 4, 3, turned), Field(0x8649, 1, 12, b"8BIM\4\x0a\0\0\0\0\0\0")]
    metadata, _ = metadata_from_raw(build_exif("<", main, [text_field(0xA434, "A lens")], gps))
    assert [record.value for record in iptc_records(metadata.iptc)] == [b"Dawn"]
    assert b"8BIM\4\x0a" in metadata.photoshop
    tiff = Tiff(metadata.exif or b"")
    first = tiff.ifd(tiff.first)
    place, shot = tiff.pointed(first, 0x8825), tiff.pointed(first, 0x8769)
    assert place and [entry.tag for entry in place.entries] == [1, 2]
    assert shot and shot.get(0x8825) is None


def test_a_sidecar_is_used_where_the_raw_has_no_xmp_of_its_own() -> None:
    plain = build_exif("<", [text_field(0x010F, "Camera")])
    metadata, notices = metadata_from_raw(plain, sidecar=PACKET)
    assert notices == (SIDECAR_USED,)
    assert b'crs:Exposure2012="+1.00"' in (metadata.xmp or b"")
    assert b'crs:AlreadyApplied="True"' in (metadata.xmp or b"")
    assert metadata_from_raw(plain, sidecar=b"<x:xmpmeta") == (Metadata(metadata.blocks[:1]), (SIDECAR_DAMAGED,))
    own = build_exif("<", [text_field(0x010F, "Camera"), Field(0x02BC, 1, len(PACKET), PACKET)])
    metadata, notices = metadata_from_raw(own, sidecar=PACKET.replace(b"+1.00", b"-9.00"))
    assert notices == (SIDECAR_PASSED,) and b"-9.00" not in (metadata.xmp or b"")
