"""XMP longer than a JPEG's segment: splitting, merging, and that no property is lost on the way."""

import hashlib
import subprocess
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lptn_retouch.codecs.jpeg.embed import embed_jpeg
from lptn_retouch.errors import MetadataError
from lptn_retouch.metadata import Block, Kind, Metadata
from lptn_retouch.metadata.photoshop import coded_resource
from lptn_retouch.metadata.xmp.extended import XMP_NOTE, merged_xmp, split_xmp
from lptn_retouch.metadata.xmp.iptc import with_iptc_in_xmp
from lptn_retouch.metadata.xmp.properties import xmp_properties
from lptn_retouch.structures.xml import RDF
from tests.builders import iptc_record, plain

SPACES = {"a": "http://a.example/1.0/", "b": "http://b.example/ns#", "dc": "http://purl.org/dc/elements/1.1/"}
HEADLINE = b"\x1c\x02\x69\0\x04Dawn"

names = st.sampled_from(["Tone", "Hue", "subject", "title", "Long", "Mask"])
texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn"]), max_size=40) | st.integers(
    0, 900
).map(lambda n: "x> " * n)


@st.composite
def packets(draw: st.DrawFn) -> bytes:
    """Packets in the forms that XMP allows, their namespaces declared at any level."""
    free = [(prefix, name) for prefix in SPACES for name in draw(st.sets(names, max_size=3))]
    level = draw(st.sampled_from(["rdf", "description", "property"]))
    declared = "".join(f' xmlns:{prefix}="{space}"' for prefix, space in SPACES.items())
    descriptions = []
    while free or not descriptions:
        mine, free = (free[: (cut := draw(st.integers(1, len(free))))], free[cut:]) if free else ([], [])
        attributes, inside = "", ""
        for prefix, name in mine:
            form, value = draw(st.sampled_from(["attribute", "element", "Bag", "struct"])), draw(texts)
            own = f' xmlns:{prefix}="{SPACES[prefix]}"' if level == "property" else ""
            if form == "attribute" and level != "property":
                attributes += f"\n  {prefix}:{name}={quoteattr(value)}"
            elif form == "Bag":
                items = "".join(f"<rdf:li>{escape(value)}</rdf:li>" for _ in range(draw(st.integers(0, 3))))
                inside += f"\n <{prefix}:{name}{own}><rdf:Bag>{items}</rdf:Bag></{prefix}:{name}>"
            elif form == "struct":
                field = f"<{prefix}:Field>{escape(value)}</{prefix}:Field>"
                inside += f'\n <{prefix}:{name}{own} rdf:parseType="Resource">{field}</{prefix}:{name}>'
            else:
                inside += f"<{prefix}:{name}{own}>{escape(value)}</{prefix}:{name}>"
        here = declared if level == "description" else ""
        tag = f'rdf:Description rdf:about="uuid:1"{here}{attributes}'
        descriptions.append(f"<{tag}>{inside}</rdf:Description>" if inside else f"<{tag}/>")
    body = f'<rdf:RDF xmlns:rdf="{RDF}"{declared if level == "rdf" else ""}>{"".join(descriptions)}</rdf:RDF>'
    if draw(st.booleans()):
        body = f'<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="k">{body}</x:xmpmeta>'
    if draw(st.booleans()):
        body = f'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>{body}{" " * 500}<?xpacket end="w"?>'
    return body.encode()


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(packets(), st.integers(500, 3000))
def test_what_is_split_and_merged_says_what_it_said(packet: bytes, limit: int) -> None:
    main, parts = split_xmp(packet, limit)
    assert len(main) <= limit
    assert bool(parts) <= (len(packet) > limit)
    merged, notices = merged_xmp(Metadata((*Metadata.build(xmp=main).blocks, *parts)))
    assert notices == ()
    assert merged is not None
    assert sorted(xmp_properties(merged)) == sorted(xmp_properties(packet))


def long_packet(size: int) -> bytes:
    return (
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}"><rdf:Description rdf:about=""'
        f' xmlns:dc="{SPACES["dc"]}" dc:source="here"><dc:relation>{"y" * size}</dc:relation>'
        "</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


def test_the_parts_are_named_by_the_md5_of_the_whole() -> None:
    main, parts = split_xmp(long_packet(200_000), 65502)
    whole = b"".join(part.data[75:] for part in parts)
    guid = hashlib.md5(whole).hexdigest().upper()
    assert len(parts) == 4 and {part.kind for part in parts} == {Kind.EXTENDED_XMP}
    assert all(part.data[35:67] == guid.encode() for part in parts)
    pointers = [p.value for p in xmp_properties(main) if p.space == XMP_NOTE]
    assert pointers == [guid]
    assert [p.value for p in xmp_properties(main) if p.name == "source"] == ["here"]


def test_what_the_main_packet_has_itself_counts() -> None:
    main, parts = split_xmp(long_packet(3000), 1000)
    main = main.replace(b'dc:source="here"', b'dc:source="here" dc:relation="mine"')
    merged, _ = merged_xmp(Metadata((*Metadata.build(xmp=main).blocks, *parts)))
    assert merged is not None
    assert [p.value for p in xmp_properties(merged) if p.name == "relation"] == ["mine"]


