"""The patchers and readers on made and on hostile bytes: same length out as in, no error but ours, no endless loop."""

import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lptn_retouch.codecs.detect import detect
from lptn_retouch.codecs.raw.ciff import ciff_records, exif_from_ciff
from lptn_retouch.errors import MetadataError
from lptn_retouch.metadata import Block, Metadata
from lptn_retouch.metadata.exif.build import Field, build_exif, short_field, text_field
from lptn_retouch.metadata.exif.patch import patch_exif
from lptn_retouch.metadata.photoshop import iptc_records, patch_photoshop, photoshop_resources
from lptn_retouch.metadata.xmp.correct import patch_xmp
from lptn_retouch.metadata.xmp.properties import xmp_properties
from lptn_retouch.structures.tiff import ASCII, LONG, SHORT, Tiff
from lptn_retouch.structures.xml import parse_xmp
from lptn_retouch.verify.containers import carried_by
from lptn_retouch.verify.tags import tags_of

quick = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
TINY = bytes.fromhex("ffd8 ffc0 000b 08 0078 00a0 01 01 11 00 ffda 0002 ffd9")


def no_thumbnail(_box: tuple[int, int], _most: int) -> None:
    return None


def tiny_thumbnail(_box: tuple[int, int], _most: int) -> bytes:
    return TINY


def with_ifd1(order: str = "<", thumbnail: bytes = TINY + bytes(60)) -> bytes:
    """EXIF with orientation 6, sizes, and an IFD1 whose thumbnail stands at the end."""
    sizes = [
        Field(0xA002, SHORT, 1, struct.pack(order + "H", 640)),
        Field(0xA003, LONG, 1, struct.pack(order + "I", 480)),
    ]
    main = [Field(0x0112, SHORT, 1, struct.pack(order + "H", 6)), text_field(0x010F, "Camera")]
    exif = bytearray(build_exif(order, main, sizes))
    link = 8 + 2 + 12 * 3
    struct.pack_into(order + "I", exif, link, len(exif))
    at = len(exif) + 2 + 12 * 3 + 4
    exif += struct.pack(order + "H", 3)
    exif += struct.pack(order + "HHIHH", 0x0112, SHORT, 1, 6, 0)
    exif += struct.pack(order + "HHII", 0x0201, LONG, 1, at)
    exif += struct.pack(order + "HHII", 0x0202, LONG, 1, len(thumbnail)) + bytes(4)
    return bytes(exif) + thumbnail


@pytest.mark.parametrize("order", ["<", ">"])
def test_orientation_size_and_thumbnail_are_patched_in_place(order: str) -> None:
    exif = with_ifd1(order)
    new = TINY.replace(b"\x00\x78\x00\xa0", b"\x00\xa0\x00\x78")
    patched = patch_exif(exif, width=70000, height=300, make_thumbnail=lambda _box, _most: new)
    tiff = Tiff(patched.data)
    first, second = tiff.chain()
    shot = tiff.pointed(first, 0x8769)
    assert shot is not None
    assert (len(patched.data), patched.notices) == (len(exif), ())
    assert (tiff.number(first.get(0x0112)), tiff.number(second.get(0x0112))) == (1, 1)
    assert tiff.number(shot.get(0xA002)) == 70000  # a SHORT grew to a LONG in its own place
    assert tiff.number(shot.get(0xA003)) == 300
    assert tiff.number(second.get(0x0202)) == len(new)
    assert new in patched.data
    assert TINY not in patched.data


def test_without_a_fitting_thumbnail_the_link_is_cut() -> None:
    exif = with_ifd1()
    patched = patch_exif(exif, width=4, height=3)
    assert len(list(Tiff(patched.data).chain())) == 1
    assert len(patched.notices) == 1
    assert TINY not in patched.data
    assert len(patched.data) == len(exif)


def test_a_thumbnail_place_that_overlaps_a_directory_is_never_written() -> None:
    exif = bytearray(with_ifd1())
    second = Tiff(bytes(exif)).ifd(Tiff(bytes(exif)).ifd(8).next)  # type: ignore[union-attr]
    assert second is not None
    struct.pack_into("<I", exif, second.get(0x0201).at + 8, 10)  # type: ignore[union-attr]
    called = []
    patched = patch_exif(bytes(exif), width=640, height=480, make_thumbnail=lambda _box, most: called.append(most))
    assert not called
    assert Tiff(patched.data).number(Tiff(patched.data).ifd(8).get(0x0112)) == 1  # type: ignore[union-attr]
    assert len(list(Tiff(patched.data).chain())) == 1


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (short_field(0x0112, 8), 8),
        (short_field(0x0112, 0), 1),
        (short_field(0x0112, 99), 1),
        (Field(0x0112, LONG, 1, b"\3\0\0\0"), 3),
        (Field(0x0112, ASCII, 2, b"6\0"), 1),
    ],
)
def test_orientation_of_every_type_reads_sanely_and_becomes_one(field: Field, expected: int) -> None:
    metadata = Metadata.build(exif=build_exif("<", [field]))
    assert metadata.orientation == expected
    result, _ = metadata.for_result(width=4, height=3, turned=True, make_thumbnail=no_thumbnail)
    tiff = Tiff(result.exif or b"")
    assert tiff.number(tiff.ifd(8).get(0x0112)) == 1  # type: ignore[union-attr]


