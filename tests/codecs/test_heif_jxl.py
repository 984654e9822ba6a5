"""AVIF, HEIC and JPEG XL as containers of metadata: boxes and items read without trust, and pictures put together."""

import io
from contextlib import suppress
from pathlib import Path

import imagecodecs
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lptn_retouch.codecs.heif.blocks import nclx, splice_avif
from lptn_retouch.codecs.jxl.blocks import jxl_blocks, splice_jxl
from lptn_retouch.codecs.registry import read_metadata
from lptn_retouch.errors import MetadataError
from lptn_retouch.metadata.blocks import COMMENT, Block, Kind, exif_block
from lptn_retouch.metadata.exif.build import Field, build_exif, short_field
from lptn_retouch.metadata.exif.patch import ORIENTATION
from lptn_retouch.metadata.metadata import Metadata
from lptn_retouch.structures.boxes import box_head, box_of, find, find_all, walk
from lptn_retouch.structures.heif_items import Items
from lptn_retouch.structures.tiff import MAKER_NOTE, UNDEFINED, Tiff


def heif_blocks(data: bytes) -> tuple[Block, ...]:
    return read_metadata(data, "AVIF").blocks


XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/></x:xmpmeta>'
SIGNATURE = bytes.fromhex("0000000c 4a584c20 0d0a870a")


@pytest.fixture(scope="module")
def pixels() -> npt.NDArray[np.uint8]:
    return np.random.default_rng(5).integers(0, 256, (24, 40, 3), np.uint8)


@pytest.fixture(scope="module")
def avif(pixels: npt.NDArray[np.uint8]) -> bytes:
    return bytes(imagecodecs.avif_encode(pixels))


@pytest.fixture(scope="module")
def noted() -> bytes:
    """EXIF that tells an orientation, which Pillow's encoder writes anew, with a maker note in a place of its own."""
    return build_exif(">", [short_field(ORIENTATION, 1)], [Field(MAKER_NOTE, UNDEFINED, 9, b"Nikon\0\2ab")], pinned=777)


def icc_of(size: int) -> bytes:
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes() + bytes(size)


# Boxes


def test_boxes_of_every_size_form_are_walked_in_order() -> None:
    wide = (1).to_bytes(4, "big") + b"wide" + (20).to_bytes(8, "big") + b"four"
    own = box_of(b"uuid", bytes(range(16)), b"mine")
    data = box_of(b"ftyp", b"avif") + wide + own + bytes(4) + b"restto the end"
    found = [(box.type, data[box.at : box.end]) for box in walk(data)]
    assert found == [(b"ftyp", b"avif"), (b"wide", b"four"), (bytes(range(16)), b"mine"), (b"rest", b"to the end")]
    assert [box.end for box in walk(data)][:-1] == [box.start for box in walk(data)][1:]


@given(st.binary(max_size=200))
def test_whatever_the_bytes_boxes_lie_inside_and_one_behind_the_other(data: bytes) -> None:
    end = 0
    for box in walk(data):
        assert end == box.start < box.at <= box.end <= len(data)
        end = box.end


def test_a_path_leads_through_uuid_boxes_and_through_meta_which_has_a_version() -> None:
    canon = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
    inner = box_of(b"CMT1", b"one") + box_of(b"CMT2", b"two")
    data = box_of(b"free") + box_of(b"moov", box_of(b"uuid", canon, inner))
    data += box_of(b"meta", bytes(4), box_of(b"idat", b"a"), box_of(b"idat", b"b"))
    two = find(data, b"moov", canon, b"CMT2")
    assert two is not None
    assert data[two.at : two.end] == b"two"
    assert [data[box.at : box.end] for box in find_all(data, b"meta", b"idat")] == [b"a", b"b"]
    assert find(data, b"moov", bytes(16), b"CMT2") is None


