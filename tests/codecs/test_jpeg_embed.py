"""Real camera files through the whole way: read, re-encode, correct, splice; judged by exiftool, which we never use."""

import csv
import io
import json
import struct
import subprocess
import sys
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lptn_retouch.codecs.jpeg.embed import embed_jpeg
from lptn_retouch.errors import MetadataError
from lptn_retouch.metadata import Block, Kind, Metadata
from lptn_retouch.metadata.blocks import PNG_CHUNK
from lptn_retouch.metadata.exif.build import Field, build_exif, short_field, text_field
from lptn_retouch.metadata.exif.fit import fitted_exif
from lptn_retouch.metadata.exif.tags import tag_name
from lptn_retouch.metadata.photoshop import coded_resource
from lptn_retouch.metadata.resolution import jfif_density
from lptn_retouch.structures.jpeg import jpeg_segments
from lptn_retouch.structures.tiff import EXIF_POINTER, MAKER_NOTE, Tiff
from lptn_retouch.verify.compare import compare
from tests.builders import encoded, plain

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def no_thumbnail(_box: tuple[int, int], _most: int) -> None:
    return None


def thumbnails_of(image: Image.Image) -> Callable[[tuple[int, int], int], bytes | None]:
    def make(box: tuple[int, int], most: int) -> bytes | None:
        small = image.convert("RGB")
        small.thumbnail(box)
        tries = (encoded(small, quality=quality) for quality in (80, 50, 20, 5))
        return next((data for data in tries if len(data) <= most), None)

    return make


def retouched(path: Path) -> tuple[bytes, Metadata, tuple[str, ...]]:
    """The file re-encoded upright with its metadata, as the product does it, without the retouch."""
    source = Metadata.from_jpeg(path.read_bytes())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of damaged EXIF; that it is there is the point
        with Image.open(path) as opened:
            image = opened.convert(opened.mode if opened.mode in ("L", "RGB", "CMYK") else "RGB")
    turn = TURNS.get(source.orientation)
    upright = image.transpose(turn) if turn is not None else image
    upright.info.clear()
    metadata, notices = source.for_result(
        width=upright.width, height=upright.height, turned=turn is not None, make_thumbnail=thumbnails_of(upright)
    )
    return embed_jpeg(encoded(upright, quality=88), metadata)[0], metadata, notices


@pytest.fixture(scope="module")
def results(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Path]:
    folder = tmp_path_factory.mktemp("retouched")
    pairs = {}
    data = shared / "data"
    for path in sorted((data / "camera-jpegs").iterdir()) + sorted((data / "odd").glob("*.jpg")):
        result = folder / (path.name + ".jpg")
        result.write_bytes(retouched(path)[0])
        pairs[path] = result
    return pairs


@pytest.mark.slow
def test_the_independent_meter_finds_nearly_every_tag_kept(
    results: dict[Path, Path], meter: Path, tmp_path: Path
) -> None:
    listing, table = tmp_path / "pairs.tsv", tmp_path / "out.csv"
    listing.write_text("".join(f"{a}\t{b}\n" for a, b in results.items()), encoding="utf-8")
    subprocess.run(
        [sys.executable, meter, "--pixels", "--pairs", listing, "--csv", table], check=True, capture_output=True
    )
    rows = list(csv.DictReader(io.StringIO(table.read_text(encoding="utf-8"))))
    kept, tags = (sum(int(row[name]) for row in rows) for name in ("kept", "tags"))
    assert len(rows) == len(results) >= 60
    assert kept >= 0.995 * tags, [(Path(row["in"]).name, row["lost_names"], row["changed_names"]) for row in rows]
    assert [(row["in"], row["new_warnings"]) for row in rows if row["new_warnings"]] == []
    assert [row["in"] for row in rows if row["c2pa_carried"] != "False"] == []
    assert {row["pixel_turn"] for row in rows} <= {"same", "unsure"}