def test_extended_xmp_of_another_packet_is_left_out_and_said() -> None:
    main, parts = split_xmp(long_packet(3000), 1000)
    other, _ = split_xmp(long_packet(3001), 1000)
    for blocks in (parts, (*Metadata.build(xmp=other).blocks, *parts)):
        xmp, notices = merged_xmp(Metadata(blocks))
        assert xmp == (None if blocks is parts else other)
        assert len(notices) == 1 and "does not belong" in notices[0]
    torn = Block(parts[0].marker, parts[0].data[:-1])
    xmp, notices = merged_xmp(Metadata((*Metadata.build(xmp=main).blocks, torn)))
    assert xmp == main and "missing" in notices[0]


def test_a_long_packet_that_cannot_be_read_is_refused() -> None:
    for packet in (b"<x>" + b"y" * 2000, b"<x>" + b"y" * 2000 + b"</x>"):
        with pytest.raises(MetadataError):
            split_xmp(packet, 1000)


@pytest.mark.usefixtures("exiftool")
def test_exiftool_reads_a_split_packet_as_one(tmp_path: Path) -> None:
    spliced, notices = embed_jpeg(plain(), Metadata.build(xmp=long_packet(200_000)))
    assert notices == ()
    path = tmp_path / "long.jpg"
    path.write_bytes(spliced)
    command = ["exiftool", "-s3", "-XMP-dc:Source", "-XMP-dc:Relation", "-Warning", "-Error", path]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert found.split() == ["here", "y" * 200_000]


def iptc_of(*records: tuple[int, bytes], record: int = 2) -> bytes:
    return b"".join(iptc_record(n, value, record) for n, value in records)


def built(iptc: bytes, xmp: bytes | None = None) -> Metadata:
    return Metadata.build(xmp=xmp, photoshop=coded_resource(0x0404, iptc))


def test_iptc_fields_go_into_a_new_packet_in_the_forms_of_xmp() -> None:
    iptc = iptc_of((0, b"\0\2"), (5, b"Title"), (25, b"sea"), (25, b"sky & <sand>"), (55, b"20240229"), (80, b"Ada"),
                   (60, b"101112+0130"), (116, b"(c) Ada"), (120, b"d\xe9j\xe0"), (12, b"IPR:1"))  # fmt: skip
    result, notices = with_iptc_in_xmp(built(iptc))
    assert result.xmp is not None
    assert {(p.prefix, p.path): p.value for p in xmp_properties(result.xmp)} == {
        ("dc", "title[x-default]"): "Title",
        ("dc", "subject[1]"): "sea",
        ("dc", "subject[2]"): "sky & <sand>",
        ("photoshop", "DateCreated"): "2024-02-29T10:11:12+01:30",
        ("dc", "creator[1]"): "Ada",
        ("dc", "rights[x-default]"): "(c) Ada",
        ("dc", "description[x-default]"): "d\xe9j\xe0",
    }
    assert notices == ("IPTC data that could not go into the XMP was left out: 2:12.",)


@pytest.mark.parametrize("declared", [b"\x1b%G", b""])
@pytest.mark.parametrize("coded", [b"\xc3\xa9", b"\xe9"])
def test_iptc_text_is_read_in_its_character_set(declared: bytes, coded: bytes) -> None:
    envelope = iptc_of((90, declared), record=1) if declared else b""
    result, _ = with_iptc_in_xmp(built(envelope + iptc_of((105, coded))))
    assert result.xmp is not None and xmp_properties(result.xmp)[0].value == "\xe9"


def test_what_the_xmp_says_stays_and_the_difference_is_said() -> None:
    xmp = long_packet(3).replace(
        b"dc:source", b'xmlns:p="http://ns.adobe.com/photoshop/1.0/" p:Headline="Dusk" dc:source'
    )
    result, notices = with_iptc_in_xmp(built(HEADLINE, xmp))
    assert result.xmp == xmp
    assert notices == ("IPTC data that could not go into the XMP was left out: headline (the XMP says otherwise).",)
    result, notices = with_iptc_in_xmp(built(HEADLINE, xmp.replace(b"Dusk", b"Dawn and more")))
    assert (result.xmp, notices) == (xmp.replace(b"Dusk", b"Dawn and more"), ())


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 130), st.binary(max_size=20) | texts.map(str.encode)), max_size=8))
def test_any_records_give_a_packet_that_can_be_read(records: list[tuple[int, bytes]]) -> None:
    result, notices = with_iptc_in_xmp(built(iptc_of(*records), long_packet(3)))
    assert result.xmp is not None
    assert len(xmp_properties(result.xmp)) >= 2
    assert all(notice.endswith(".") for notice in notices)


def test_iptc_beside_a_damaged_packet_is_said_to_be_lost() -> None:
    result, notices = with_iptc_in_xmp(built(HEADLINE, b"<x"))
    assert result.xmp == b"<x" and len(notices) == 1 and "damaged" in notices[0]