def test_a_box_of_four_gigabytes_gets_a_wide_size() -> None:
    assert box_head(b"jxlc", (1 << 32) - 9) == b"\xff\xff\xff\xffjxlc"
    assert box_head(b"jxlc", (1 << 32) - 8) == b"\0\0\0\1jxlc" + ((1 << 32) + 8).to_bytes(8, "big")


# AVIF and HEIC


@pytest.mark.parametrize("shape", [(24, 40, 3), (24, 40, 4)])
@pytest.mark.parametrize("bits", [8, 10, 12])
def test_an_avif_carries_the_very_bytes_and_its_pixels_are_untouched(
    shape: tuple[int, ...], bits: int, noted: bytes
) -> None:
    values = np.random.default_rng(6).integers(0, 1 << bits, shape, np.uint16)
    bare = bytes(imagecodecs.avif_encode(values.astype(np.uint8 if bits == 8 else np.uint16), bitspersample=bits))
    metadata = Metadata.build(exif=noted, xmp=XMP, icc=icc_of(70_000))
    whole, notices = splice_avif(bare, metadata)
    found = Metadata(heif_blocks(whole))
    assert notices == ()
    assert (found.exif, found.icc) == (metadata.exif, metadata.icc)
    assert b"xmpmeta" in (found.xmp or b"")
    np.testing.assert_array_equal(imagecodecs.avif_decode(whole), imagecodecs.avif_decode(bare))
    with Image.open(io.BytesIO(whole)) as image, Image.open(io.BytesIO(bare)) as before:
        assert image.info["icc_profile"] == metadata.icc
        assert image.getexif()[ORIENTATION] == 1
        assert image.info["xmp"] == found.xmp
        np.testing.assert_array_equal(np.asarray(image), np.asarray(before))


def test_every_part_alone_goes_into_an_avif(avif: bytes, noted: bytes) -> None:
    for metadata in (Metadata.build(exif=noted), Metadata.build(icc=icc_of(0)), Metadata.build(xmp=XMP)):
        found = Metadata(heif_blocks(splice_avif(avif, metadata)[0]))
        assert [block.kind for block in found.blocks] == [block.kind for block in metadata.blocks]
    assert splice_avif(avif, Metadata()) == (avif, ())


def test_the_encoders_of_pillow_and_imagecodecs_are_both_understood(
    pixels: npt.NDArray[np.uint8], noted: bytes
) -> None:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "AVIF")
    whole, _ = splice_avif(out.getvalue(), Metadata.build(exif=noted))
    assert Metadata(heif_blocks(whole)).exif == noted


def test_what_an_avif_cannot_hold_is_named_and_a_density_becomes_exif(avif: bytes) -> None:
    density = Block(0xE0, b"JFIF\0\1\1\1" + (300).to_bytes(2, "big") * 2 + bytes(2))
    blocks = (density, Block(COMMENT, b"hi"), Block(0xE4, b"?"))
    whole, (notice,) = splice_avif(avif, Metadata(blocks))
    assert "comment" in notice and "APP4" in notice
    exif = Tiff(Metadata(heif_blocks(whole)).exif or b"")
    first = exif.ifd(exif.first)
    assert first is not None
    assert {entry.tag: exif.value(entry) for entry in first.entries} == {282: ((300, 1),), 283: ((300, 1),), 296: (2,)}


def test_a_picture_that_is_no_avif_is_refused(noted: bytes) -> None:
    with pytest.raises(MetadataError):
        splice_avif(b"\xff\xd8 not an AVIF", Metadata.build(exif=noted))


def test_the_code_points_of_an_avif_are_told(pixels: npt.NDArray[np.uint8]) -> None:
    wide = bytes(imagecodecs.avif_encode(pixels, primaries=12, transfer=13, matrix=6))
    assert nclx(Items(wide)) == (12, 13, 6, True)


def meta(*boxes: bytes) -> bytes:
    return box_of(b"ftyp", b"heic") + box_of(b"meta", bytes(4), *boxes)


def u(number: int, size: int = 2) -> bytes:
    return number.to_bytes(size, "big")


