"""Taking properties out of an XMP packet and putting simple ones in; all other text stays byte for byte."""

import re
from collections.abc import Callable, Mapping

from lptn_retouch.errors import MetadataError
from lptn_retouch.metadata.xmp.correct import Edit, edited, with_indent
from lptn_retouch.structures.xml import RDF, XML, Element, parse_xmp, quoted

OPENING = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="%b">' % RDF.encode()
CLOSING = b"</rdf:RDF></x:xmpmeta>"
_HEADER, _TRAILER = b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>', b'<?xpacket end="w"?>'
_PADDING = re.compile(rb"(\s+)<\?xpacket end=[^>]*>\s*$")
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def is_xml_text(text: str) -> bool:
    """Whether XML can hold this text: most control characters and lone surrogates have no place in it.

    >>> is_xml_text("d\\xe9j\\xe0 vu"), is_xml_text("\\0")
    (True, False)

    Source: XML 1.0, 2.2.
    """
    return _NOT_XML.search(text) is None


def without_properties(packet: bytes, unwanted: Callable[[str, str], bool]) -> tuple[bytes, tuple[str, ...]]:
    """Take properties and fields of structures out of a packet.

    Args:
        packet: as for `parse_xmp`.
        unwanted: asked with the namespace and the name of each.

    Returns:
        The packet, and the names of what was taken out, each once.

    Raises:
        MetadataError: the packet cannot be read.

    >>> without_properties(b'<a xmlns:t="u:" t:b="1"><t:c>2</t:c></a>', lambda space, name: name == "c")
    (b'<a xmlns:t="u:" t:b="1"></a>', ('c',))

    Source: XMP part 1, 7.
    """
    edits: list[Edit] = []
    names: dict[str, None] = {}
    pending = [parse_xmp(packet)]
    while pending:
        element = pending.pop()
        gone: list[Element] = []
        kept: list[Element] = []
        for child in element.children:
            (gone if child.space != RDF and unwanted(child.space, child.name) else kept).append(child)
        bare = [a for a in element.attributes if a.space not in (RDF, XML, "") and unwanted(a.space, a.name)]
        names.update(dict.fromkeys([child.name for child in gone] + [attribute.name for attribute in bare]))
        if (gone or bare) and not kept and _is_emptied(element, len(bare)):
            edits.append((with_indent(packet, element.start), element.end, b""))
            continue
        edits += [(with_indent(packet, child.start), child.end, b"") for child in gone]
        edits += [(*attribute.span, b"") for attribute in bare]
        pending += kept
    return edited(packet, edits), tuple(names)


def _is_emptied(element: Element, gone: int) -> bool:
    """Whether a Description without children keeps nothing but its subject when so many attributes go."""
    properties = sum(attribute.space not in (RDF, XML, "") for attribute in element.attributes)
    return (element.space, element.name) == (RDF, "Description") and gone == properties


def rdf_of(root: Element) -> Element:
    """The element that holds a packet's Descriptions.

    Raises:
        MetadataError: there is none.
    """
    rdf = next((element for element in root.walk() if (element.space, element.name) == (RDF, "RDF")), None)
    if rdf is None:
        raise MetadataError("The XMP packet holds no RDF; keep it as it is or leave it out.")
    return rdf


def subject_of(rdf: Element) -> str | None:
    """What the first Description speaks of, and so all: they speak of the same subject (XMP part 1, 7.4)."""
    return next((child.attribute(RDF, "about") for child in rdf.children if child.name == "Description"), None)


def with_description(packet: bytes | None, text: bytes) -> bytes:
    """The packet with one more rdf:Description, or several, behind those that it has.

    Args:
        packet: as for `parse_xmp`; None for a new one.
        text: the elements, with declarations of all their prefixes.

    Raises:
        MetadataError: the packet cannot be read, or holds no RDF.

    >>> parse_xmp(with_description(None, b'<r:Description xmlns:r="u:"/>')).children[0].children[0].name
    'Description'

    Source: XMP part 1, 7.4.
    """
    if packet is None:
        return _HEADER + OPENING + text + CLOSING + _TRAILER
    return _with_description(packet, rdf_of(parse_xmp(packet)), text)


def _with_description(packet: bytes, rdf: Element, text: bytes) -> bytes:
    if rdf.content_end < rdf.end:
        return edited(packet, [(rdf.content_end, rdf.content_end, text)])
    name = f"{rdf.prefix}:RDF" if rdf.prefix else "RDF"  # <rdf:RDF/>, which has no inside yet
    return edited(packet, [(rdf.end - 2, rdf.end, b">%b</%b>" % (text, name.encode()))])


def with_properties(packet: bytes | None, space: str, prefix: str, properties: Mapping[str, str]) -> bytes:
    """Put simple properties of one namespace into a packet, in place of those of the same names.

    Args:
        packet: as for `parse_xmp`; None for a new one.
        space: the namespace.
        prefix: what it is called in the new text.
        properties: values by name, of characters that XML holds (`is_xml_text`).

    Returns:
        The packet with a Description more, as long as it was where its padding has room for that.

    Raises:
        MetadataError: the packet cannot be read, or holds no RDF.

    >>> packet = with_properties(None, "http://ns.example.org/", "e", {"Tone": "a < b"})
    >>> with_properties(packet, "http://ns.example.org/", "e", {"Tone": "warm"}).count(b"Tone")
    1

    Source: XMP part 1, 7.4 and 7.9.2.2 (simple properties as attributes); XMP part 3, 1.1 (padding).
    """
    found = with_description(None, b"") if packet is None else packet
    rest, _ = without_properties(found, lambda where, name: where == space and name in properties)
    rdf = rdf_of(parse_xmp(rest))
    values = "".join(f"\n    {prefix}:{name}={quoted(value)}" for name, value in properties.items())
    text = (
        f"\n<rdf:Description rdf:about={quoted(subject_of(rdf) or '')} xmlns:rdf={quoted(RDF)}\n"
        f"    xmlns:{prefix}={quoted(space)}{values}/>"
    ).encode()
    return _as_long(_with_description(rest, rdf, text), len(found))


def _as_long(packet: bytes, length: int) -> bytes:
    """The packet with so much of its padding left out that it is no longer than it was, if there is as much."""
    padding = _PADDING.search(packet)
    if padding is None or len(packet) <= length:
        return packet
    start, end = padding.span(1)
    return packet[: max(start + 1, end - (len(packet) - length))] + packet[end:]
