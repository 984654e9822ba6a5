"""TIFF as a container of metadata: structures laid out anew, pictures taken apart, and pictures that carry it all."""

import io
import json
import struct
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from lptn_retouch.codecs.registry import read_metadata
from lptn_retouch.codecs.tiff.blocks import EXIF_IN_BIG, embed_tiff
from lptn_retouch.errors import MetadataError
from lptn_retouch.metadata.blocks import PNG_CHUNK, Block, exif_block
from lptn_retouch.metadata.exif.build import Field, build_exif, rational_field, text_field
from lptn_retouch.metadata.exif.tags import ORIENTATION
from lptn_retouch.metadata.metadata import Metadata
from lptn_retouch.metadata.photoshop import iptc_records
from lptn_retouch.metadata.unsupported import exif_damaged
from lptn_retouch.structures.tiff import (
    EXIF_POINTER,
    GPS_POINTER,
    INTEROP_POINTER,
    LONG,
    MAKER_NOTE,
    SHORT,
    UNDEFINED,
    Tiff,
)


def tiff_blocks(data: bytes) -> tuple[Block, ...]:
    return read_metadata(data, "TIFF").blocks


Pixels: TypeAlias = npt.NDArray[Any]

_values = st.lists(st.tuples(st.integers(1, 0x7FFF), st.binary(max_size=40)), max_size=6)


def _fields(values: list[tuple[int, bytes]]) -> list[Field]:
    return [Field(tag, UNDEFINED, len(data), data) for tag, data in values]


@pytest.mark.slow
@given(
    st.sampled_from("<>"),
    _values,
    _values,
    _values,
    _values,
    st.binary(min_size=5, max_size=900),
    st.integers(0, 70_000),
)
def test_a_pinned_maker_note_stands_where_it_stood_and_everything_else_around_it(
    order: str,
    main: list[tuple[int, bytes]],
    exif: list[tuple[int, bytes]],
    gps: list[tuple[int, bytes]],
    interop: list[tuple[int, bytes]],
    note: bytes,
    pinned: int,
) -> None:
    shot = [*exif, (MAKER_NOTE, note)]
    tiff = Tiff(build_exif(order, *map(_fields, (main, shot, gps, interop)), pinned=pinned))
    first = tiff.ifd(tiff.first)
    photo = tiff.pointed(first, EXIF_POINTER)
    found = (first, photo, tiff.pointed(first, GPS_POINTER), tiff.pointed(photo, INTEROP_POINTER))
    for ifd, given_values in zip(found, (main, shot, gps, interop), strict=True):
        assert (ifd is None) == (given_values == [] and ifd is not first)
        kept = {e.tag: tiff.raw(e) for e in ifd.entries} if ifd else {}
        assert ifd is None or ifd.at % 2 == 0
        for pointer in (EXIF_POINTER, GPS_POINTER, INTEROP_POINTER):
            kept.pop(pointer, None)
        assert kept == dict(reversed(given_values))
    entry = photo.get(MAKER_NOTE) if photo else None
    assert entry is not None
    if 8 <= pinned < 60_000:
        assert entry.value_at == pinned
    assert len(tiff.data) < 65_528


def test_a_maker_note_too_far_down_is_moved_rather_than_lost() -> None:
    note = Field(MAKER_NOTE, UNDEFINED, 9, b"a long no")
    for pinned in (0, 7, 65_527, 1 << 40):
        built = build_exif(">", [], [note], pinned=pinned)
        assert note.data in built
        assert len(built) == 8 + 2 * (2 + 12 + 4) + 10
    assert struct.unpack_from(">I", built, 4) == (8,)


# A TIFF taken apart


def ifd_of(exif: bytes) -> dict[int, object]:
    tiff = Tiff(exif)
    first = tiff.ifd(tiff.first)
    assert first is not None
    return {entry.tag: tiff.value(entry) for entry in first.entries}


def page(pixels: Pixels, order: str = "<", *, big: bool = False, tags: tuple[tuple[object, ...], ...] = ()) -> bytes:
    """A bare TIFF as the encoder of pixels writes it, with more tags where they are given."""
    out = io.BytesIO()
    tifffile.imwrite(
        out,
        pixels,
        byteorder=order,
        bigtiff=big,
        photometric="rgb" if pixels.ndim == 3 else "minisblack",
        compression="zlib",
        predictor=True,
        rowsperstrip=5,
        metadata=None,
        software=False,
        extratags=tags,
    )
    return out.getvalue()


