"""Correcting an XMP packet: orientation, sizes, and the pointers to things that a retouched file does not hold."""

import re
from dataclasses import dataclass
from typing import TypeAlias

from lptn_retouch.errors import MetadataError
from lptn_retouch.structures.xml import Element, parse_xmp

TIFF = "http://ns.adobe.com/tiff/1.0/"
EXIF = "http://ns.adobe.com/exif/1.0/"
XMP = "http://ns.adobe.com/xap/1.0/"
CAMERA = "http://ns.google.com/photos/1.0/camera/"
CONTAINER = "http://ns.google.com/photos/1.0/container/"
GAIN_MAPS = ("http://ns.adobe.com/hdr-gain-map/1.0/", "http://ns.apple.com/HDRGainMap/1.0/")
DUBLIN_TERMS = "http://purl.org/dc/terms/"
DEVELOP = "http://ns.adobe.com/camera-raw-settings/1.0/"
_APPLIED = "AlreadyApplied"

Edit: TypeAlias = tuple[int, int, bytes]
"""A span of a packet, and the bytes that take its place."""

GAIN_MAP_DROPPED = (
    "The HDR gain map was left out: it belongs to the unretouched pixels, so the result is standard range."
)
MOTION_DROPPED = "The motion photo's clip and the XMP that points at it were left out: only the still was retouched."
CONTAINER_DROPPED = "The list of embedded pictures (XMP Container) was left out: the result does not hold them."
THUMBNAIL_DROPPED = "The XMP thumbnail was left out: it showed the unretouched photograph."
CREDENTIALS_DROPPED = "The content credentials (C2PA) were left out: their signature covers the unretouched pixels."
UNREADABLE = "The XMP packet is damaged and was carried as it is, except for the orientation."

_LOOSE_ORIENTATION = re.compile(rb"""(:Orientation\s*(?:=\s*["']|>)\s*)[2-8](\s*["'<])""")


@dataclass(frozen=True)
class PatchedXmp:
    """A corrected packet, and a sentence for each thing that was taken out."""

    data: bytes
    notices: tuple[str, ...] = ()


def reason_left_out(space: str, name: str, value: str) -> str | None:
    """Why a property cannot stay in a retouched picture, as a notice; None where it can.

    >>> reason_left_out(CAMERA, "MicroVideoOffset", "4100") == MOTION_DROPPED
    True

    Source: Ultra HDR 1.1 and Motion Photo 1.0 (developer.android.com); XMP part 2, 1.2.1; C2PA 2.1, 11.
    """
    if space in GAIN_MAPS:
        return GAIN_MAP_DROPPED
    if space == CAMERA and name.startswith(("MicroVideo", "MotionPhoto")):
        return MOTION_DROPPED
    if space == CONTAINER:
        return CONTAINER_DROPPED
    if (space, name) == (XMP, "Thumbnails"):
        return THUMBNAIL_DROPPED
    if (space, name) == (DUBLIN_TERMS, "provenance") and "jumbf=" in value:
        return CREDENTIALS_DROPPED
    return None


def patch_xmp(
    packet: bytes,
    *,
    width: int | None = None,
    height: int | None = None,
    upright: bool = True,
    developed: bool = False,
) -> PatchedXmp:
    """Make an XMP packet tell the truth about a retouched picture; all other text stays byte for byte.

    Args:
        packet: the main packet, without the APP1 prefix.
        width: of the result, in pixels; written to tiff:ImageWidth and exif:PixelXDimension where present. None
            leaves them.
        height: of the result, in pixels; likewise.
        upright: the pixels stand upright, so that tiff:Orientation becomes 1.
        developed: the pixels were developed from RAW: Camera Raw's settings are marked as applied (they would
            otherwise be applied to the result), the mark being added where it is missing.

    Returns:
        The packet and notices. A damaged packet comes back as it is, except for the orientation.

    >>> patch_xmp(b'<d xmlns:t="http://ns.adobe.com/tiff/1.0/" t:Orientation="6"/>', width=4, height=3).data[-5:]
    b'"1"/>'

    Source: XMP part 2, 2.6 and 2.7 (TIFF and Exif properties).
    """
    try:
        root = parse_xmp(packet)
    except MetadataError:
        loose = _LOOSE_ORIENTATION.sub(rb"\g<1>1\g<2>", packet) if upright else packet
        return PatchedXmp(loose, (UNREADABLE,))
    truths: dict[tuple[str, str], bytes] = {
        name: b"%d" % number
        for name, number in (
            ((TIFF, "ImageWidth"), width),
            ((EXIF, "PixelXDimension"), width),
            ((TIFF, "ImageLength"), height),
            ((EXIF, "PixelYDimension"), height),
            ((TIFF, "Orientation"), 1 if upright else None),
        )
        if number is not None
    }
    if developed:
        truths[DEVELOP, _APPLIED] = b"True"
    edits: list[Edit] = []
    notices: dict[str, None] = {}
    pending: list[Element] = [root]
    while pending:
        element = pending.pop()
        reason = reason_left_out(element.space, element.name, element.text)
        if reason is not None:
            notices[reason] = None
            edits.append((with_indent(packet, element.start), element.end, b""))
            continue
        truth = truths.get((element.space, element.name))
        has_inside = element.content_end < element.end
        if truth is not None and has_inside and not element.children and element.text.strip() != truth.decode():
            edits.append((element.content_start, element.content_end, truth))
        for attribute in element.attributes:
            reason = reason_left_out(attribute.space, attribute.name, attribute.value)
            truth = truths.get((attribute.space, attribute.name))
            if reason is not None:
                notices[reason] = None
                edits.append((*attribute.span, b""))
            elif truth is not None and attribute.value.strip() != truth.decode():
                edits.append((*attribute.value_span, truth))
        pending.extend(element.children)
    if developed:
        edits += _applied_mark(root)
    return PatchedXmp(edited(packet, edits), tuple(notices))


def _applied_mark(root: Element) -> list[Edit]:
    """The mark that develop settings are applied, where there are settings and no mark."""
    named = [(e.space, e.name) for e in root.walk()] + [(a.space, a.name) for e in root.walk() for a in e.attributes]
    if (DEVELOP, _APPLIED) in named:
        return []
    for element in root.walk():
        if element.space == DEVELOP:
            tag = f"{element.prefix}:{_APPLIED}".encode()
            return [(element.start, element.start, b"<%b>True</%b>" % (tag, tag))]
        for attribute in element.attributes:
            if attribute.space == DEVELOP:
                at = attribute.span[1]
                return [(at, at, f' {attribute.prefix}:{_APPLIED}="True"'.encode())]
    return []


def with_indent(packet: bytes, start: int) -> int:
    """Where the white space before an element begins, so that taking it out leaves no empty line.

    >>> with_indent(b"<a> <b/></a>", 4)
    3
    """
    while start > 0 and packet[start - 1 : start].isspace():
        start -= 1
    return start


def edited(packet: bytes, edits: list[Edit]) -> bytes:
    """The packet with these spans replaced; of two spans that overlap, the one that starts first counts.

    >>> edited(b"abcdef", [(4, 5, b"E"), (1, 3, b"")])
    b'adEf'
    """
    parts, at = [], 0
    for start, end, text in sorted(edits):
        if start < at:
            continue
        parts += [packet[at:start], text]
        at = end
    return b"".join((*parts, packet[at:]))
