"""strip-private: what was private is in no byte of the result; what a photographer wants kept is."""

import hashlib
import json
import re
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image

from lptn_retouch.codecs.jpeg.embed import embed_jpeg
from lptn_retouch.metadata import Block, Metadata
from lptn_retouch.metadata.blocks import COMMENT, EXTENDED_XMP_PREFIX, PNG_CHUNK, joined_icc
from lptn_retouch.metadata.exif.build import Field, build_exif, text_field
from lptn_retouch.metadata.photoshop import iptc_records
from lptn_retouch.metadata.private import without_private
from lptn_retouch.metadata.xmp.properties import xmp_properties
from lptn_retouch.structures.tiff import Tiff
from tests.builders import iptc_record, plain

SERIAL, OWNER, PERSON = b"SN-0123456789", b"Ida Ownersdottir", b"Paul Persona"
PLACE = struct.pack("<6I", 51, 1, 30, 1, 7771, 100)
RDF = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'
SPACES = {
    "exif": "http://ns.adobe.com/exif/1.0/", "aux": "http://ns.adobe.com/exif/1.0/aux/",
    "exifEX": "http://cipa.jp/exif/1.0/", "dc": "http://purl.org/dc/elements/1.1/",
    "xmpRights": "http://ns.adobe.com/xap/1.0/rights/", "xmpMM": "http://ns.adobe.com/xap/1.0/mm/",
    "stRef": "http://ns.adobe.com/xap/1.0/sType/ResourceRef#", "plus": "http://ns.useplus.org/ldf/xmp/1.0/",
    "mwg-rs": "http://www.metadataworkinggroup.com/schemas/regions/", "MP": "http://ns.microsoft.com/photo/1.2/",
    "MPReg": "http://ns.microsoft.com/photo/1.2/t/Region#", "acdsee-rs": "http://ns.acdsee.com/regions/",
    "apple-fi": "http://ns.apple.com/faceinfo/1.0/", "GCamera": "http://ns.google.com/photos/1.0/camera/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/", "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "crs": "http://ns.adobe.com/camera-raw-settings/1.0/", "x": "http://example.org/unknown/",
    "drone-dji": "http://www.dji.com/drone-dji/1.0/", "xmpNote": "http://ns.adobe.com/xmp/note/",
}  # fmt: skip


def packet(inside: str) -> bytes:
    spaces = " ".join(f'xmlns:{prefix}="{space}"' for prefix, space in SPACES.items())
    return f'<rdf:RDF {RDF}><rdf:Description {spaces} dc:format="kept">{inside}</rdf:Description></rdf:RDF>'.encode()


def made_exif() -> bytes:
    note = b"Canon" + SERIAL + OWNER
    main = [text_field(0x010F, "Maker"), text_field(0x013B, "Ann Artist"), text_field(0x8298, "(c) Ann"),
            text_field(0x013C, "Idas-MacBook"), Field(0xC634, 1, len(SERIAL), SERIAL),
            Field(0xC62F, 2, len(SERIAL), SERIAL), text_field(0x0132, "2024:05:06 07:08:09")]  # fmt: skip
    exif = [text_field(0x9003, "2024:05:06 07:08:09"), text_field(0xA434, "50mm"),
            Field(0xA431, 2, len(SERIAL), SERIAL), Field(0xA435, 2, len(SERIAL), SERIAL),
            Field(0xA430, 2, len(OWNER), OWNER), text_field(0xA420, "AFFE" * 8),
            Field(0x927C, 7, len(note), note), Field(0x829A, 5, 1, struct.pack("<2I", 1, 250))]  # fmt: skip
    gps = [text_field(1, "N"), Field(2, 5, 3, PLACE)]
    interop = [text_field(1, "R98"), Field(2, 7, 4, b"0100")]
    return build_exif("<", main, exif, gps, interop)


def everything() -> Metadata:
    return Metadata.build(exif=made_exif())


def all_bytes(metadata: Metadata) -> bytes:
    return b"\n".join(block.data for block in metadata.blocks)


def test_exif_loses_the_bytes_and_keeps_the_shooting_data_and_the_credit() -> None:
    after, notices = without_private(everything())
    whole = all_bytes(after)
    for private in (SERIAL, OWNER, PLACE, b"Idas-MacBook", PLACE[16:]):
        assert private in all_bytes(everything()) and private not in whole
    for kept in (
        b"Maker",
        b"Ann Artist",
        b"(c) Ann",
        b"2024:05:06 07:08:09",
        b"50mm",
        b"AFFE",
        struct.pack("<2I", 1, 250),
    ):
        assert kept in whole
    assert len(notices) == 1
    for group in ("places", "serial numbers", "owner", "maker notes"):
        assert group in notices[0]
    tiff = Tiff(after.exif or b"")
    first = tiff.ifd(tiff.first)
    assert tiff.pointed(first, 0x8825) is None
    shot = tiff.pointed(first, 0x8769)
    assert shot and tiff.pointed(shot, 0xA005)