@pytest.fixture(scope="module")
def deep() -> Pixels:
    return np.random.default_rng(3).integers(0, 65536, (23, 31, 3), np.uint16)


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_tiff_gives_its_blocks_and_its_descriptions_but_nothing_of_its_storage(
    order: str, big: bool, deep: Pixels
) -> None:
    tags = (
        (271, 2, 6, b"Canon\0", True),
        (700, 1, 12, b"<x:xmpmeta/>", True),
        (33723, 7, 9, b"\x1c\2\5\0\4Dawn", True),
        (34675, 7, 7, b"profile", True),
        (37500 + 21000, 16 if big else 4, 1, 123456, True),
    )
    metadata = Metadata(tiff_blocks(page(deep, order, big=big, tags=tags)))
    assert (metadata.xmp, metadata.icc) == (b"<x:xmpmeta/>", b"profile")
    assert [record.value for record in iptc_records(metadata.iptc)] == [b"Dawn"]
    told = ifd_of(metadata.exif or b"")
    assert told == {271: "Canon", 282: ((1, 1),), 283: ((1, 1),), 296: (1,), 58500: (123456,)}
    assert Tiff(metadata.exif or b"").order == order


def test_iptc_that_photoshop_holds_already_is_not_doubled(deep: Pixels) -> None:
    records = b"\x1c\2\5\0\4Dawn"
    resources = b"8BIM\4\4\0\0" + struct.pack(">I", len(records)) + records + b"\0"
    tags = ((33723, 7, 9, records, True), (34377, 1, len(resources), resources, True))
    metadata = Metadata(tiff_blocks(page(deep, tags=tags)))
    assert metadata.photoshop == resources


def test_iptc_whose_longs_were_swapped_is_read(deep: Pixels) -> None:
    records = b"\x1c\2\5\0\4Dawn" + bytes(3)
    swapped = b"".join(records[i : i + 4][::-1] for i in range(0, 12, 4))
    metadata = Metadata(tiff_blocks(page(deep, tags=((33723, 7, 12, swapped, True),))))
    assert [record.value for record in iptc_records(metadata.iptc)] == [b"Dawn"]


def test_other_programs_great_private_values_stay_behind(deep: Pixels) -> None:
    layers = (50_000, 7, 100_000, bytes(100_000), True)
    exif = Metadata(tiff_blocks(page(deep, tags=(layers, (271, 2, 6, b"Canon\0", True))))).exif
    assert exif is not None
    assert b"Canon" in exif
    assert len(exif) < 1000


@pytest.mark.parametrize(
    "data", [b"", b"II*\0", b"II*\0\xff\xff\xff\xff", b"II+\0\x08\0\0\0", b"MM\0+\0\4" + bytes(10)]
)
def test_what_is_no_tiff_gives_nothing(data: bytes) -> None:
    assert tiff_blocks(data) == ()


# A TIFF put together


@pytest.fixture(scope="module")
def everything() -> Callable[[str], Metadata]:
    def made(order: str) -> Metadata:
        main = [text_field(0x010F, "Nikon"), Field(ORIENTATION, SHORT, 1, struct.pack(order + "H", 1))]
        storage = [Field(tag, LONG, 1, struct.pack(order + "I", 6)) for tag in (256, 259, 262, 273, 279, 513, 514)]
        shot = [Field(MAKER_NOTE, UNDEFINED, 6, b"Nikon2"), text_field(0xA434, "A lens")]
        exif = build_exif(order, main + storage, shot, [text_field(0x001D, "2024:05:05")], pinned=333)
        return Metadata.build(exif=exif, xmp=b"<x:xmpmeta/>", icc=b"an ICC profile", photoshop=IRB)

    return made


IRB = b"8BIM\4\4\0\0\0\0\0\x09\x1c\2\5\0\4Dawn\0"


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_spliced_tiff_is_one_page_whose_directory_is_that_of_its_exif(
    order: str, everything: Callable[[str], Metadata]
) -> None:
    pixels = np.random.default_rng(4).integers(0, 256, (23, 31, 3), np.uint8)
    metadata = everything(order)
    assert metadata.byte_order == order
    whole, notices = embed_tiff(page(pixels, order), metadata)
    assert notices == ()
    with tifffile.TiffFile(io.BytesIO(whole)) as file:
        assert len(file.pages) == 1
        np.testing.assert_array_equal(file.pages[0].asarray(), pixels)
    assert whole[8 : len(metadata.exif or b"")] == (metadata.exif or b"")[8:]
    tiff = Tiff(whole)
    first = tiff.ifd(tiff.first)
    assert first is not None
    assert [entry.tag for entry in first.entries] == sorted(entry.tag for entry in first.entries)
    assert {513, 514}.isdisjoint(entry.tag for entry in first.entries)
    again = Metadata(tiff_blocks(whole))
    assert (again.xmp, again.icc, again.photoshop) == (metadata.xmp, metadata.icc, metadata.photoshop)
    photo = tiff.pointed(first, EXIF_POINTER)
    note = photo.get(MAKER_NOTE) if photo else None
    assert note is not None
    assert (note.value_at, tiff.raw(note)) == (333, b"Nikon2")
    # Taken apart once more, it is what it was, but for what described the JPEG's own storage.
    assert ifd_of(again.exif or b"")[0x010F] == "Nikon"
    assert again.exif is not None
    assert again.exif[333:339] == b"Nikon2"