def test_xmp_is_corrected_in_both_forms_and_otherwise_untouched() -> None:
    packet = (
        b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>\n<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
        b"xmlns:T='http://ns.adobe.com/tiff/1.0/' xmlns:exif=\"http://ns.adobe.com/exif/1.0/\"\n"
        b' xmlns:G="http://ns.google.com/photos/1.0/camera/" T:Orientation = \'6\' G:MotionPhoto="1" G:Keep="a &gt; b">'
        b"\n <T:Orientation>8</T:Orientation><exif:PixelXDimension>640</exif:PixelXDimension>"
        b"\n <G:MicroVideoOffset>4</G:MicroVideoOffset>\n <T:Orientation/></rdf:Description></rdf:RDF></x:xmpmeta>"
        b'\n<?xpacket end="w"?>\0'
    )
    expected = (
        packet.replace(b"Orientation = '6'", b"Orientation = '1'")
        .replace(b">8<", b">1<")
        .replace(b">640<", b">12<")
        .replace(b' G:MotionPhoto="1"', b"")
        .replace(b"\n <G:MicroVideoOffset>4</G:MicroVideoOffset>", b"")
    )
    patched = patch_xmp(packet, width=12, height=9)
    assert patched.data == expected
    assert len(patched.notices) == 1
    assert "motion" in patched.notices[0]
    assert Metadata.build(xmp=packet).orientation == 6
    assert patch_xmp(packet, width=12, height=9, upright=False).data.count(b"'6'") == 1


def test_develop_settings_of_a_raw_file_are_marked_as_applied() -> None:
    plain = b'<d xmlns:c="http://ns.adobe.com/camera-raw-settings/1.0/" c:Exposure="+1"/>'
    marked = b'<d xmlns:c="http://ns.adobe.com/camera-raw-settings/1.0/" c:Exposure="+1" c:AlreadyApplied="True"/>'
    assert patch_xmp(plain, developed=True).data == marked
    assert patch_xmp(marked.replace(b"True", b"False"), developed=True).data == marked
    assert patch_xmp(plain).data == plain


@pytest.mark.parametrize(
    "packet",
    [
        b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        b"<a>" * 70 + b"</a>" * 70,
        b"<a><b></a>",
        b"",
        "<a/>".encode("utf-16"),
        b'<?xml version="1.0" encoding="no-such"?><a/>',
    ],
)
def test_a_bad_packet_is_refused_by_the_reader_and_carried_by_the_patcher(packet: bytes) -> None:
    with pytest.raises(MetadataError):
        parse_xmp(packet)
    assert patch_xmp(packet, width=4, height=3).data == packet
    assert patch_xmp(packet, width=4, height=3).notices


def test_even_a_damaged_packet_loses_its_stale_orientation() -> None:
    assert patch_xmp(b'<d tiff:Orientation="6"><oops', width=4, height=3).data == b'<d tiff:Orientation="1"><oops'


def test_damaged_exif_is_carried_as_it_is_and_said() -> None:
    source = Metadata((Block(0xE1, b"Exif\0\0garbage"),))
    result, notices = source.for_result(width=4, height=3, turned=True, make_thumbnail=no_thumbnail)
    assert result == source
    assert len(notices) == 1


def test_a_directory_that_links_to_itself_ends() -> None:
    looped = bytearray(build_exif("<", [short_field(0x0112, 6)]))
    struct.pack_into("<I", looped, 22, 8)
    assert len(list(Tiff(bytes(looped)).chain())) == 1
    assert len(patch_exif(bytes(looped), width=4, height=3).data) == len(looped)


@pytest.mark.slow
def test_a_zlib_bomb_in_a_png_is_not_inflated() -> None:
    bomb = zlib.compress(bytes(40 << 20))
    body = b"profile\0\0" + bomb
    png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", len(body)) + b"iCCP" + body + bytes(4)
    assert carried_by(png, detect(png) or "TIFF").metadata.icc is None


