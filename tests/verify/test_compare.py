"""The diff behind `verify` must see every loss: each test takes something out and expects to be told."""

import json
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image, TiffImagePlugin

from lptn_retouch.codecs.jpeg.embed import embed_jpeg
from lptn_retouch.errors import MetadataError
from lptn_retouch.metadata import Block, Metadata
from lptn_retouch.metadata.exif.build import Field, build_exif, rational_field, short_field, text_field
from lptn_retouch.verify.compare import compare
from lptn_retouch.verify.reasons import reason_changed
from lptn_retouch.verify.tags import Tag
from tests.builders import plain, xmp_packet

XMP = xmp_packet(
    '<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" '
    'dc:format="image/jpeg" tiff:Orientation="6"><dc:subject><rdf:Bag><rdf:li>sea</rdf:li><rdf:li>dawn</rdf:li>'
    "</rdf:Bag></dc:subject></rdf:Description>"
)
IPTC = b"Photoshop 3.0\x008BIM\4\4\0\0\0\0\0\x0a\x1c\2\x5a\0\5Paris"
NOTE = b"Panasonic\0\0\0" + bytes(40)


def exif(orientation: int = 6, *, maker: str = "Camera", gps: bool = True, note: bytes = NOTE) -> bytes:
    place = [text_field(1, "N"), Field(2, 5, 3, struct.pack("<6I", 51, 1, 30, 1, 0, 1))] if gps else []
    shot = [rational_field(0x829A, 0.004), Field(0x927C, 7, len(note), note)]
    return build_exif("<", [text_field(0x010F, maker), short_field(0x0112, orientation)], shot, place)


def jpeg(path: Path, metadata: Metadata, *more: Block) -> Path:
    path.write_bytes(embed_jpeg(plain(size=(16, 8)), Metadata((*metadata.blocks, *more)))[0])
    return path


def full(**changes: object) -> Metadata:
    return Metadata.build(exif=exif(**changes), xmp=XMP, icc=b"a profile" * 20)  # type: ignore[arg-type]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return jpeg(tmp_path / "before.jpg", full(), Block(0xFE, b"a comment"), Block(0xED, IPTC), Block(0xE3, b"Meta\0x"))


def tags(entries: tuple[object, ...]) -> set[str]:
    return {f"{entry.group} {entry.tag}" for entry in entries}  # type: ignore[attr-defined]


def test_a_file_compared_with_itself_has_everything_kept(source: Path) -> None:
    diff = compare(source, source)
    assert diff.ok
    assert {name for name, count in diff.counts.items() if count} == {"kept"}
    assert {"GPS GPSLatitude", "IPTC City", "Text Comment", "ICC Profile", "XMP-dc subject[2]", "APP3 Meta"} <= tags(
        diff.entries
    )


@pytest.mark.parametrize(
    ("blocks", "lost"),
    [
        (full(gps=False).blocks, {"GPS GPSLatitudeRef", "GPS GPSLatitude"}),
        (full(maker="Other").blocks, {"IFD0 Make"}),
        (full(note=NOTE[:-1] + b"!").blocks, {"ExifIFD MakerNote"}),
        (full().blocks[:2], {"ICC Profile"}),
        ((full().blocks[0], full().blocks[2]), {"XMP-dc format", "XMP-dc subject[1]", "XMP-dc subject[2]"}),
        (Metadata.build(exif=exif(), xmp=XMP.replace(b"dawn", b"dusk"), icc=full().icc).blocks, {"XMP-dc subject[2]"}),
    ],
)
def test_what_is_taken_out_or_altered_is_lost(
    source: Path, tmp_path: Path, blocks: tuple[Block, ...], lost: set[str]
) -> None:
    after = jpeg(tmp_path / "after.jpg", Metadata(blocks))
    diff = compare(source, after)
    assert tags(diff.lost) == lost | {"Text Comment", "IPTC City", "APP3 Meta"}
    assert not diff.ok
    assert json.loads(diff.to_json())["counts"]["lost"] == len(diff.lost)
    assert all(entry.tag in diff.to_text() for entry in diff.lost)


def test_the_result_of_for_result_has_reasons_for_all_that_differs(source: Path, tmp_path: Path) -> None:
    before = Metadata.from_jpeg(source.read_bytes())
    result, _ = before.for_result(width=8, height=16, turned=True, make_thumbnail=lambda _box, _most: None)
    diff = compare(source, jpeg(tmp_path / "after.jpg", result))
    assert diff.ok
    assert tags(diff.having("changed")) == {"IFD0 Orientation", "XMP-tiff Orientation"}
    assert all(entry.reason for entry in (*diff.having("changed"), *diff.having("dropped")))


