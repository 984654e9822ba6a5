"""A file's metadata as a flat list of tags (group, name, value), whatever container it stands in."""

import hashlib
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import NamedTuple

from lptn_retouch.errors import MetadataError
from lptn_retouch.metadata.blocks import Block, Kind
from lptn_retouch.metadata.exif.directories import directories
from lptn_retouch.metadata.exif.tags import BLOCK_TAGS, PADDING, POINTERS, tag_name
from lptn_retouch.metadata.photoshop import IPTC, iptc_records, photoshop_resources
from lptn_retouch.metadata.resolution import spoken_density
from lptn_retouch.metadata.xmp.properties import xmp_properties
from lptn_retouch.structures.tiff import MAKER_NOTE, RATIONAL, SRATIONAL, Entry, Tiff
from lptn_retouch.verify.containers import Carried, texts

_UNTOLD = POINTERS | BLOCK_TAGS | {PADDING}  # blocks are told in groups of their own
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

    >>> from lptn_retouch.metadata import Metadata
    >>> tags_of(Carried("JPEG", Metadata.build(icc=b"hi")))
    [Tag(group='ICC', name='Profile', value='hi', number=-1, space='', at=0)]

    Source: Exif 3.0 (CIPA DC-008) 4.6; XMP part 1; IPTC-IIM 4.2; Adobe Photoshop File Formats Specification.
    """
    found = carried.metadata
    return [
        *_exif_tags(carried),
        *(tag for packet in (found.xmp, *found.extended_xmp) if packet for tag in _xmp_tags(packet)),
        *_iptc_tags(found.iptc),
        *(
            Tag("Photoshop", f"0x{resource.id:04X}", _shown(resource.data), resource.id)
            for resource in photoshop_resources(found.photoshop)
            if resource.id != IPTC
        ),
        *([Tag("ICC", "Profile", _shown(found.icc))] if found.icc else []),
        *(Tag("Text", keyword, _text(text)) for keyword, text in texts(found)),
        *_block_tags(found.blocks),
    ]


def _exif_tags(carried: Carried) -> Iterator[Tag]:
    if carried.exif is None:
        return
    try:
        found = directories(Tiff(carried.exif))
    except MetadataError:
        yield Tag("EXIF", "Block", _shown(bytes(carried.exif)))
        return
    if found is None:
        return
    is_file = carried.is_raw or carried.container == "TIFF"  # of which a second directory is no thumbnail
    named = (*found.named, None if is_file else found.thumbnail)
    for group, ifd in zip(("IFD0", "ExifIFD", "GPS", "InteropIFD", "IFD1"), named, strict=True):
        for entry in ifd.entries if ifd else ():
            if entry.tag not in _UNTOLD:
                yield Tag(group, tag_name(group, entry.tag), _value(found.tiff, entry), entry.tag, at=entry.value_at)


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


def _block_tags(blocks: Iterable[Block]) -> Iterator[Tag]:
    """JPEG blocks that no other group covers: JFIF's density, MPF, C2PA, and makers' own APPn."""
    for block in blocks:
        if density := spoken_density(block):
            yield Tag("JFIF", "Density", density)
        elif block.kind in (Kind.MPF, Kind.GAIN_MAP, Kind.JUMBF, Kind.ADOBE, Kind.JFXX):
            yield Tag(block.kind.name, "Block", _shown(block.data))
        elif block.kind is Kind.OTHER:
            name = block.data[:32].partition(b"\0")[0].decode("ascii", "replace")
            printable = name if name.isascii() and name.isprintable() else ""
            yield Tag(f"APP{block.marker - 0xE0}", printable or "Block", _shown(block.data))


def _text(data: bytes) -> str:
    text = data.rstrip(b"\0 ").decode("utf-8", "backslashreplace")
    return text if len(text) <= _LONG_TEXT else _shown(data)


def _shown(data: bytes) -> str:
    """Short printable bytes as text, others as length and fingerprint."""
    if len(data) <= 64 and data.isascii() and data.decode("ascii").isprintable():
        return data.decode("ascii")
    return f"{len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()[:16]}"