def flipped(seed: bytes) -> st.SearchStrategy[bytes]:
    """Bytes near to sound ones: a few bytes overwritten, then cut."""
    places = st.lists(st.tuples(st.integers(0, len(seed) - 1), st.integers(0, 255)), max_size=12)

    def damage(changes: list[tuple[int, int]], keep: int) -> bytes:
        data = bytearray(seed)
        for at, value in changes:
            data[at] = value
        return bytes(data[:keep])

    return st.builds(damage, places, st.one_of(st.just(len(seed)), st.integers(0, len(seed))))


def tiff_like() -> st.SearchStrategy[bytes]:
    head = st.sampled_from([b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b""])
    return st.one_of(st.builds(lambda a, b: a + b, head, st.binary(max_size=400)), flipped(with_ifd1("<")),
                     flipped(with_ifd1(">")))  # fmt: skip


@pytest.mark.slow
@quick
@given(tiff_like(), st.integers(1, 100_000), st.booleans())
@example(b"II*\0\x08\0\0\0\xff\xff", 1, True)
def test_the_exif_patcher_keeps_the_length_and_raises_only_ours(exif: bytes, side: int, upright: bool) -> None:
    try:
        patched = patch_exif(exif, width=side, height=side, upright=upright, make_thumbnail=tiny_thumbnail)
    except MetadataError:
        return
    assert len(patched.data) == len(exif)
    assert patched.data[:8] == exif[:8] or exif[4:8] not in (b"\x08\0\0\0", b"\0\0\0\x08")


@pytest.mark.slow
@quick
@given(tiff_like())
def test_every_fact_of_hostile_exif_can_be_told(exif: bytes) -> None:
    metadata = Metadata.build(exif=exif or None)
    assert 1 <= metadata.orientation <= 8
    result, _ = metadata.for_result(width=4, height=3, turned=True, make_thumbnail=no_thumbnail)
    assert len(result.exif or b"") == len(metadata.exif or b"")
    try:
        tags_of(carried_by(exif, detect(exif) or "TIFF"))
    except MetadataError:
        return


XMP_SEED = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><r:Description '
    b'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"><tiff:Make>A</tiff:Make><tiff:ImageWidth>7'
    b"</tiff:ImageWidth><tiff:B><r:Bag><r:li>x</r:li></r:Bag></tiff:B></r:Description></r:RDF></x:xmpmeta>"
)


@pytest.mark.slow
@quick
@given(st.one_of(st.binary(max_size=200), flipped(XMP_SEED)))
def test_hostile_xmp_raises_only_ours(packet: bytes) -> None:
    patched = patch_xmp(packet, width=4, height=3)
    again = patch_xmp(patched.data, width=4, height=3)
    assert again.data == patched.data
    try:
        xmp_properties(packet)
    except MetadataError:
        return


IRB_SEED = b"8BIM\4\4\0\0\0\0\0\x0a\x1c\2\5\0\5Dawn!8BIM\4\x0c\0\0\0\0\0\x40" + bytes(28) + TINY.ljust(36, b"\0")


@pytest.mark.slow
@quick
@given(st.one_of(st.binary(max_size=200), flipped(IRB_SEED)))
def test_hostile_photoshop_resources_keep_their_length(data: bytes) -> None:
    patched, _ = patch_photoshop(data, tiny_thumbnail)
    assert len(patched) == len(data)
    list(photoshop_resources(data))
    list(iptc_records(data))


CIFF_SEED = (
    b"II\x1a\0\0\0HEAPCCDR".ljust(26, b"\0")
    + b"Canon\0S40\0"
    + struct.pack("<HHII", 1, 0x080A, 10, 0)
    + struct.pack("<I", 10)
)


@pytest.mark.slow
@quick
@given(st.one_of(st.binary(max_size=100), flipped(CIFF_SEED)))
def test_hostile_ciff_raises_nothing(data: bytes) -> None:
    ciff_records(data)
    exif_from_ciff(data)


def test_the_seeds_are_sound_so_that_damaging_them_means_something() -> None:
    assert ciff_records(CIFF_SEED) == {0x080A: b"Canon\0S40\0"}
    assert [len(r.data) for r in photoshop_resources(IRB_SEED)] == [10, 64]
    assert [p.path for p in xmp_properties(XMP_SEED)] == ["Orientation", "Make", "ImageWidth", "B[1]"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_real_block_with_damaged_bytes_keeps_its_length(shared: Path, data: st.DataObject) -> None:
    exif = Metadata.from_jpeg((shared / "data/camera-jpegs/exif-samples__32-lens_data.jpeg").read_bytes()).exif
    assert exif is not None
    damaged = bytearray(exif)
    for at, value in data.draw(st.lists(st.tuples(st.integers(8, 1500), st.integers(0, 255)), min_size=1, max_size=20)):
        damaged[at] = value
    assert len(patch_exif(bytes(damaged), width=640, height=480, make_thumbnail=tiny_thumbnail).data) == len(exif)