def test_a_picture_in_the_other_byte_order_is_refused(deep: Pixels, everything: Callable[[str], Metadata]) -> None:
    with pytest.raises(MetadataError, match="byte order"):
        embed_tiff(page(deep, "<"), everything(">"))


def test_damaged_exif_is_left_out_and_said_and_the_rest_is_carried(deep: Pixels) -> None:
    for exif in (b"Exit", b"II*\0\xff\xff\0\0", b"MM\0*\0\0\0\0"):
        metadata = Metadata.build(exif=exif, xmp=b"<x:xmpmeta/>")
        assert metadata.byte_order == "<"
        whole, notices = embed_tiff(page(deep), metadata)
        assert notices == (exif_damaged("a TIFF"),)
        assert Metadata(tiff_blocks(whole)).xmp == b"<x:xmpmeta/>"
        np.testing.assert_array_equal(tifffile.imread(io.BytesIO(whole)), deep)


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_bigtiff_carries_all_but_the_exif(order: str, deep: Pixels, everything: Callable[[str], Metadata]) -> None:
    metadata = everything(order)
    whole, notices = embed_tiff(page(deep, order, big=True), metadata)
    assert notices == (EXIF_IN_BIG,)
    np.testing.assert_array_equal(tifffile.imread(io.BytesIO(whole)), deep)
    again = Metadata(tiff_blocks(whole))
    assert (again.xmp, again.icc, again.photoshop) == (metadata.xmp, metadata.icc, metadata.photoshop)


@pytest.mark.parametrize(
    ("block", "resolution"),
    [
        (Block(0xE0, b"JFIF\0\1\1\1" + struct.pack(">HH", 300, 300) + bytes(2)), (300, 1, 2)),
        (Block(0xE0, b"JFIF\0\1\1\2" + struct.pack(">HH", 118, 118) + bytes(2)), (118, 1, 3)),
        (Block(0xE0, b"JFIF\0\1\1\0" + struct.pack(">HH", 1, 1) + bytes(2)), (1, 1, 1)),
        (Block(PNG_CHUNK, b"pHYs" + struct.pack(">IIB", 11811, 11811, 1)), (11811, 100, 3)),
    ],
)
def test_a_density_becomes_the_resolution(block: Block, resolution: tuple[int, int, int], deep: Pixels) -> None:
    whole, notices = embed_tiff(page(deep), Metadata((block,)))
    told = ifd_of(whole)
    across, parts, unit = resolution
    assert (told[282], told[296]) == (((across, parts),), (unit,))
    assert notices == ()
    own = Metadata((block, exif_block(build_exif("<", [rational_field(282, 240), rational_field(283, 240)]))))
    told = ifd_of(embed_tiff(page(deep), own)[0])
    assert (told[282], 296 in told) == (((240, 1),), False)


@pytest.fixture(scope="module")
def spliced(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Path]:
    """Camera JPEGs saved as TIFFs with all their metadata."""
    folder = tmp_path_factory.mktemp("tiffs")
    out = {}
    for path in sorted((shared / "data" / "camera-jpegs").iterdir()):
        pixels = np.zeros((12, 16, 3), np.uint8)
        metadata, _ = Metadata.from_jpeg(path.read_bytes()).for_result(
            width=16, height=12, turned=True, make_thumbnail=lambda *_: None
        )
        out[path] = folder / f"{path.stem}.tif"
        out[path].write_bytes(embed_tiff(page(pixels, metadata.byte_order), metadata)[0])
    return out


@pytest.mark.slow
@pytest.mark.usefixtures("exiftool")
def test_exiftool_reads_every_camera_s_metadata_from_the_tiff_without_a_new_warning(spliced: dict[Path, Path]) -> None:
    def told(paths: Iterable[Path]) -> list[dict[str, Any]]:
        groups = ("-warning", "-EXIF:all", "-MakerNotes:all", "-XMP:all", "-IPTC:all")
        run = subprocess.run(["exiftool", "-j", "-n", "-G0", "-a", *groups, *paths], capture_output=True, check=False)
        return list(json.loads(run.stdout))

    assert len(spliced) >= 50
    lost = []
    for before, after in zip(told(spliced), told(spliced.values()), strict=True):
        for key in after:
            assert "Warning" not in key or key in before, (after["SourceFile"], after[key])
        for key in before.keys() - after.keys():
            if key.startswith(("MakerNotes:", "IPTC:")) and "Preview" not in key:
                lost.append((before["SourceFile"], key))
    assert lost == []