@pytest.mark.slow
@pytest.mark.usefixtures("exiftool")
def test_exiftool_reads_orientation_size_and_thumbnail_of_the_result(results: dict[Path, Path]) -> None:
    tags = ["-Orientation", "-ExifImageWidth", "-ExifImageHeight", "-ImageWidth", "-ImageHeight", "-ThumbnailImage"]
    command = ["exiftool", "-j", "-n", "-b", "-q", "-q", *tags, *results.values()]
    found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    thumbnails = 0
    for tag in found:
        assert tag.get("Orientation", 1) == 1, tag["SourceFile"]
        with Image.open(tag["SourceFile"]) as image:
            size = image.size
        if tag.get("ExifImageWidth"):
            assert (tag["ExifImageWidth"], tag["ExifImageHeight"]) == size, tag["SourceFile"]
        thumbnails += "ThumbnailImage" in tag
    assert thumbnails >= 30


@pytest.mark.slow
def test_our_own_diff_finds_nothing_lost(results: dict[Path, Path]) -> None:
    for before, after in results.items():
        diff = compare(before, after)
        assert diff.ok, (before.name, diff.to_text())
        assert diff.counts["added"] <= 1, (before.name, diff.to_text())


def test_the_thumbnail_shows_the_retouched_picture(shared: Path) -> None:
    source = Metadata.from_jpeg((shared / "data/camera-jpegs/exif-samples__DSCN0027.jpg").read_bytes())
    asked: list[tuple[tuple[int, int], int]] = []
    green = encoded(Image.new("RGB", (160, 120), (0, 200, 0)))

    def make(box: tuple[int, int], most: int) -> bytes:
        asked.append((box, most))
        return green

    metadata, notices = source.for_result(width=640, height=480, turned=False, make_thumbnail=make)
    assert asked == [((160, 160), 5803)]
    assert notices == ()
    assert source.exif is not None and metadata.exif is not None
    assert len(metadata.exif) == len(source.exif)
    assert green in metadata.exif


def test_a_thumbnail_that_does_not_fit_is_cut_off_and_cleared(shared: Path) -> None:
    source = Metadata.from_jpeg((shared / "data/camera-jpegs/exif-samples__DSCN0027.jpg").read_bytes())
    assert source.exif is not None
    old = source.exif[4560 - 12 :][:5803]
    assert old.startswith(b"\xff\xd8")
    for make in (no_thumbnail, lambda _box, most: bytes(most + 1), lambda _box, _most: b"not a JPEG"):
        metadata, notices = source.for_result(width=640, height=480, turned=False, make_thumbnail=make)
        assert metadata.exif is not None
        assert len(metadata.exif) == len(source.exif)
        assert old[2:200] not in metadata.exif
        assert any("thumbnail" in notice for notice in notices)


@pytest.mark.parametrize("name", ["exif-samples__landscape_6.jpg", "exif-0.6.0__right.jpg"])
def test_turning_changes_the_orientation_and_nothing_else_in_exif(shared: Path, name: str) -> None:
    source = Metadata.from_jpeg((shared / "data/camera-jpegs" / name).read_bytes())
    assert source.orientation > 1
    kept, _ = source.for_result(width=9, height=7, turned=False, make_thumbnail=no_thumbnail)
    turned, _ = source.for_result(width=9, height=7, turned=True, make_thumbnail=no_thumbnail)
    assert kept.orientation == source.orientation
    assert turned.orientation == 1
    assert kept.exif is not None and turned.exif is not None
    assert sum(a != b for a, b in zip(kept.exif, turned.exif, strict=True)) == 1


