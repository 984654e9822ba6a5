"""An XMP packet as a flat list of properties, so that two packets compare whatever form their XML takes."""

from collections.abc import Iterator
from typing import NamedTuple

from lptn_retouch.structures.xml import RDF, XML, Element, parse_xmp

_ARRAYS = ("Bag", "Seq", "Alt")


class Property(NamedTuple):
    """One value: the namespace and name of its top-level property, its prefix there, its path, and its text."""

    space: str
    name: str
    prefix: str
    path: str
    value: str


def xmp_properties(packet: bytes) -> list[Property]:
    """All values in a packet, whether written as attributes or as elements.

    Args:
        packet: as for `parse_xmp`.

    Returns:
        Properties in document order; array items have paths like `subject[2]` or `title[x-default]`.

    Raises:
        MetadataError: the packet cannot be read.

    >>> [p.path for p in xmp_properties(
    ...     b'<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><r:Description xmlns:t="u:" t:a="1">'
    ...     b'<t:b><r:Bag><r:li>x</r:li><r:li>y</r:li></r:Bag></t:b></r:Description></r:RDF>')]
    ['a', 'b[1]', 'b[2]']

    Source: XMP part 1, 7 (serialization).
    """
    found: list[Property] = []
    for rdf in parse_xmp(packet).walk():
        if (rdf.space, rdf.name) != (RDF, "RDF"):
            continue
        for description in rdf.children:
            for attribute in description.attributes:
                if attribute.space not in (RDF, XML, ""):
                    prefix = _prefix(attribute.space)
                    found.append(Property(attribute.space, attribute.name, prefix, attribute.name, attribute.value))
            for element in description.children:
                found += (
                    Property(element.space, element.name, _prefix(element.space), path, value)
                    for path, value in _values(element, element.name)
                )
    return found


def _prefix(space: str) -> str:
    """A short name for a namespace that does not depend on the prefix a packet happens to bind to it."""
    known = {
        "http://purl.org/dc/elements/1.1/": "dc",
        "http://ns.adobe.com/xap/1.0/": "xmp",
        "http://ns.adobe.com/xap/1.0/mm/": "xmpMM",
        "http://ns.adobe.com/xap/1.0/rights/": "xmpRights",
        "http://ns.adobe.com/camera-raw-settings/1.0/": "crs",
        "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/": "Iptc4xmpCore",
        "http://ns.google.com/photos/1.0/camera/": "GCamera",
    }
    return known.get(space) or space.rstrip("/#").removesuffix("/1.0").rpartition("/")[2] or space


def _values(element: Element, path: str) -> Iterator[tuple[str, str]]:
    """The values in an element; the levels of the tree are bounded by `parse_xmp`."""
    resource = element.attribute(RDF, "resource")
    if resource is not None:
        yield path, resource
    for attribute in element.attributes:
        if attribute.space not in (RDF, XML, ""):
            yield f"{path}/{attribute.name}", attribute.value
    for child in element.children:
        if child.space == RDF and child.name in _ARRAYS:
            for number, item in enumerate(child.children, start=1):
                yield from _values(item, f"{path}[{item.attribute(XML, 'lang') or number}]")
        elif (child.space, child.name) == (RDF, "Description"):
            yield from _values(child, path)
        else:
            yield from _values(child, f"{path}/{child.name}")
    if not element.children and resource is None and not any(a.space not in (RDF, XML) for a in element.attributes):
        yield path, element.text.strip()