def test_the_new_thumbnail_stays() -> None:
    thumbnail, exif = plain(), bytearray(made_exif())
    exif += bytes(len(exif) % 2)
    at = len(exif)
    table = struct.pack("<HHHIIHHII", 2, 0x0201, 4, 1, at + 30, 0x0202, 4, 1, len(thumbnail)) + bytes(4)
    tiff = Tiff(bytes(exif))
    first = tiff.ifd(tiff.first)
    assert first and first.next_at
    struct.pack_into("<I", exif, first.next_at, at)
    after, _ = without_private(Metadata.build(exif=bytes(exif) + table + thumbnail))
    read = Image.Exif()
    read.load(b"Exif\0\0" + (after.exif or b""))
    ifd = read.get_ifd(ExifTags.IFD.IFD1)
    assert (after.exif or b"")[ifd[0x0201] : ifd[0x0201] + ifd[0x0202]] == thumbnail


PRIVATE_XMP = [
    '<exif:GPSLatitude>51,30.777N</exif:GPSLatitude>',
    '<aux:SerialNumber>SN-0123456789</aux:SerialNumber>',
    '<aux:OwnerName>Ida Ownersdottir</aux:OwnerName>',
    '<exifEX:BodySerialNumber>SN-0123456789</exifEX:BodySerialNumber>',
    '<exifEX:CameraOwnerName>Ida Ownersdottir</exifEX:CameraOwnerName>',
    '<mwg-rs:Regions><rdf:Description><mwg-rs:Name>Paul Persona</mwg-rs:Name></rdf:Description></mwg-rs:Regions>',
    '<MP:RegionInfo><rdf:Description MPReg:PersonDisplayName="Paul Persona"/></MP:RegionInfo>',
    '<acdsee-rs:Regions>Paul Persona</acdsee-rs:Regions>',
    '<apple-fi:FaceID>Paul Persona</apple-fi:FaceID>',
    '<GCamera:SpecialTypeID>Paul Persona</GCamera:SpecialTypeID>',
    '<Iptc4xmpExt:PersonInImage><rdf:Bag><rdf:li>Paul Persona</rdf:li></rdf:Bag></Iptc4xmpExt:PersonInImage>',
    '<Iptc4xmpExt:LocationCreated exif:GPSLatitude="51,30.777N"/>',
    '<Iptc4xmpExt:LocationShown><rdf:Seq><rdf:li exif:GPSStatus="51,30"/></rdf:Seq></Iptc4xmpExt:LocationShown>',
    '<xmpMM:DerivedFrom stRef:filePath="/home/Ida Ownersdottir/a.jpg" stRef:documentID="kept-id"/>',
    '<drone-dji:GpsLatitude>51,30.777N</drone-dji:GpsLatitude>',
    '<x:deep><rdf:Description><x:decimalLatitude>51,30.777N</x:decimalLatitude></rdf:Description></x:deep>',
]  # fmt: skip
CREDIT_XMP = [
    '<dc:creator><rdf:Seq><rdf:li>Ann Artist</rdf:li></rdf:Seq></dc:creator>',
    '<xmpRights:Owner><rdf:Bag><rdf:li>Ann Artist</rdf:li></rdf:Bag></xmpRights:Owner>',
    '<plus:CopyrightOwner><rdf:Seq><rdf:li plus:CopyrightOwnerName="Ann Artist"/></rdf:Seq></plus:CopyrightOwner>',
    '<dc:subject><rdf:Bag><rdf:li>faces of a city</rdf:li></rdf:Bag></dc:subject>',
    '<photoshop:Credit>Ann Artist</photoshop:Credit>',
    '<crs:Exposure2012>+0.50</crs:Exposure2012>',
    '<exif:ExposureTime>1/250</exif:ExposureTime>',
]  # fmt: skip


@pytest.mark.parametrize("private", PRIVATE_XMP)
def test_each_private_property_goes_alone(private: str) -> None:
    before = packet("".join(CREDIT_XMP))
    after, notices = without_private(Metadata.build(xmp=packet(private + "".join(CREDIT_XMP))))
    assert not re.search(b"51,30|SN-0123|Ownersdottir|Persona", after.xmp or b"gone")
    wanted = xmp_properties(before)
    assert [p for p in xmp_properties(after.xmp or b"") if p in wanted] == wanted
    assert len(notices) == 1