def test_what_an_edit_makes_false_is_left_out_and_said(shared: Path) -> None:
    for name, word, kind in (
        ("camera-jpegs/Pillow__sugarshack.mpo", "MPF", Kind.MPF),
        ("camera-jpegs/exiftool__Google.jpg", "gain map", None),
    ):
        source = Metadata.from_jpeg((shared / "data" / name).read_bytes())
        result, notices = source.for_result(width=8, height=8, turned=False, make_thumbnail=no_thumbnail)
        assert any(word in notice for notice in notices), (name, notices)
        assert kind not in {block.kind for block in result.blocks}
        assert b"hdrgm:Version" not in (result.xmp or b"")


def test_content_credentials_are_left_out_and_said() -> None:
    pointer = b'<d xmlns:t="http://purl.org/dc/terms/" t:provenance="self#jumbf=c2pa/urn:uuid:1" t:creator="A"/>'
    source = Metadata((Block(0xEB, b"JP\0\1\0\0\0\1jumb"), *Metadata.build(xmp=pointer).blocks))
    result, notices = source.for_result(width=8, height=8, turned=False, make_thumbnail=no_thumbnail)
    assert result.xmp == b'<d xmlns:t="http://purl.org/dc/terms/" t:creator="A"/>'
    assert len(result.blocks) == len(notices) == 1
    assert "C2PA" in notices[0]


def test_damaged_files_are_read_corrected_and_compared_without_a_crash(shared: Path, tmp_path: Path) -> None:
    bare = plain(size=(8, 8))
    read = 0
    for path in sorted((shared / "data" / "damaged").iterdir()):
        source = Metadata.from_jpeg(path.read_bytes())
        assert 1 <= source.orientation <= 8
        result, _ = source.for_result(width=8, height=8, turned=True, make_thumbnail=no_thumbnail)
        spliced = tmp_path / (path.name + ".jpg")
        spliced.write_bytes(embed_jpeg(bare, result)[0])
        with Image.open(spliced) as image:
            image.load()
        try:
            compare(path, spliced)  # that it comes to an end is all that is asked
            read += 1
        except MetadataError as error:
            assert str(error).count(". ") == 0
    assert read >= 20


def test_the_encoder_keeps_its_adobe_marker_and_loses_its_jfif() -> None:
    cmyk = encoded(Image.new("CMYK", (8, 8)))
    bare = plain(size=(8, 8))
    source = Metadata((Block(0xFE, b"last"), Block(0xEE, b"Adobe stale"), Block(0xE1, b"Exif\0\0II"),
                       Block(0xE0, b"JFIF\0\1\1\1\0\x48\0\x48\0\0")))  # fmt: skip
    markers = [segment.marker for segment in jpeg_segments(embed_jpeg(bare, source)[0])]
    assert markers[:4] == [0xE0, 0xE1, 0xFE, 0xDB]
    assert b"\x48\0\x48" in embed_jpeg(bare, source)[0][:24]
    spliced, _ = embed_jpeg(cmyk, source)
    assert b"Adobe stale" not in spliced
    assert [s.data for s in jpeg_segments(spliced) if s.marker == 0xEE] == [
        s.data for s in jpeg_segments(cmyk) if s.marker == 0xEE
    ]
    with Image.open(io.BytesIO(spliced)) as image, Image.open(io.BytesIO(cmyk)) as before:
        assert image.tobytes() == before.tobytes()


def test_a_jfif_block_that_is_cut_short_does_not_cost_the_encoder_s_whole_one() -> None:
    bare = plain(size=(8, 8))
    assert embed_jpeg(bare, Metadata((Block(0xE0, b"JFIF\0\1\1"),)))[0] == bare


def test_an_rgb_coded_jpeg_gets_no_jfif_that_would_turn_its_colours() -> None:
    coded = encoded(Image.new("RGB", (16, 16), (200, 30, 90)), keep_rgb=True)
    jfif = Metadata((Block(0xE0, b"JFIF\0\1\1\1\0\x48\0\x48\0\0"),))
    with Image.open(io.BytesIO(embed_jpeg(coded, jfif)[0])) as image:
        red, green, blue = image.convert("RGB").getpixel((8, 8))
    assert (abs(red - 200), abs(green - 30), abs(blue - 90)) < (9, 9, 9)


