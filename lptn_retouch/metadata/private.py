"""Leaving out what tells where a photograph was taken, with which very camera, whose it is and who is in it.

What the photographer wrote about the picture stays: title, caption, keywords, comment, credit and copyright.
"""

import hashlib
import re
import struct

from lptn_retouch.errors import MetadataError
from lptn_retouch.metadata.blocks import (
    EXTENDED_XMP_PREFIX,
    PHOTOSHOP_PREFIX,
    SEGMENT_LIMIT,
    Block,
    Kind,
    exif_block,
    joined_extended_xmp,
    photoshop_block,
    xmp_block,
)
from lptn_retouch.metadata.exif.build import Field, build_exif
from lptn_retouch.metadata.exif.directories import read_exif
from lptn_retouch.metadata.exif.tags import (
    PADDING,
    PLAIN_TAGS,
    THUMBNAIL_AT,
    THUMBNAIL_LENGTH,
    describes_photograph,
)
from lptn_retouch.metadata.metadata import Metadata
from lptn_retouch.metadata.photoshop import IPTC, IPTC_DIGEST, iptc_records, photoshop_resources
from lptn_retouch.metadata.recipe import IPTC_EXTENSION, RECIPE
from lptn_retouch.metadata.xmp.correct import DEVELOP, EXIF
from lptn_retouch.metadata.xmp.edit import without_properties
from lptn_retouch.structures.jpeg import SOI
from lptn_retouch.structures.tiff import (
    EXIF_POINTER,
    GPS_POINTER,
    INTEROP_POINTER,
    MAKER_NOTE,
    Entry,
    Ifd,
    Tiff,
)
from lptn_retouch.structures.xml import RDF, parse_xmp

PLACES, SERIALS, OWNERS, FACES = "places", "serial numbers", "owner and computer names", "faces and persons"
NOTES, PATHS, FOREIGN, COPIES = "maker notes", "file paths", "tags and blocks of makers", "copies of metadata"
TEXTS, DAMAGED = "texts other than title, author, description and copyright", "blocks that cannot be read"
_ORDER = (PLACES, SERIALS, OWNERS, FACES, NOTES, PATHS, TEXTS, FOREIGN, COPIES, DAMAGED)

_KEPT_KINDS = frozenset({Kind.JFIF, Kind.ICC, Kind.ADOBE, Kind.COMMENT})
# By the tag: body, lens and camera serial numbers (also Camera Raw's own), owners, and computers named after them.
_PRIVATE_TAGS = {0xA431: SERIALS, 0xA435: SERIALS, 0xC62F: SERIALS, 0xFDE9: SERIALS, 0xA430: OWNERS, 0xFDE8: OWNERS,
                 0x013C: OWNERS, 0xFE4C: PATHS, MAKER_NOTE: NOTES, GPS_POINTER: PLACES}  # fmt: skip
_INTEROP = frozenset({0x0001, 0x0002, 0x1000, 0x1001, 0x1002})
_UNSAID = frozenset({EXIF_POINTER, INTEROP_POINTER, PADDING})

PLUS = "http://ns.useplus.org/ldf/xmp/1.0/"
RIGHTS = "http://ns.adobe.com/xap/1.0/rights/"
MEDIA = "http://ns.adobe.com/xap/1.0/mm/"
RESOURCE = "http://ns.adobe.com/xap/1.0/sType/ResourceRef#"
_PANORAMA = "http://ns.google.com/photos/1.0/panorama/"
# Whole namespaces, by how they start.
_PRIVATE_SPACES = (
    ("http://www.metadataworkinggroup.com/schemas/regions/", FACES),
    ("http://ns.microsoft.com/photo/1.2/", FACES),
    ("http://ns.acdsee.com/regions/", FACES),
    ("http://ns.apple.com/faceinfo/", FACES),
    ("http://www.dji.com/drone-dji/", PLACES),
    ("http://ns.google.com/photos/", FOREIGN),
)
_PRIVATE_PROPERTIES = {
    (IPTC_EXTENSION, "LocationCreated"): PLACES, (IPTC_EXTENSION, "LocationShown"): PLACES,
    (IPTC_EXTENSION, "ImageRegion"): FACES, (IPTC_EXTENSION, "AddlModelInfo"): FACES,
    (IPTC_EXTENSION, "ModelAge"): FACES, (EXIF, "MakerNote"): NOTES, (MEDIA, "Pantry"): COPIES,
    (MEDIA, "ManageTo"): PATHS, (MEDIA, "ManageUI"): PATHS, (RESOURCE, "filePath"): PATHS, (RESOURCE, "lastURL"): PATHS,
    (RECIPE, "SourceName"): PATHS, (RECIPE, "SourceSHA256"): PATHS,
}  # fmt: skip
# Names that say it in any other namespace; rights and their owners are credit, and stay.
_PRIVATE_NAMES = (
    (re.compile("gps|latitude|longitude|altitude|coordinates|geotag|geoloc", re.IGNORECASE), PLACES),
    (re.compile("serial|imei|deviceid|deviceuuid", re.IGNORECASE), SERIALS),
    (re.compile("owner", re.IGNORECASE), OWNERS),
    (re.compile("person|^face|faces$|faceinfo|faceregion|^regions?$|regioninfo", re.IGNORECASE), FACES),
    (re.compile("makernote", re.IGNORECASE), NOTES),
)
_CREDIT_SPACES = frozenset({PLUS, RIGHTS, DEVELOP})

