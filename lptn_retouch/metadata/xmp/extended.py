"""XMP longer than a JPEG's segment: a main packet and an extended one, taken apart and put together again."""

import hashlib
import re
from collections.abc import Iterator

from lptn_retouch.errors import MetadataError
from lptn_retouch.metadata.blocks import EXTENDED_XMP_PREFIX, MAX_EXTENDED_XMP, Block, Kind, joined_extended_xmp
from lptn_retouch.metadata.metadata import Metadata
from lptn_retouch.metadata.xmp.correct import Edit, edited, with_indent
from lptn_retouch.metadata.xmp.edit import (
    CLOSING,
    OPENING,
    rdf_of,
    subject_of,
    with_description,
    with_properties,
    without_properties,
)
from lptn_retouch.structures.xml import RDF, XML, Attribute, Element, parse_xmp, quoted

XMP_NOTE = "http://ns.adobe.com/xmp/note/"
_POINTER = "HasExtendedXMP"
_PART = 65400
_GUID = slice(len(EXTENDED_XMP_PREFIX), len(EXTENDED_XMP_PREFIX) + 32)

_TRAILER = re.compile(rb"\s*<\?xpacket[ \t\r\n]+end=[^>]*>\s*$")
_DECLARATION = re.compile(rb"""\s(xmlns(?::[^\s=/>"']+)?)\s*=\s*("[^"]*"|'[^']*')""")
_QUOTED = re.compile(rb"""("[^"]*"|'[^']*')""")

STRAY = "Extended XMP was left out: it does not belong to the picture's main XMP packet."
DAMAGED = "The extended XMP was left out: {}."


def merged_xmp(metadata: Metadata) -> tuple[bytes | None, tuple[str, ...]]:
    """The whole XMP of a picture as one packet, for containers that hold one of any length.

    Args:
        metadata: its main packet, and the extended one that this names.

    Returns:
        The main packet with the extended one's properties that it has not itself, carried verbatim, and without its
        pointer; and notices.

    >>> main, parts = split_xmp(b'<r:RDF xmlns:r="%b"><r:Description><n:a xmlns:n="u:">%b</n:a></r:Description></r:RDF>'
    ...                         % (RDF.encode(), b"long" * 99), 390)
    >>> merged_xmp(Metadata((*Metadata.build(xmp=main).blocks, *parts)))[0].count(b"long")
    99

    Source: XMP part 3, 1.1.3.1.
    """
    parts = [block for block in metadata.blocks if block.kind is Kind.EXTENDED_XMP]
    main = metadata.xmp
    if not parts:
        return main, ()
    if main is None:
        return None, (STRAY,)
    try:
        root = parse_xmp(main)
    except MetadataError:
        return main, (DAMAGED.format("the main packet that names it is damaged"),)
    named = next((value for space, name, value in _simple(root) if _is_pointer(space, name)), "")
    own = [part for part in parts if named and part.data[_GUID] == named.strip().encode("ascii", "replace")]
    notices = (STRAY,) if len(own) < len(parts) else ()
    extended = next(iter(joined_extended_xmp(own)), None)
    if extended is None:
        return main, notices
    try:
        merged = _merged(main, extended)
    except MetadataError:
        return main, (*notices, DAMAGED.format("it is damaged or parts of it are missing"))
    return merged, notices


def _is_pointer(space: str, name: str) -> bool:
    return (space, name) == (XMP_NOTE, _POINTER)


def _simple(root: Element) -> Iterator[tuple[str, str, str]]:
    for element in root.walk():
        yield element.space, element.name, element.text
        for attribute in element.attributes:
            yield attribute.space, attribute.name, attribute.value


def _merged(main: bytes, extended: bytes) -> bytes:
    packet, _ = without_properties(main, _is_pointer)
    rdf = rdf_of(parse_xmp(packet))
    present = {(p.space, p.name) for description in rdf.children for p in _properties(description)}
    about = subject_of(rdf)
    more = []
    for description, spaces in _descriptions(extended):
        twice = [p for p in _properties(description) if (p.space, p.name) in present]
        more.append(_standalone(extended, description, spaces, twice, about))
    return with_description(packet, b"".join(more))


