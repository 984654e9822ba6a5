"""An XMP packet as elements with their places in the text, so that it can be corrected without being re-written."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from lptn_retouch.errors import MetadataError

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
XML = "http://www.w3.org/XML/1998/namespace"

_MAX_BYTES = 64 << 20
_MAX_ELEMENTS = 200_000
_MAX_LEVELS = 64

_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#xD;"})
_IN_QUOTES = str.maketrans({'"': "&quot;", "\n": "&#xA;", "\t": "&#x9;"})
_ATTRIBUTE = re.compile(rb"""\s+([^\s=/>"']+)\s*=\s*("[^"]*"|'[^']*')""")


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute: namespace and name, value, the span of the whole with its leading space, and of the value."""

    space: str
    name: str
    prefix: str
    value: str
    span: tuple[int, int]
    value_span: tuple[int, int]


@dataclass(slots=True)
class Element:
    """One element: namespace and name, where its start tag and its whole lie in the packet, and what it holds."""

    space: str
    name: str
    prefix: str
    attributes: tuple[Attribute, ...]
    start: int
    content_start: int
    content_end: int = 0
    end: int = 0
    text: str = ""
    children: list["Element"] = field(default_factory=list)

    def walk(self) -> Iterator["Element"]:
        """This element and all below it, in document order."""
        pending = [self]
        while pending:
            element = pending.pop()
            yield element
            pending.extend(reversed(element.children))

    def attribute(self, space: str, name: str) -> str | None:
        """The value of an attribute; None where it is absent."""
        return next((a.value for a in self.attributes if (a.space, a.name) == (space, name)), None)


def parse_xmp(packet: bytes) -> Element:
    """Read an XMP packet into its tree of elements.

    Args:
        packet: the packet, at most 64 MB, in UTF-8, with or without its xpacket wrapper.

    Returns:
        The root element; all spans are byte offsets into `packet`.

    Raises:
        MetadataError: not well-formed, too big or too deep, in another encoding, or with a document type
            declaration (XMP forbids it, and entities are how XML bombs are made).

    >>> root = parse_xmp(b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><x:a>1</x:a></x:xmpmeta>')
    >>> root.space, root.children[0].text
    ('adobe:ns:meta/', '1')

    Source: XMP part 1, 7.3; XMP part 3, 1.
    """
    if len(packet) > _MAX_BYTES:
        raise MetadataError(f"The XMP packet is {len(packet)} bytes long and {_MAX_BYTES} are read; leave it out.")
    begin, end = packet.find(b"<"), packet.rfind(b">") + 1
    if begin < 0 or b"\0" in packet[begin:end]:
        raise MetadataError("The XMP packet is not UTF-8 XML; keep it as it is or leave it out.")
    reader = _Reader(packet, begin)
    try:
        reader.expat.Parse(packet[begin:end], True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise MetadataError("The XMP packet is no well-formed XML; keep it as it is or leave it out.") from error
    if reader.root is None:
        raise MetadataError("The XMP packet is empty; leave it out.")
    return reader.root


def escaped(text: str) -> str:
    """Text as it stands between tags. The standard library's own imports half of the internet for that.

    >>> escaped("a < b & c")
    'a &lt; b &amp; c'

    Source: XML 1.0, 2.4 and 2.11.
    """
    return text.translate(_ESCAPES)


def quoted(value: str) -> str:
    """An attribute's value with its quotation marks; line breaks and tabs stay what they are.

    >>> quoted('12" & more')
    '"12&quot; &amp; more"'

    Source: XML 1.0, 2.3 and 3.3.3.
    """
    return f'"{value.translate(_ESCAPES | _IN_QUOTES)}"'


class _Reader:
    """Collects expat's events; expat tells where each tag starts, the tag's own text tells where its parts stand."""

    def __init__(self, packet: bytes, begin: int) -> None:
        self.packet = packet
        self.begin = begin
        self.root: Element | None = None
        self.count = 0
        self.open: list[Element] = []
        self.spaces: list[dict[str, str]] = [{"xml": XML}]
        self.expat = expat.ParserCreate()
        self.expat.ordered_attributes = True
        self.expat.buffer_text = True
        self.expat.StartElementHandler = self._start
        self.expat.EndElementHandler = self._end
        self.expat.CharacterDataHandler = self._text
        self.expat.StartDoctypeDeclHandler = self._doctype

    def _doctype(self, *_: object) -> None:
        raise MetadataError("The XMP packet has a document type declaration, which XMP forbids; leave it out.")

    def _start(self, name: str, pairs: list[str]) -> None:
        self.count += 1
        if self.count > _MAX_ELEMENTS or len(self.open) >= _MAX_LEVELS:
            raise MetadataError("The XMP packet has too many or too deeply nested elements; leave it out.")
        values = dict(zip(pairs[::2], pairs[1::2], strict=True))
        spaces = self.spaces[-1]
        declared = {key.partition(":")[2]: value for key, value in values.items() if key.split(":")[0] == "xmlns"}
        if declared:
            spaces = spaces | declared
        self.spaces.append(spaces)
        start = self.begin + self.expat.CurrentByteIndex
        at = start + 1 + len(name.encode())
        attributes = []
        while (match := _ATTRIBUTE.match(self.packet, at)) is not None:
            at = match.end()
            key = match[1].decode("utf-8", "replace")
            if key in values and key.split(":")[0] != "xmlns":
                # An attribute without a prefix is in no namespace, whatever the default namespace is.
                prefix, _, local = key.rpartition(":")
                space = spaces.get(prefix, "") if prefix else ""
                value_span = (match.start(2) + 1, match.end(2) - 1)
                attributes.append(Attribute(space, local, prefix, values[key], match.span(), value_span))
        at = self.packet.find(b">", at) + 1
        prefix, _, local = name.rpartition(":")
        element = Element(spaces.get(prefix, ""), local, prefix, tuple(attributes), start, at)
        if self.open:
            self.open[-1].children.append(element)
        else:
            self.root = element
        self.open.append(element)

    def _end(self, _: str) -> None:
        element = self.open.pop()
        self.spaces.pop()
        if self.packet[element.content_start - 2 : element.content_start] == b"/>":
            element.content_end = element.end = element.content_start
        else:
            element.content_end = self.begin + self.expat.CurrentByteIndex
            element.end = self.packet.find(b">", element.content_end) + 1

    def _text(self, text: str) -> None:
        if self.open:
            self.open[-1].text += text