_COPY_RESOURCES = frozenset({0x0422, 0x0423, 0x0424})
_APPLICATION, _FIRST_OF_VENDORS, _IPTC_RECORDS = 2, 185, range(1, 10)
_PNG_KEYWORDS = frozenset({b"Title", b"Author", b"Description", b"Copyright"})


def without_private(metadata: Metadata) -> tuple[Metadata, tuple[str, ...]]:
    """Leave out places, serial numbers, owners, persons, maker notes, and whatever cannot be told to be free of them.

    Nothing is hidden: EXIF is written anew from the tags that stay, the other blocks lose the bytes themselves.

    Args:
        metadata: of the result, its sizes and its thumbnail corrected already.

    Returns:
        The metadata, and one sentence that names the groups that were left out. Blocks that cannot be read go whole.

    >>> from lptn_retouch.metadata.exif.build import text_field
    >>> exif = build_exif("<", [text_field(0x010F, "Canon")], [text_field(0xA431, "0123456789")])
    >>> found, notices = without_private(Metadata.build(exif=exif))
    >>> b"Canon" in found.exif, b"0123456789" in found.exif, notices
    (True, False, ('Left out as private: serial numbers.',))

    Source: Exif 3.0 (CIPA DC-008) 4.6.5 to 4.6.7; XMP part 2; IPTC Photo Metadata Standard 2023.1; MWG 2.0, 5.9.
    """
    groups: set[str] = set()
    extended, names = _clean_extended(metadata, groups)
    blocks: list[Block] = []
    for block in metadata.blocks:
        if block.kind not in (Kind.PHOTOSHOP, Kind.EXTENDED_XMP):
            blocks += _without_private(block, names, groups)
    # A resource may begin in one block and end in the next, so they are cleaned as one.
    resources = _clean_photoshop(metadata.photoshop, groups)
    room = SEGMENT_LIMIT - len(PHOTOSHOP_PREFIX)
    blocks += [photoshop_block(resources[i : i + room]) for i in range(0, len(resources), room)]
    blocks += extended
    named = [group for group in _ORDER if group in groups]
    return Metadata(tuple(blocks)), (f"Left out as private: {', '.join(named)}.",) if named else ()


def _without_private(block: Block, names: dict[bytes, bytes], groups: set[str]) -> tuple[Block, ...]:
    """The block without what is private; nothing where nothing of it stays."""
    try:
        if block.kind is Kind.EXIF:
            return (exif_block(_clean_exif(block.content, groups)),)
        if block.kind is Kind.XMP:
            packet = _clean_xmp(block.content, groups)
            for old, new in names.items():
                packet = packet.replace(old, new)
            return (xmp_block(packet),)
    except MetadataError:
        groups.add(DAMAGED)
        return ()
    if block.kind is Kind.PNG_CHUNK:
        stays, group = block.data[:4] == b"pHYs" or block.data[4:].partition(b"\0")[0] in _PNG_KEYWORDS, TEXTS
    else:
        stays, group = block.kind in _KEPT_KINDS, FOREIGN
    if not stays:
        groups.add(group)
    return (block,) if stays else ()


def _clean_extended(metadata: Metadata, groups: set[str]) -> tuple[list[Block], dict[bytes, bytes]]:
    """The extended packets without what is private, and the new name of each: it is a checksum of the text."""
    parts: dict[bytes, list[Block]] = {}
    for block in metadata.blocks:
        if block.kind is Kind.EXTENDED_XMP:
            parts.setdefault(block.data[len(EXTENDED_XMP_PREFIX) :][:32], []).append(block)
    blocks: list[Block] = []
    names: dict[bytes, bytes] = {}
    for old, of_one in parts.items():
        try:
            whole = b"".join(_clean_xmp(packet, groups) for packet in joined_extended_xmp(of_one))
        except MetadataError:
            whole = b""
        if not whole or len(old) < 32:
            groups.add(DAMAGED)
            continue
        names[old] = hashlib.md5(whole, usedforsecurity=False).hexdigest().upper().encode()
        head = EXTENDED_XMP_PREFIX + names[old] + len(whole).to_bytes(4, "big")
        room = SEGMENT_LIMIT - len(head) - 4
        blocks += [Block(0xE1, head + at.to_bytes(4, "big") + whole[at : at + room])
                   for at in range(0, len(whole), room)]  # fmt: skip
    return blocks, names