def test_an_orientation_that_changed_to_another_turn_is_lost(source: Path, tmp_path: Path) -> None:
    diff = compare(source, jpeg(tmp_path / "after.jpg", full(orientation=3)))
    assert "IFD0 Orientation" in tags(diff.lost)


def test_dropped_blocks_that_an_edit_makes_false_are_no_loss(tmp_path: Path) -> None:
    stale = (Block(0xE2, b"MPF\0II*\0"), Block(0xEB, b"JP\0\1jumb"))
    before = jpeg(tmp_path / "before.jpg", full(), *stale)
    diff = compare(before, jpeg(tmp_path / "after.jpg", full()))
    assert diff.ok
    assert tags(diff.having("dropped")) == {"MPF Block", "JUMBF Block"}


def test_a_moved_maker_note_is_not_called_kept(source: Path, tmp_path: Path) -> None:
    moved = build_exif("<", [text_field(0x010F, "Camera"), short_field(0x0112, 1), text_field(0x0110, "A long model")],
                       [rational_field(0x829A, 0.004), Field(0x927C, 7, len(NOTE), NOTE)])  # fmt: skip
    diff = compare(source, jpeg(tmp_path / "after.jpg", Metadata.build(exif=moved)))
    assert "ExifIFD MakerNote" in tags(diff.having("changed"))


def test_png_webp_and_tiff_are_read_for_what_they_carry(source: Path, tmp_path: Path) -> None:
    image = Image.new("RGB", (16, 8))
    profile = full().icc
    image.save(tmp_path / "a.webp", exif=b"Exif\0\0" + exif(), xmp=XMP, icc_profile=profile)
    body = b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(XMP)
    image.save(tmp_path / "plain.png", exif=b"Exif\0\0" + exif(), icc_profile=profile)
    png = (tmp_path / "plain.png").read_bytes()
    chunk = struct.pack(">I", len(body)) + b"iTXt" + body + struct.pack(">I", zlib.crc32(b"iTXt" + body))
    (tmp_path / "a.png").write_bytes(png[:33] + chunk + png[33:])
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    directory[0x010F] = "Camera"
    directory[700] = XMP
    directory.tagtype[700] = 1
    image.save(tmp_path / "a.tif", tiffinfo=directory, icc_profile=profile)
    beside = {"Text Comment", "IPTC City", "APP3 Meta"}
    # Lost is what the container has a place for; what it has none for is dropped, and the reason says so.
    for name, lost in (("a.webp", set()), ("a.png", {"Text Comment", "IPTC City"}), ("a.tif", {"IPTC City"})):
        diff = compare(source, tmp_path / name)
        found = tags(diff.lost)
        assert found & beside == lost, (name, diff.to_text())
        dropped = {f"{entry.group} {entry.tag}": entry.reason for entry in diff.having("dropped")}
        assert all("no place" in dropped[tag] for tag in beside - lost), (name, dropped)
        if name == "a.tif":
            assert found >= {"GPS GPSLatitude", "ExifIFD ExposureTime"}
            assert not found & {"IFD0 Make", "XMP-dc format", "ICC Profile"}
        else:
            assert found == lost
    assert tags(compare(source, tmp_path / "plain.png").lost) >= {"XMP-dc format"}


def test_values_from_a_file_cannot_steer_the_terminal(tmp_path: Path) -> None:
    before = jpeg(tmp_path / "before.jpg", Metadata(), Block(0xFE, b"\x1b[2Jgone\nlost everything"))
    text = compare(before, jpeg(tmp_path / "after.jpg", Metadata())).to_text()
    assert "\x1b" not in text
    assert text.count("\n") == 1


def test_a_file_that_is_no_picture_is_refused_in_words(source: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(MetadataError, match=r"notes\.txt"):
        compare(source, tmp_path / "notes.txt")
    with pytest.raises(FileNotFoundError):
        compare(source, tmp_path / "absent.jpg")


def test_software_may_change_but_the_author_may_not() -> None:
    assert reason_changed(Tag("IFD0", "Software", "a", 0x0131), Tag("IFD0", "Software", "b", 0x0131))
    assert reason_changed(Tag("IFD0", "Artist", "a", 0x013B), Tag("IFD0", "Artist", "b", 0x013B)) is None
