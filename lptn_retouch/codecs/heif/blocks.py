"""What an AVIF or HEIC carries besides its pixels, and a fresh AVIF that carries it again.

An encoder could be handed EXIF and XMP instead, but Pillow's writes EXIF anew where it tells an orientation, which
breaks maker notes, and others take none. So the items are put in here, and bytes stay what they were.
"""

from collections.abc import Iterator
from contextlib import suppress

from lptn_retouch.errors import MetadataError
from lptn_retouch.metadata.blocks import (
    GAIN_MAP_PREFIX,
    Block,
    credentials_block,
    exif_in,
    icc_blocks,
)
from lptn_retouch.metadata.metadata import Metadata
from lptn_retouch.metadata.unsupported import boxed
from lptn_retouch.structures.boxes import Box, box_head, box_of, walk
from lptn_retouch.structures.heif_items import IN_FILE, LONGEST_ITEM, Associations, Cursor, Items, Location

_MOST_EXIF = 8  # items asked for EXIF, each of which may be long
_XMP_TYPE = b"application/rdf+xml"
_CREDENTIALS = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
_PROFILES = (b"prof", b"rICC")
_APPLE_GAIN_MAP = b"urn:com:apple:photo:2020:aux:hdrgainmap"


def heif_blocks(items: Items) -> tuple[Block, ...]:
    """The metadata of an AVIF's or HEIC's primary picture. Never raises: of a damaged file it takes what is sound.

    Returns:
        EXIF, XMP and ICC; and one block each for a gain map and for Content Credentials, so that
        `Metadata.for_result` tells that these were left out.

    Source: ISO/IEC 23008-12 (HEIF) annex A; C2PA 2.1, A.5; ISO 21496-1 annex C.
    """
    data = items.data
    blocks: list[Block] = []
    for part in (_described, _profile, _gain_map):
        with suppress(MetadataError):
            blocks += part(items)
    credentials = next((box for box in walk(data) if box.type in (_CREDENTIALS, b"jumb")), None)
    if credentials is not None:
        blocks.append(credentials_block(bytes(data[credentials.start : credentials.end][:65536])))
    return tuple(blocks)


def nclx(items: Items) -> tuple[int, int, int, bool] | None:
    """The code points for the primary picture's colours.

    Returns:
        Colour primaries, transfer characteristics, matrix coefficients, and whether samples use their full range;
        None where the file does not say.

    Source: ISO/IEC 14496-12 12.1.5; ITU-T H.273.
    """
    with suppress(MetadataError):
        found = next(_colours(items, b"nclx"), b"")
        if len(found) >= 7:
            primaries, transfer, matrix = (int.from_bytes(found[at : at + 2], "big") for at in (0, 2, 4))
            return primaries, transfer, matrix, bool(found[6] & 0x80)
    return None


def _described(items: Items) -> tuple[Block, ...]:
    """EXIF and XMP of the primary picture: others, such as gain maps and depth maps, may have their own."""
    primary, locations = items.primary(), items.locations()
    targets = {r.source: r.targets for r in items.references() if r.type == b"cdsc"}
    ours = [item for item in items.all() if primary in targets.get(item.id, (primary,)) and item.id in locations]
    said = [item for item in ours if item.type == b"Exif"][:_MOST_EXIF]
    contents = (items.content(locations[item.id]) for item in said)
    exif = next((found for content in contents if content and (found := exif_in(content))), None)
    packets = (items.content(locations[item.id]) for item in ours if item.mime == _XMP_TYPE)
    xmp = next((packet for packet in packets if packet), None)
    return Metadata.build(exif=exif, xmp=xmp).blocks


def _profile(items: Items) -> tuple[Block, ...]:
    return icc_blocks(next(_colours(items, *_PROFILES), b""))


def _colours(items: Items, *kinds: bytes) -> Iterator[bytes]:
    """What the primary picture's `colr` boxes of these kinds hold."""
    primary = items.primary()
    for box in items.properties(primary) if primary is not None else ():
        if box.type == b"colr" and bytes(items.data[box.at : box.at + 4]) in kinds and box.end - box.at < LONGEST_ITEM:
            yield bytes(items.data[box.at + 4 : box.end])


def _gain_map(items: Items) -> tuple[Block, ...]:
    auxiliary = (bytes(items.data[box.at + 4 : box.end][:64]) for box in items.all_properties() if box.type == b"auxC")
    has_one = any(item.type == b"tmap" for item in items.all()) or any(_APPLE_GAIN_MAP in kind for kind in auxiliary)
    return (Block(0xE2, GAIN_MAP_PREFIX),) if has_one else ()


