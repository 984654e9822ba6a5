"""AVIF, HEIC and JPEG XL: items in parts, boxes that are compressed, and what their encoders write."""

import io
from pathlib import Path

import imagecodecs
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from lptn_retouch.codecs.heif.blocks import embed_avif, nclx
from lptn_retouch.codecs.jxl.blocks import embed_jxl, jxl_blocks
from lptn_retouch.codecs.registry import read_metadata
from lptn_retouch.metadata.blocks import Block, Kind, exif_block
from lptn_retouch.metadata.exif.build import Field, build_exif, short_field
from lptn_retouch.metadata.exif.tags import ORIENTATION
from lptn_retouch.metadata.metadata import Metadata
from lptn_retouch.structures.boxes import box_of, walk
from lptn_retouch.structures.heif_items import Items
from lptn_retouch.structures.tiff import MAKER_NOTE, UNDEFINED
from tests.builders import encoded, xmp_packet


def heif_blocks(data: bytes) -> tuple[Block, ...]:
    return read_metadata(data, "AVIF").blocks


XMP = xmp_packet()
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


# AVIF and HEIC


def test_the_encoders_of_pillow_and_imagecodecs_are_both_understood(
    pixels: npt.NDArray[np.uint8], noted: bytes
) -> None:
    whole, _ = embed_avif(encoded(Image.fromarray(pixels), "AVIF"), Metadata.build(exif=noted))
    assert Metadata(heif_blocks(whole)).exif == noted


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


def test_a_level_that_an_encoder_declares_stays_in_front_of_the_picture(noted: bytes) -> None:
    deep = np.random.default_rng(7).random((9, 9, 3), np.float32)
    bare = bytes(imagecodecs.jpegxl_encode(deep, lossless=True))
    whole, _ = embed_jxl(bare, Metadata.build(exif=noted))
    assert [box.type for box in walk(whole)] == [b"JXL ", b"ftyp", b"jxll", b"Exif", b"jxlc"]
    np.testing.assert_array_equal(imagecodecs.jpegxl_decode(whole), imagecodecs.jpegxl_decode(bare))


def test_with_nothing_to_carry_a_codestream_stays_bare(pixels: npt.NDArray[np.uint8]) -> None:
    bare = bytes(imagecodecs.jpegxl_encode(pixels))
    assert embed_jxl(bare, Metadata()) == (bare, ())
    assert jxl_blocks(bare) == ()


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