def infe(number: int, kind: bytes) -> bytes:
    return box_of(b"infe", b"\2\0\0\0", u(number), bytes(2), kind)


def test_items_in_parts_and_in_idat_are_put_together_and_those_of_other_pictures_passed_over() -> None:
    kinds = {1: b"hvc1\0", 2: b"Exif\0", 3: b"mime\0application/rdf+xml\0", 4: b"mime\0application/rdf+xml\0"}
    exif = bytes((0, 0, 0, 6)) + exif_block(build_exif("<", [short_field(ORIENTATION, 6)])).data
    others, ours = b"<gain-map/>", b"<ours/>"
    idat = ours[3:] + others + exif[9:] + exif[:9] + ours[:3]
    head = len(ours) - 3 + len(others)
    extents = {
        2: [(head + len(exif) - 9, 9), (head, len(exif) - 9)],
        3: [(len(ours) - 3, len(others))],
        4: [(head + len(exif), 3), (0, len(ours) - 3)],
    }
    iloc = b"\1\0\0\0\x44\0" + u(len(extents))
    for number, spans in extents.items():
        iloc += u(number) + u(1) + u(0) + u(len(spans)) + b"".join(u(at, 4) + u(size, 4) for at, size in spans)
    data = meta(
        box_of(b"pitm", bytes(4), u(1)),
        box_of(b"iinf", bytes(4), u(4), *(infe(number, kind) for number, kind in kinds.items())),
        box_of(b"iref", bytes(4), box_of(b"cdsc", u(3), u(1), u(9)), box_of(b"cdsc", u(4), u(1), u(1))),
        box_of(b"iloc", iloc),
        box_of(b"idat", idat),
    )
    found = Metadata(heif_blocks(data))
    assert found.xmp == ours
    assert found.orientation == 6


@pytest.mark.parametrize("times", [1000, 60_000])
def test_a_file_that_lists_one_span_thousands_of_times_is_not_put_together(times: int) -> None:
    spans = [(0, 1 << 20)] * times
    iloc = b"\1\0\0\0\x44\0" + u(1) + u(2) + bytes(4) + u(len(spans))
    iloc += b"".join(u(at, 4) + u(size, 4) for at, size in spans)
    data = meta(
        box_of(b"pitm", bytes(4), u(1)), box_of(b"iinf", bytes(4), u(1), infe(2, b"Exif\0")), box_of(b"iloc", iloc)
    )
    assert heif_blocks(data + box_of(b"mdat", bytes(1 << 20))) == ()


def test_gain_maps_and_credentials_are_reported_and_not_carried() -> None:
    credentials = box_of(b"uuid", bytes.fromhex("d8fec3d61b0e483c92975828877ec481"), bytes(90_000))
    data = meta(box_of(b"pitm", bytes(4), u(1)), box_of(b"iinf", bytes(4), u(1), infe(2, b"tmap\0"))) + credentials
    metadata = Metadata(heif_blocks(data))
    assert [block.kind for block in metadata.blocks] == [Kind.GAIN_MAP, Kind.JUMBF]
    left, notices = metadata.for_result(width=1, height=1, turned=True, make_thumbnail=lambda *_: None)
    assert left.blocks == ()
    assert len(notices) == 2


def test_real_heic_and_avif_files_give_what_they_carry(shared: Path) -> None:
    odd = shared / "data" / "odd"
    heic = Metadata(heif_blocks((odd / "pillow-heif__L_exif_xmp_iptc.heic").read_bytes()))
    assert (len(heic.exif or b""), len(heic.xmp or b"")) == (40_950, 15_306)
    avif = (odd / "libavif-1.4.2__seine_sdr_gainmap_srgb_icc.avif").read_bytes()
    with Image.open(io.BytesIO(avif)) as image:
        found = Metadata(heif_blocks(avif))
        assert found.icc == image.info["icc_profile"]
        assert found.exif == image.info["exif"].removeprefix(b"Exif\0\0")
        assert found.xmp == image.info["xmp"]


