"""What other containers have no place for, of all that a JPEG or PNG can carry."""

import struct
from typing import NamedTuple

from lptn_retouch.errors import MetadataError
from lptn_retouch.metadata.blocks import Kind
from lptn_retouch.metadata.exif.build import Field, build_exif
from lptn_retouch.metadata.metadata import Metadata
from lptn_retouch.metadata.photoshop import IPTC, photoshop_resources
from lptn_retouch.structures.tiff import RATIONAL, SHORT, Tiff

X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 0x011A, 0x011B, 0x0128
_NO_UNIT, _CENTIMETRE = 1, 3
_IPTC_DIGEST = 0x0425


def left_out(metadata: Metadata, container: str, *held: Kind) -> tuple[str, ...]:
    """One sentence that names the blocks which a container has no place for; none if it holds them all.

    EXIF, XMP and ICC are held everywhere, IPTC in XMP if nowhere else, and `resolution_fields` keeps the resolution.

    Args:
        metadata: all blocks of the picture.
        container: its name with an article, such as "a TIFF".
        held: kinds beyond those that it does hold.

    >>> from lptn_retouch.metadata.blocks import COMMENT, Block
    >>> left_out(Metadata((Block(COMMENT, b"hi"), Block(0xE4, b"?"))), "a TIFF")
    ('Left out, as a TIFF has no place for it: the comment, application data APP4.',)
    """
    names: dict[str, None] = {}
    resources = photoshop_resources(metadata.photoshop)
    has_more = any(resource.id not in (IPTC, _IPTC_DIGEST) for resource in resources)
    for block in metadata.blocks:
        if block.kind in held:
            continue
        if block.kind is Kind.COMMENT:
            names["the comment"] = None
        elif block.kind is Kind.PNG_CHUNK and not block.data.startswith(b"pHYs"):
            names["the texts of a PNG"] = None
        elif block.kind is Kind.OTHER:
            names[f"application data APP{block.marker & 15}"] = None
        elif block.kind is Kind.PHOTOSHOP and has_more:
            names["Photoshop's resources"] = None
    return (f"Left out, as {container} has no place for it: {', '.join(names)}.",) if names else ()


def resolution_fields(metadata: Metadata, order: str) -> list[Field]:
    """The resolution that JFIF's density or a PNG's pHYs gives, as EXIF says it; none where the EXIF says it itself.

    Args:
        metadata: all blocks of the picture.
        order: byte order of the values, "<" or ">".

    >>> from lptn_retouch.metadata.blocks import Block
    >>> jfif = Block(0xE0, b"JFIF\\0\\1\\1\\1" + bytes((1, 44, 1, 44)) + bytes(2))
    >>> [field.data for field in resolution_fields(Metadata((jfif,)), ">")]
    [b'\\x00\\x00\\x01,\\x00\\x00\\x00\\x01', b'\\x00\\x00\\x01,\\x00\\x00\\x00\\x01', b'\\x00\\x02']

    Source: JFIF 1.02, APP0; PNG third edition, 11.3.4.3; TIFF 6.0 section 8.
    """
    if has_resolution(metadata.exif):
        return []
    for block in metadata.blocks:
        data = block.data
        if block.kind is Kind.JFIF and len(data) >= 12:
            unit, across, down = struct.unpack_from(">BHH", data, 7)
            parts, unit = 1, min(unit, 2) + 1
        elif block.kind is Kind.PNG_CHUNK and data.startswith(b"pHYs") and len(data) >= 13:
            across, down, metres = struct.unpack_from(">IIB", data, 4)
            parts, unit = (100, _CENTIMETRE) if metres == 1 else (1, _NO_UNIT)
        else:
            continue
        if across and down:
            return [
                Field(X_RESOLUTION, RATIONAL, 1, struct.pack(order + "II", across, parts)),
                Field(Y_RESOLUTION, RATIONAL, 1, struct.pack(order + "II", down, parts)),
                Field(RESOLUTION_UNIT, SHORT, 1, struct.pack(order + "H", unit)),
            ]
    return []


def exif_damaged(container: str) -> str:
    """The notice for an EXIF block that is not sound.

    Args:
        container: its name with an article, such as "a TIFF".
    """
    return f"The EXIF was left out: it is damaged, and {container} with it would not open everywhere."


def is_sound(exif: bytes) -> bool:
    """Whether an EXIF block has a TIFF header and a first directory.

    >>> is_sound(b"II*")
    False
    """
    try:
        tiff = Tiff(exif)
    except MetadataError:
        return False
    return tiff.ifd(tiff.first) is not None


def has_resolution(exif: bytes | None) -> bool:
    """Whether IFD0 of this EXIF gives a resolution.

    >>> has_resolution(None)
    False
    """
    try:
        tiff = Tiff(exif or b"")
    except MetadataError:
        return False
    first = tiff.ifd(tiff.first)
    return first is not None and first.get(X_RESOLUTION) is not None


class Boxed(NamedTuple):
    """What AVIF and JPEG XL hold of a picture's metadata, besides its colour profile."""

    exif: bytes | None
    xmp: bytes | None
    notices: tuple[str, ...]


def boxed(metadata: Metadata, container: str) -> Boxed:
    """EXIF and one packet of XMP, with IPTC in it; a resolution that stood elsewhere becomes an EXIF of its own.

    Args:
        metadata: all blocks of the picture.
        container: its name with an article, such as "an AVIF".

    >>> from lptn_retouch.metadata.blocks import COMMENT, Block
    >>> boxed(Metadata((Block(COMMENT, b"hi"),)), "an AVIF").notices
    ('Left out, as an AVIF has no place for it: the comment.',)
    """
    from lptn_retouch.metadata.xmp.extended import merged_xmp
    from lptn_retouch.metadata.xmp.iptc import with_iptc_in_xmp

    metadata, moved = with_iptc_in_xmp(metadata)
    xmp, merged = merged_xmp(metadata)
    notices = (*moved, *merged, *left_out(metadata, container))
    resolution = resolution_fields(metadata, "<")
    if metadata.exif is not None and not is_sound(metadata.exif):
        notices += (exif_damaged(container),)
        return Boxed(None, xmp, notices)
    if metadata.exif is None:
        return Boxed(build_exif("<", resolution) if resolution else None, xmp, notices)
    if resolution:
        notices += (f"The resolution was left out: {container} has it in its EXIF, and that was carried as it is.",)
    return Boxed(metadata.exif, xmp, notices)