def split_xmp(packet: bytes, limit: int) -> tuple[bytes, tuple[Block, ...]]:
    """Split a packet that is too long for a JPEG's segment: its longest properties move into an extended one.

    Args:
        packet: as for `parse_xmp`.
        limit: longest main packet, in bytes; 400 at least.

    Returns:
        The main packet, without the white space for later edits, and the blocks of the extended one, if one is needed.

    Raises:
        MetadataError: the packet cannot be read, or is longer than can be carried.

    >>> split_xmp(b"<x/>" + b" " * 999 + b'<?xpacket end="w"?>', 400)
    (b'<x/><?xpacket end="w"?>', ())

    Source: XMP part 3, 1.1.3.1.
    """
    if len(packet) <= limit:
        return packet, ()
    trailer = _TRAILER.search(packet)
    if trailer is not None:
        packet = packet[: trailer.start()] + trailer[0].strip()
    if len(packet) <= limit:
        return packet, ()
    if len(packet) > MAX_EXTENDED_XMP:
        raise MetadataError(f"The XMP packet is {len(packet)} bytes long; save as PNG or TIFF, which hold it whole.")
    packet, _ = without_properties(packet, _is_pointer)
    descriptions = list(_descriptions(packet))
    sizes: dict[tuple[str, str], int] = {}
    for description, _ in descriptions:
        for item in _properties(description):
            start, end = _span(item)
            sizes[item.space, item.name] = sizes.get((item.space, item.name), 0) + end - start
    for longest_first in _shortest_enough(sizes, len(packet) - limit):
        main, extended = _parted(packet, descriptions, longest_first)
        guid = hashlib.md5(extended, usedforsecurity=False).hexdigest().upper()
        main = with_properties(main, XMP_NOTE, "xmpNote", {_POINTER: guid})
        if len(main) <= limit:
            return main, _parts(extended, guid)
    # What makes it long is around its properties, and stays behind.
    extended = OPENING + b"".join(_standalone(packet, d, spaces, []) for d, spaces in descriptions) + CLOSING
    guid = hashlib.md5(extended, usedforsecurity=False).hexdigest().upper()
    return with_properties(None, XMP_NOTE, "xmpNote", {_POINTER: guid}), _parts(extended, guid)


def _shortest_enough(sizes: dict[tuple[str, str], int], excess: int) -> Iterator[set[tuple[str, str]]]:
    """Growing sets of the longest properties to move, from the first that could be enough; at most a few dozen sets."""
    names = sorted(sizes, key=lambda name: -sizes[name])
    count, room = 0, excess
    while count < len(names) and room > 0:
        room -= sizes[names[count]]
        count += 1
    step = 1
    while count < len(names):
        yield set(names[:count])
        count, step = count + step, step * 2
    yield set(names)


def _parted(
    packet: bytes, descriptions: list[tuple[Element, dict[bytes, bytes]]], moving: set[tuple[str, str]]
) -> tuple[bytes, bytes]:
    edits: list[Edit] = []
    moved = []
    for description, spaces in descriptions:
        items = _properties(description)
        going = [item for item in items if (item.space, item.name) in moving]
        staying = [item for item in items if (item.space, item.name) not in moving]
        if going:
            moved.append(_standalone(packet, description, spaces, staying))
            edits += _removals(packet, going)
    return edited(packet, edits), OPENING + b"".join(moved) + CLOSING


def _parts(extended: bytes, guid: str) -> tuple[Block, ...]:
    head = EXTENDED_XMP_PREFIX + guid.encode() + len(extended).to_bytes(4, "big")
    starts = range(0, len(extended), _PART)
    return tuple(Block(0xE1, head + at.to_bytes(4, "big") + extended[at : at + _PART]) for at in starts)


def _descriptions(packet: bytes) -> Iterator[tuple[Element, dict[bytes, bytes]]]:
    """The Descriptions of a packet, each with the namespace declarations, verbatim, that stand above it."""
    root = parse_xmp(packet)
    rdf = rdf_of(root)
    spaces: dict[bytes, bytes] = {}
    for element in root.walk():
        if element.start <= rdf.start and element.end >= rdf.end:
            spaces |= _declarations(packet, element)
    for description in rdf.children:
        yield description, spaces


def _declarations(packet: bytes, element: Element) -> dict[bytes, bytes]:
    tag = packet[element.start : element.content_start]
    # Other values are blanked first, as they may hold text that looks like a declaration.
    blank = bytearray(tag)
    for match in _QUOTED.finditer(tag):
        blank[match.start() + 1 : match.end() - 1] = b"_" * (match.end() - match.start() - 2)
    return {match[1]: tag[match.start(2) : match.end(2)] for match in _DECLARATION.finditer(bytes(blank))}


def _properties(description: Element) -> list[Attribute | Element]:
    plain = [a for a in description.attributes if a.space not in (RDF, XML, "")]
    return [*plain, *description.children]


def _span(item: Attribute | Element) -> tuple[int, int]:
    return item.span if isinstance(item, Attribute) else (item.start, item.end)


def _removals(packet: bytes, items: list[Attribute | Element]) -> list[Edit]:
    return [
        (*item.span, b"") if isinstance(item, Attribute) else (with_indent(packet, item.start), item.end, b"")
        for item in items
    ]


def _standalone(
    packet: bytes,
    description: Element,
    spaces: dict[bytes, bytes],
    unwanted: list[Attribute | Element],
    about: str | None = None,
) -> bytes:
    """A Description verbatim but for these properties, declaring what it needs; about another subject where told so."""
    own = _declarations(packet, description)
    missing = b"".join(b" %b=%b" % (name, value) for name, value in spaces.items() if name not in own)
    name = f"{description.prefix}:{description.name}" if description.prefix else description.name
    at = description.start + 1 + len(name.encode())
    edits: list[Edit] = [(at, at, missing), *_removals(packet, unwanted)]
    subject = next((a for a in description.attributes if (a.space, a.name) == (RDF, "about")), None)
    if subject is not None and about is not None and subject.value != about:
        start, end = subject.value_span
        edits.append((start - 1, end + 1, quoted(about).encode()))
    moved = [(start - description.start, end - description.start, text) for start, end, text in edits]
    return edited(packet[description.start : description.end], moved)