def test_a_block_that_just_fits_stays_as_it_is_and_no_picture_is_refused() -> None:
    bare = plain(size=(8, 8))
    fits = Metadata((Block(0xE1, b"Exif\0\0II*\0".ljust(65533, b"\0")),))
    spliced, notices = embed_jpeg(bare, fits)
    assert Metadata.from_jpeg(spliced).blocks[1:] == fits.blocks and notices == ()
    with pytest.raises(MetadataError, match="no picture"):
        embed_jpeg(b"\xff\xd8\xff\xd9", fits)


def long_exif(*, note: bytes, thumbnail: bytes = b"") -> bytes:
    """An EXIF with a maker note and, at its end, a thumbnail."""
    main = [text_field(0x010E, "A view"), short_field(0x0112, 1)]
    exif = build_exif("<", main, [Field(MAKER_NOTE, 7, len(note), note)])
    if not thumbnail:
        return exif
    entries = struct.pack("<H", 2)
    at = len(exif) + 2 + 24 + 4
    entries += struct.pack("<HHII", 0x0201, 4, 1, at) + struct.pack("<HHII", 0x0202, 4, 1, len(thumbnail)) + bytes(4)
    first = Tiff(exif).ifd(8)
    assert first is not None and first.next_at is not None
    return exif[: first.next_at] + struct.pack("<I", len(exif)) + exif[first.next_at + 4 :] + entries + thumbnail


@pytest.mark.usefixtures("exiftool")
@pytest.mark.parametrize(
    ("note", "thumbnail", "notice", "kept"),
    [
        (40_000, 40_000, "thumbnail was left out", {"MakerNote", "ImageDescription"}),
        (80_000, 0, "this was left out of it: MakerNote", {"ImageDescription"}),
        (80_000, 9_000, "this was left out of it: the thumbnail, MakerNote", {"ImageDescription"}),
    ],
)
def test_an_exif_too_long_for_a_jpeg_loses_what_is_longest(
    tmp_path: Path, note: int, thumbnail: int, notice: str, kept: set[str]
) -> None:
    exif = long_exif(note=b"Nobody\0" + bytes(note), thumbnail=(b"\xff\xd8" + bytes(thumbnail)) if thumbnail else b"")
    spliced, notices = embed_jpeg(plain(size=(8, 8)), Metadata.build(exif=exif))
    assert len(notices) == 1 and notice in notices[0]
    short = Metadata.from_jpeg(spliced).exif
    assert short is not None
    tiff = Tiff(short)
    first = tiff.ifd(tiff.first)
    assert first is not None and first.next == 0
    photo = tiff.pointed(first, EXIF_POINTER)
    tags = {tag_name("IFD0", entry.tag) for ifd in (first, photo) if ifd for entry in ifd.entries}
    assert kept <= tags <= kept | {"Orientation", "ExifTag"}
    path = tmp_path / "short.jpg"
    path.write_bytes(spliced)
    found = subprocess.run(["exiftool", "-s3", "-Warning", "-Error", path], check=True, capture_output=True).stdout
    assert found == b""