def _clean_exif(exif: bytes, groups: set[str]) -> bytes:
    """The structure built anew from the tags that stay, so that no byte of the others can be found in it."""
    found = read_exif(exif)
    if found is None:
        raise MetadataError("The EXIF block is damaged; leave it out.")
    tiff = found.tiff
    main, exposed = (_public_fields(tiff, ifd, groups) for ifd in (found.main, found.exif))
    index = [_field(tiff, entry) for entry in (found.interop.entries if found.interop else ()) if entry.tag in _INTEROP]
    thumbnail = _thumbnail(tiff, found.thumbnail) if found.thumbnail is not None else None
    return build_exif(tiff.order, main, exposed, interop=index, thumbnail=thumbnail)


def _public_fields(tiff: Tiff, ifd: Ifd | None, groups: set[str]) -> list[Field]:
    fields = []
    for entry in ifd.entries if ifd else ():
        group = _PRIVATE_TAGS.get(entry.tag)
        if group is None and (describes_photograph(entry.tag) or entry.tag in PLAIN_TAGS):
            fields.append(_field(tiff, entry))
        elif entry.tag not in _UNSAID:
            groups.add(group or FOREIGN)
    return fields


def _field(tiff: Tiff, entry: Entry) -> Field:
    return Field(entry.tag, entry.type, entry.count, tiff.raw(entry))


def _thumbnail(tiff: Tiff, ifd: Ifd) -> bytes | None:
    at, length = (tiff.number(ifd.get(tag)) for tag in (THUMBNAIL_AT, THUMBNAIL_LENGTH))
    if at is None or length is None or length < 4 or at < 8 or at + length > len(tiff.data):
        return None
    thumbnail = bytes(tiff.data[at : at + length])
    return thumbnail if thumbnail[:2] == SOI and b"Exif" not in thumbnail else None


def private_group(space: str, name: str) -> str | None:
    """Which private group an XMP property belongs to; None where it may stay.

    >>> private_group("http://ns.adobe.com/exif/1.0/", "GPSLatitude"), private_group(RIGHTS, "Owner")
    ('places', None)

    Source: XMP part 2; IPTC Photo Metadata Standard 2023.1; MWG 2.0, 5.9 (regions).
    """
    known = _PRIVATE_PROPERTIES.get((space, name))
    if known or space in _CREDIT_SPACES or space == _PANORAMA:
        return known
    by_space = next((group for start, group in _PRIVATE_SPACES if space.startswith(start)), None)
    if by_space or "copyright" in name.lower():
        return by_space
    return next((group for pattern, group in _PRIVATE_NAMES if pattern.search(name)), None)


def _clean_xmp(packet: bytes, groups: set[str]) -> bytes:
    if all((element.space, element.name) != (RDF, "RDF") for element in parse_xmp(packet).walk()):
        raise MetadataError("The XMP packet holds no RDF, so nothing is known of what it says; leave it out.")

    def is_private(space: str, name: str) -> bool:
        group = private_group(space, name)
        if group:
            groups.add(group)
        return group is not None

    return without_properties(packet, is_private)[0]


def _clean_photoshop(resources: bytes, groups: set[str]) -> bytes:
    """The resources that stay, each as it was; IPTC without the records of vendors, and then without its checksum."""
    found = list(photoshop_resources(resources))
    records = {r.at: _clean_iptc(r.data, groups) for r in found if r.id == IPTC}
    same = all(records[r.at] == r.data for r in found if r.id == IPTC)
    out, at = bytearray(), 0
    for resource in found:
        start, end = at, resource.at + len(resource.data)
        at = min(end + len(resource.data) % 2, len(resources))
        if resource.id in _COPY_RESOURCES:
            groups.add(COPIES)
        elif resource.id == IPTC:
            data = records[resource.at]
            head = resources[start : resource.at - 4] + len(data).to_bytes(4, "big")
            out += head + data + bytes(len(data) % 2)
        elif resource.id != IPTC_DIGEST or same:
            out += resources[start:at]
    if resources[at:].strip(b"\0"):
        groups.add(DAMAGED)
    return bytes(out)


def _clean_iptc(data: bytes, groups: set[str]) -> bytes:
    """The records that the standard knows; what vendors add to them holds owners, paths and camera data."""
    out = bytearray()
    for found in iptc_records(data):
        if found.record in _IPTC_RECORDS and not (found.record == _APPLICATION and found.dataset >= _FIRST_OF_VENDORS):
            size = len(found.value)
            length = struct.pack(">H", size) if size < 0x8000 else struct.pack(">HI", 0x8004, size)
            out += bytes((0x1C, found.record, found.dataset)) + length + found.value
        else:
            groups.add(FOREIGN)
    return bytes(out)