def test_credit_stays_byte_for_byte() -> None:
    metadata = Metadata.build(xmp=packet("".join(CREDIT_XMP)))
    assert without_private(metadata) == (metadata, ())


def test_attributes_go_as_elements_do() -> None:
    xmp = packet("").replace(
        b'dc:format="kept"', b"aux:SerialNumber='SN-0123456789' dc:format=\"kept\" exif:GPSMapDatum='x'"
    )
    after, _ = without_private(Metadata.build(xmp=xmp))
    assert SERIAL not in (after.xmp or b"") and b"GPS" not in (after.xmp or b"")
    assert [p.value for p in xmp_properties(after.xmp or b"")] == ["kept"]


def test_what_cannot_be_read_goes_whole() -> None:
    extended = Block(
        0xE1, EXTENDED_XMP_PREFIX + b"0" * 32 + (20).to_bytes(4, "big") + bytes(4) + b"<x>Paul Persona</x>."
    )
    blocks = (
        Block(0xE1, b"Exif\0\0no TIFF" + SERIAL),
        Block(0xE1, b"http://ns.adobe.com/xap/1.0/\0<damaged " + SERIAL),
        extended,
        Block(0xE1, b"FLIR\0" + SERIAL),
        Block(0xE4, b"SEFT" + SERIAL),
        Block(0xEB, b"JP" + SERIAL),
        Block(0xE2, b"MPF\0" + SERIAL),
        Block(COMMENT, b"my comment"),
        Block(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0"),
    )
    after, notices = without_private(Metadata(blocks))
    assert [block.data[:4] for block in after.blocks] == [b"my c", b"JFIF"]
    assert "cannot be read" in notices[0]


def test_extended_xmp_is_cleaned_and_found_again() -> None:
    extended = packet("".join(PRIVATE_XMP + CREDIT_XMP) + "<dc:title>" + "long " * 30000 + "</dc:title>")
    name = hashlib.md5(extended).hexdigest().upper().encode()
    parts = [Block(0xE1, EXTENDED_XMP_PREFIX + name + struct.pack(">II", len(extended), at) + extended[at : at + 65000])
             for at in range(0, len(extended), 65000)]  # fmt: skip
    main = packet(f"<xmpNote:HasExtendedXMP>{name.decode()}</xmpNote:HasExtendedXMP>")
    after, _ = without_private(Metadata((Metadata.build(xmp=main).blocks[0], *parts)))
    (clean,) = after.extended_xmp
    assert xmp_properties(clean)[-1].value.startswith("long long")
    assert b"Ann Artist" in clean and not re.search(b"51,30|SN-0123|Ownersdottir|Persona", all_bytes(after))
    assert hashlib.md5(clean).hexdigest().upper().encode() in (after.xmp or b"") and name not in (after.xmp or b"")
    assert max(len(block.data) for block in after.blocks) <= 65533


def resource(number: int, data: bytes) -> bytes:
    return b"8BIM" + struct.pack(">HHI", number, 0, len(data)) + data + bytes(len(data) % 2)


def test_photoshop_keeps_its_resources_but_for_copies_and_vendors_records() -> None:
    iptc = (
        iptc_record(90, b"\x1b%G", record=1)
        + iptc_record(80, b"Ann Artist")
        + iptc_record(232, SERIAL)
        + iptc_record(188, OWNER)
    )
    iptc += iptc_record(116, b"(c) Ann") + iptc_record(1, SERIAL, record=240)
    parts = [resource(0x0404, iptc), resource(0x0425, bytes(16)), resource(0x0422, SERIAL), resource(0x0424, SERIAL),
             resource(0x03ED, b"\0\x48\0\0\0\1\0\1\0\x48\0\0\0\1\0\1")]  # fmt: skip
    after, _ = without_private(Metadata.build(photoshop=b"".join(parts)))
    values = [r.value for r in iptc_records(after.iptc)]
    assert values == [b"\x1b%G", b"Ann Artist", b"(c) Ann"]
    assert parts[-1] in after.photoshop
    assert (
        SERIAL not in all_bytes(after)
        and OWNER not in all_bytes(after)
        and resource(0x0425, bytes(16)) not in after.photoshop
    )
    clean = Metadata.build(photoshop=resource(0x0404, iptc_record(80, b"Ann")) + parts[1] + parts[-1])
    assert without_private(clean) == (clean, ())


def test_png_keeps_title_author_description_copyright_and_resolution() -> None:
    kept = [
        b"tEXtTitle\0Dawn",
        b"iTXtAuthor\0\0\0\0\0Ann",
        b"tEXtCopyright\0Ann",
        b"zTXtDescription\0\0x",
        b"pHYs" + bytes(9),
    ]
    gone = [b"tEXtSource\0" + SERIAL, b"tEXtparameters\0a face", b"tEXtComment\0home"]
    after, notices = without_private(Metadata(tuple(Block(PNG_CHUNK, data) for data in kept + gone)))
    assert [block.data for block in after.blocks] == kept
    assert len(notices) == 1


def test_no_private_bytes_of_real_photographs_are_left(shared: Path) -> None:
    """Every value of GPS, of a serial number, an owner and a maker note, looked for in all bytes of the result."""
    seen = 0
    for path in sorted((shared / "data" / "camera-jpegs").iterdir()):
        metadata = Metadata.from_jpeg(path.read_bytes())
        try:
            tiff = Tiff(metadata.exif or b"")
        except Exception:
            continue
        first = tiff.ifd(tiff.first)
        shot = tiff.pointed(first, 0x8769)
        private = [e for ifd in (first, shot) if ifd for e in ifd.entries if e.tag in (0xA430, 0xA431, 0xA435, 0x927C)]
        place = tiff.pointed(first, 0x8825)
        private += [e for e in (place.entries if place else ()) if e.tag in (2, 4, 7)]
        whole = all_bytes(Metadata(tuple(b for b in without_private(metadata)[0].blocks if b.kind.name != "ICC")))
        for entry in private:
            value = tiff.raw(entry).strip(b"\0 ")
            if len(value) > 7 and len(set(value)) > 3:
                seen += 1
                assert value not in whole, (path.name, hex(entry.tag))
    assert seen > 30


@pytest.mark.slow
@pytest.mark.usefixtures("exiftool")
def test_exiftool_finds_nothing_private_and_every_credit(shared: Path, tmp_path: Path) -> None:
    sources = sorted(
        path for path in (shared / "data" / "camera-jpegs").iterdir() if path.read_bytes()[:2] == b"\xff\xd8"
    )
    for path in sources:
        data = path.read_bytes()
        metadata, _ = Metadata.from_jpeg(data).for_result(
            width=64, height=48, turned=True, make_thumbnail=lambda _box, _most: None
        )
        stripped, _ = without_private(metadata)
        assert joined_icc(stripped.blocks) == joined_icc(metadata.blocks)
        (tmp_path / path.name).write_bytes(embed_jpeg(plain(size=(64, 48)), stripped)[0])

    def read(files: list[Path]) -> dict[str, dict[str, object]]:
        command = ["exiftool", "-j", "-a", "-u", "-n", "-q", "-q", "-G0", *files]
        found = json.loads(subprocess.run(command, check=False, capture_output=True).stdout)
        return {Path(entry["SourceFile"]).name: entry for entry in found}

    before, after = read(sources), read([tmp_path / path.name for path in sources])
    credit = re.compile(
        "Copyright|Artist|Creator$|By-line|Credit|Rights$|Caption|Headline|Keywords|DateTimeOriginal|FNumber"
    )
    wanted, warned = 0, 0
    for name, tags in after.items():
        bad = [t for t in tags if re.search("GPS|Serial|OwnerName|Person|Region[A-Z]|Face|MakerNotes", t)]
        assert [t for t in bad if "Copyright" not in t and "Licensor" not in t] == [], name
        for tag, value in before[name].items():
            if credit.search(tag) and tag.startswith(("EXIF", "IPTC", "XMP")) and "GPS" not in tag:
                wanted += 1
                assert tags.get(tag) == value, (name, tag)
        warned += "ExifTool:Warning" in tags and "ExifTool:Warning" not in before[name]
    assert wanted > 100 and warned == 0


@given(st.lists(st.tuples(st.sampled_from([0xE0, 0xE1, 0xE2, 0xE4, 0xED, 0xFE, 0x00]), st.sampled_from([
    b"", b"Exif\0\0II*\0\x08\0\0\0", b"Exif\0\0MM\0*\0\0\0\x08", b"http://ns.adobe.com/xap/1.0/\0<a>", b"ICC_PROFILE\0",
    b"Photoshop 3.0\x008BIM\4\4\0\0", b"JFIF\0", b"tEXtTitle\0", b"http://ns.adobe.com/xmp/extension/\0"]),
    st.binary(max_size=120)), max_size=6))  # fmt: skip
def test_no_blocks_make_it_crash(parts: list[tuple[int, bytes, bytes]]) -> None:
    metadata = Metadata(tuple(Block(marker, head + tail) for marker, head, tail in parts))
    after, notices = without_private(metadata)
    assert len(notices) <= 1
    assert without_private(after)[0] == after, "what is left has nothing private in it"