def embed_avif(picture: bytes, metadata: Metadata) -> tuple[bytes, tuple[str, ...]]:
    """Put metadata into a freshly encoded AVIF; the coded pixels are not touched. See `Format.embed`.

    EXIF and XMP become items that describe the picture, with their bytes behind the end of the file; the colour
    profile becomes a property of it, beside the code points that the encoder wrote.

    The file holds one picture, without EXIF, XMP and profile, and is shorter than 4 GB.

    Raises:
        MetadataError: the picture is no sound AVIF.

    Source: ISO/IEC 23008-12 (HEIF) 6.5.5, 9.3 and annex A; ISO/IEC 14496-12 8.11.
    """
    exif, xmp, notices = boxed(metadata, "an AVIF")
    icc = metadata.icc
    added = [(b"Exif\0", bytes(4) + exif)] if exif else []
    added += [(b"mime\0" + _XMP_TYPE + b"\0", xmp)] if xmp else []
    if not added and not icc:
        return picture, notices
    items = Items(picture)
    old = items.meta
    growth = len(_meta(items, added, icc, 0)) - (old.end - old.start)
    contents = [content for _, content in added]
    whole = memoryview(picture)
    parts = (whole[: old.start], _meta(items, added, icc, growth), whole[old.end :])
    return b"".join((*parts, box_head(b"mdat", sum(map(len, contents))), *contents)), notices


def _meta(items: Items, added: list[tuple[bytes, bytes]], icc: bytes | None, growth: int) -> bytes:
    """The `meta` box with these items and this profile, in a file where it grew by so many bytes."""
    primary, locations = items.primary(), items.locations()
    if primary is None or primary not in locations:
        raise MetadataError("The freshly encoded AVIF has no picture in it; encode it again before adding metadata.")
    old = items.meta
    for number, where in locations.items():
        if where.method == IN_FILE:
            extents = tuple((at + growth * (at >= old.end), length) for at, length in where.extents)
            locations[number] = Location(IN_FILE, extents)
    at = len(items.data) + growth + len(box_head(b"mdat", 0))
    listed = described = b""
    for number, (kind, content) in enumerate(added, start=max(item.id for item in items.all()) + 1):
        locations[number] = Location(IN_FILE, ((at, len(content)),))
        at += len(content)
        listed += box_of(b"infe", b"\2\0\0\0", _u16(number), _u16(0), kind)
        described += box_of(b"cdsc", _u16(number), _u16(1), _u16(primary))
    out = [bytes(items.data[old.at : old.at + 4])]
    for box in walk(items.data, old.at + 4, old.end):
        content = bytes(items.data[box.at : box.end])
        if box.type == b"iloc":
            content = _located(locations)
        elif box.type == b"iinf":
            size = 4 if content[0] else 2
            count = int.from_bytes(content[4 : 4 + size], "big") + len(added)
            content = content[:4] + count.to_bytes(size, "big") + content[4 + size :] + listed
        elif box.type == b"iref":
            content, described = content + described, b""
        elif box.type == b"iprp" and icc:
            content = _with_profile(items, box, primary, icc)
        out.append(box_of(box.type, content))
    if described:
        out.append(box_of(b"iref", bytes(4), described))
    return box_of(b"meta", *out)


def _located(locations: dict[int, Location]) -> bytes:
    """The content of an `iloc` box, version 1, with offsets and lengths of 32 bits."""
    out = b"\1\0\0\0" + b"\x44\0" + _u16(len(locations))
    for number, where in sorted(locations.items()):
        out += _u16(number) + _u16(where.method) + _u16(0) + _u16(len(where.extents))
        out += b"".join(part.to_bytes(4, "big") for extent in where.extents for part in extent)
    return out


def _with_profile(items: Items, box: Box, primary: int, icc: bytes) -> bytes:
    """The content of the `iprp` box with this profile among the picture's properties, in front of all turning."""
    colour = box_of(b"colr", b"prof", icc)
    number = len(items.all_properties()) + 1
    out = b""
    for part in walk(items.data, box.at, box.end):
        content = bytes(items.data[part.at : part.end])
        if part.type == b"ipco":
            content += colour
        elif part.type == b"ipma":
            table = Associations.read(Cursor(items.data, part.at, part.end))
            if number > table.mask:
                raise MetadataError("The freshly encoded AVIF has too many properties; save it in another format.")
            if primary in table.by_item:
                table.by_item[primary] = (number, *table.by_item[primary])
            content = table.written()
        out += box_of(part.type, content)
    return out


def _u16(number: int) -> bytes:
    return number.to_bytes(2, "big")