@settings(max_examples=100, deadline=None)
@given(st.integers(1000, 3000), st.lists(st.integers(1, 1500), max_size=8), st.booleans(), st.binary(max_size=40))
def test_any_exif_is_made_to_fit(limit: int, sizes: list[int], big: bool, noise: bytes) -> None:
    order = ">" if big else "<"
    main = [Field(0x9C00 + i, 7, size, bytes(size)) for i, size in enumerate(sizes)]
    exif = build_exif(order, main, [Field(MAKER_NOTE, 7, 1200, bytes(1200))], pinned=500)
    damaged = exif[: len(exif) // 2] + noise + exif[len(exif) // 2 + len(noise) :]
    for data in (exif, damaged):
        short, notices = fitted_exif(data, limit)
        assert short is None or len(short) <= limit
        assert (short == data) == (len(data) <= limit)
        assert notices == () or short != data


def test_what_is_too_long_for_a_segment_is_split_and_comes_back_whole() -> None:
    resources = b"".join(coded_resource(0x1000 + i, bytes([i]) * 9_999) for i in range(30))
    comment = ("Long text. " * 9_000).encode()
    blocks = (*Metadata.build(photoshop=resources).blocks, Block(0xFE, comment))
    spliced, notices = embed_jpeg(plain(size=(8, 8)), Metadata(blocks))
    back = Metadata.from_jpeg(spliced)
    assert notices == ()
    assert back.photoshop == resources
    assert b"".join(block.data for block in back.blocks if block.kind is Kind.COMMENT) == comment
    with Image.open(io.BytesIO(spliced)) as image:
        image.load()


def test_what_no_jpeg_can_hold_is_left_out_and_said() -> None:
    damaged_xmp = b"<x>" + b"y" * 70_000
    damaged = Metadata.build(xmp=damaged_xmp, exif=b"no TIFF".ljust(70_000))
    source = Metadata((*damaged.blocks, Block(0xE4, bytes(70_000))))
    spliced, notices = embed_jpeg(plain(size=(8, 8)), source)
    back = Metadata.from_jpeg(spliced)
    assert back.exif is back.xmp is None
    assert [notice.split(" was ")[0] for notice in notices] == ["The EXIF", "The XMP", "Application data APP4"]


def test_a_png_s_texts_become_comments_and_its_resolution_jfif_s() -> None:
    chunks = (b"tEXtComment\0hello", b"zTXtAuthor\0\0" + zlib.compress(b"Zo\xeb"),
              b"iTXtTitle\0\0\0fr\0Titre\0" + "d\xe9j\xe0".encode(),
              b"pHYs" + struct.pack(">IIB", 11811, 5906, 1))  # fmt: skip
    spliced, notices = embed_jpeg(plain(size=(8, 8)), Metadata(tuple(Block(PNG_CHUNK, chunk) for chunk in chunks)))
    assert notices == ()
    texts = [block.data.decode() for block in Metadata.from_jpeg(spliced).blocks if block.kind is Kind.COMMENT]
    assert texts == ["hello", "Author: Zo\xeb", "Title: d\xe9j\xe0"]
    with Image.open(io.BytesIO(spliced)) as image:
        assert image.info["dpi"] == (300, 150)


@pytest.mark.parametrize(
    ("chunk", "head"),
    [
        ((1, 3, 0), (0, 1, 3)),
        ((2**32 - 1, 2**31, 1), (0, 65535, 32768)),
        ((2, 2, 1), (1, 1, 1)),
    ],
)
def test_any_resolution_of_a_png_fits_into_jfif(chunk: tuple[int, int, int], head: tuple[int, int, int]) -> None:
    block = jfif_density([Block(PNG_CHUNK, b"pHYs" + struct.pack(">IIB", *chunk))])
    assert block is not None and struct.unpack(">BHH", block.data[7:12]) == head
    assert jfif_density([Block(PNG_CHUNK, b"pHYs" + bytes(9))]) is None


def test_a_long_profile_travels_in_parts_and_comes_back_whole() -> None:
    profile = bytes(range(256)) * 600
    built = Metadata.build(exif=b"Exif\0\0II*\0", xmp=b"<x/>", icc=profile)
    read = Metadata.from_jpeg(embed_jpeg(plain(size=(8, 8)), built)[0])
    assert read.icc == profile
    assert (read.exif, read.xmp) == (b"II*\0", b"<x/>")
    assert sum(block.kind is Kind.ICC for block in read.blocks) == 3
    assert Metadata(read.blocks[:-1]).icc is None
    assert read.with_icc(None).icc is None