# JPEG XL


@pytest.mark.parametrize("container", [False, True])
def test_a_jpeg_xl_carries_the_very_bytes_and_its_pixels_are_untouched(
    container: bool, pixels: npt.NDArray[np.uint8], noted: bytes
) -> None:
    bare = bytes(imagecodecs.jpegxl_encode(pixels, lossless=True, usecontainer=container))
    whole, notices = splice_jxl(bare, Metadata.build(exif=noted, xmp=XMP))
    found = Metadata(jxl_blocks(whole))
    assert notices == ()
    assert found.exif == noted
    assert b"xmpmeta" in (found.xmp or b"")
    assert [box.type for box in walk(whole)] == [b"JXL ", b"ftyp", b"Exif", b"xml ", b"jxlc"]
    np.testing.assert_array_equal(imagecodecs.jpegxl_decode(whole), pixels)


def test_a_level_that_an_encoder_declares_stays_in_front_of_the_picture(noted: bytes) -> None:
    deep = np.random.default_rng(7).random((9, 9, 3), np.float32)
    bare = bytes(imagecodecs.jpegxl_encode(deep, lossless=True))
    whole, _ = splice_jxl(bare, Metadata.build(exif=noted))
    assert [box.type for box in walk(whole)] == [b"JXL ", b"ftyp", b"jxll", b"Exif", b"jxlc"]
    np.testing.assert_array_equal(imagecodecs.jpegxl_decode(whole), imagecodecs.jpegxl_decode(bare))


def test_with_nothing_to_carry_a_codestream_stays_bare(pixels: npt.NDArray[np.uint8]) -> None:
    bare = bytes(imagecodecs.jpegxl_encode(pixels))
    assert splice_jxl(bare, Metadata()) == (bare, ())
    assert jxl_blocks(bare) == ()


def test_a_picture_that_is_no_jpeg_xl_is_refused(noted: bytes) -> None:
    with pytest.raises(MetadataError):
        splice_jxl(SIGNATURE, Metadata.build(exif=noted))


def test_compressed_boxes_are_inflated_and_a_bomb_is_not(noted: bytes) -> None:
    def brob(kind: bytes, content: bytes) -> bytes:
        return box_of(b"brob", kind, imagecodecs.brotli_encode(content))

    found = Metadata(jxl_blocks(SIGNATURE + brob(b"xml ", XMP) + brob(b"Exif", bytes(4) + noted)))
    assert (found.xmp, found.exif) == (XMP, noted)
    assert jxl_blocks(SIGNATURE + brob(b"xml ", bytes(20 << 20)) + box_of(b"brob", b"xml damaged")) == ()


def test_credentials_in_a_jpeg_xl_are_reported() -> None:
    (block,) = jxl_blocks(SIGNATURE + box_of(b"jumb", b"c2pa"))
    assert block.kind is Kind.JUMBF


# Hostile files


@given(st.data())
def test_damaged_files_are_read_without_an_exception(data: st.DataObject) -> None:
    whole = data.draw(st.sampled_from(_sound()))
    hurt = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(hurt) - 1))
        hurt[at : at + 4] = data.draw(st.sampled_from((b"\xff\xff\xff\xff", bytes(4), b"\0\0\0\1", b"")))
    for read in (heif_blocks, jxl_blocks):
        blocks = read(bytes(hurt))
        assert sum(len(block.data) for block in blocks) < len(whole) + 65536
    with suppress(MetadataError):
        nclx(Items(bytes(hurt)))


def _sound() -> list[bytes]:
    flat = np.zeros((8, 8, 3), np.uint8)
    metadata = Metadata.build(exif=build_exif("<", [short_field(ORIENTATION, 1)]), xmp=XMP, icc=icc_of(0))
    return [
        splice_avif(bytes(imagecodecs.avif_encode(flat)), metadata)[0],
        splice_jxl(bytes(imagecodecs.jpegxl_encode(flat)), metadata)[0],
    ]
