"""A file's metadata as a flat list of tags (group, name, value), whatever container it stands in."""

import hashlib
import struct
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

from lptn_retouch.errors import MetadataError
from lptn_retouch.metadata.blocks import Block, Kind
from lptn_retouch.metadata.exif.tags import tag_name
from lptn_retouch.metadata.photoshop import IPTC, iptc_records, photoshop_resources
from lptn_retouch.metadata.xmp.properties import xmp_properties
from lptn_retouch.structures.tiff import (
    EXIF_POINTER,
    GPS_POINTER,
    INTEROP_POINTER,
    RATIONAL,
    SRATIONAL,
    Entry,
    Ifd,
    Tiff,
)
from lptn_retouch.verify.containers import Carried

MAKER_NOTE = 0x927C
# Pointers, and what is told in groups of its own: XMP, IPTC, Photoshop's resources, ICC; and padding.
_OF_OTHER_GROUPS = frozenset({EXIF_POINTER, GPS_POINTER, INTEROP_POINTER, 0x02BC, 0x83BB, 0x8649, 0x8773, 0xEA1C})
_LONG_TEXT = 2000
_IPTC_NAMES = {5: "ObjectName", 25: "Keywords", 55: "DateCreated", 60: "TimeCreated", 80: "By-line", 90: "City",
               101: "Country-PrimaryLocationName", 105: "Headline", 110: "Credit", 115: "Source",
               116: "CopyrightNotice", 120: "Caption-Abstract"}  # fmt: skip


class Tag(NamedTuple):
    """One tag: its group, its name, its value as text, and what the rules need to know (tag number, namespace)."""

    group: str
    name: str
    value: str
    number: int = -1
    space: str = ""
    at: int = 0


def tags_of(carried: Carried) -> list[Tag]:
    """All tags in what a file carries; a damaged part becomes one tag that stands for all of it.

    >>> tags_of(Carried("JPEG", texts=[("Comment", b"hi")]))
    [Tag(group='Text', name='Comment', value='hi', number=-1, space='', at=0)]

    Source: Exif 3.0 (CIPA DC-008) 4.6; XMP part 1; IPTC-IIM 4.2; Adobe Photoshop File Formats Specification.
    """
    return [
        *_exif_tags(carried),
        *(tag for packet in carried.xmp for tag in _xmp_tags(packet)),
        *_iptc_tags(carried.iptc),
        *(
            Tag("Photoshop", f"0x{resource.id:04X}", _shown(resource.data), resource.id)
            for resource in photoshop_resources(carried.photoshop)
            if resource.id != IPTC
        ),
        *([Tag("ICC", "Profile", _shown(carried.icc))] if carried.icc else []),
        *(Tag("Text", keyword, _text(text)) for keyword, text in carried.texts),
        *_block_tags(carried),
    ]


def _exif_tags(carried: Carried) -> Iterator[Tag]:
    if carried.exif is None:
        return
    try:
        tiff = Tiff(carried.exif)
    except MetadataError:
        yield Tag("EXIF", "Block", _shown(bytes(carried.exif)))
        return
    ifds = list(tiff.chain())
    first = ifds[0] if ifds else None
    exif = tiff.pointed(first, EXIF_POINTER)
    named: list[tuple[str, Ifd | None]] = [
        ("IFD0", first),
        ("ExifIFD", exif),
        ("GPS", tiff.pointed(first, GPS_POINTER)),
        ("InteropIFD", tiff.pointed(exif, INTEROP_POINTER)),
        ("IFD1", ifds[1] if len(ifds) > 1 and not carried.is_raw and carried.container != "TIFF" else None),
    ]
    for group, ifd in named:
        for entry in ifd.entries if ifd else ():
            if entry.tag not in _OF_OTHER_GROUPS:
                yield Tag(group, tag_name(group, entry.tag), _value(tiff, entry), entry.tag, at=entry.value_at)


def _value(tiff: Tiff, entry: Entry) -> str:
    if entry.tag == MAKER_NOTE or entry.size > 1 << 16:
        return _shown(tiff.raw(entry))
    value = tiff.value(entry)
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return _shown(value)
    if entry.type in (RATIONAL, SRATIONAL):
        return " ".join(_rational(pair) for pair in value if isinstance(pair, tuple))
    return " ".join(str(number) for number in value)


def _rational(pair: tuple[int, int]) -> str:
    """A rational in lowest terms, since writers scale them as they like; a denominator of 0 means unknown."""
    return str(Fraction(*pair)) if pair[1] else f"{pair[0]}/0"


def _xmp_tags(packet: bytes) -> Iterator[Tag]:
    try:
        properties = xmp_properties(packet)
    except MetadataError:
        yield Tag("XMP", "Packet", _shown(packet))
        return
    for item in properties:
        yield Tag(f"XMP-{item.prefix}", item.path, item.value, space=item.space)


def _iptc_tags(data: bytes) -> Iterator[Tag]:
    for record, dataset, value in iptc_records(data):
        name = _IPTC_NAMES.get(dataset, str(dataset)) if record == 2 else f"{record}:{dataset}"
        yield Tag("IPTC", name, _text(value))


def _block_tags(carried: Carried) -> Iterator[Tag]:
    """JPEG blocks that no other group covers: JFIF's density, MPF, C2PA, and makers' own APPn."""
    for block in carried.blocks:
        if density := _density(block):
            yield Tag("JFIF", "Density", density)
        elif block.kind in (Kind.MPF, Kind.GAIN_MAP, Kind.JUMBF, Kind.ADOBE, Kind.JFXX):
            yield Tag(block.kind.name, "Block", _shown(block.data))
        elif block.kind is Kind.OTHER:
            name = block.data[:32].partition(b"\0")[0].decode("ascii", "replace")
            printable = name if name.isascii() and name.isprintable() else ""
            yield Tag(f"APP{block.marker - 0xE0}", printable or "Block", _shown(block.data))


def _density(block: Block) -> str | None:
    """The resolution that a JFIF block or a PNG's pHYs chunk states, so that the two compare; None where there is none.

    Source: JFIF 1.02; PNG third edition, 11.3.4.3.
    """
    if block.kind is Kind.JFIF and len(block.data) >= 12:
        unit, across, down = block.data[7], *struct.unpack(">HH", block.data[8:12])
        per_inch = {1: 1.0, 2: 2.54}.get(unit)
    elif block.kind is Kind.PNG_CHUNK and block.data[:4] == b"pHYs" and len(block.data) >= 13:
        across, down, unit = struct.unpack(">IIB", block.data[4:13])
        per_inch = 0.0254 if unit == 1 else None
    else:
        return None
    if per_inch is not None:
        return f"{across * per_inch:.0f} x {down * per_inch:.0f} per inch"
    return None if across == down else f"{across} : {down}"  # square pixels of no size: it says nothing


def _text(data: bytes) -> str:
    text = data.rstrip(b"\0 ").decode("utf-8", "backslashreplace")
    return text if len(text) <= _LONG_TEXT else _shown(data)


def _shown(data: bytes) -> str:
    """Short printable bytes as text, others as length and fingerprint."""
    if len(data) <= 64 and data.isascii() and data.decode("ascii").isprintable():
        return data.decode("ascii")
    return f"{len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()[:16]}"
