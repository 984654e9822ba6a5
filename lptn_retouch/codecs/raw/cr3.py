"""Canon's CR3: four TIFF structures in boxes, one for each directory that EXIF has in one structure."""

from typing import NamedTuple

from lptn_retouch.errors import MetadataError
from lptn_retouch.structures import Buffer
from lptn_retouch.structures.boxes import Box, find
from lptn_retouch.structures.tiff import Ifd, Tiff

CANON = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_LONGEST = 1 << 20


class Cr3(NamedTuple):
    """The metadata boxes of a CR3, each a structure and its first directory; None where one is missing or damaged."""

    main: tuple[Tiff, Ifd] | None
    exif: tuple[Tiff, Ifd] | None
    note: tuple[Tiff, Ifd] | None
    gps: tuple[Tiff, Ifd] | None
    xmp: bytes | None


def is_cr3(data: Buffer) -> bool:
    """Whether a file starts as a CR3 does.

    >>> is_cr3(b"\\0\\0\\0\\x18ftypcrx \\0\\0\\0\\1")
    True

    Source: Laurent Clévy, "Canon CR3 file format"; ISO/IEC 14496-12 4.3.
    """
    return bytes(data[4:12]) == b"ftypcrx "


def read_cr3(data: Buffer) -> Cr3:
    """The metadata of a CR3 file.

    Args:
        data: the whole file; never raises on a damaged one.

    >>> read_cr3(b"\\0\\0\\0\\x10ftypcrx \\0\\0\\0\\1").main is None
    True

    Source: Laurent Clévy, "Canon CR3 file format" (uuid boxes, CMT1 to CMT4); XMP part 3, 1.2.
    """
    home = find(data, b"moov", CANON)
    main, exif, note, gps = (_structure(data, name, home) for name in (b"CMT1", b"CMT2", b"CMT3", b"CMT4"))
    packet = find(data, XMP)
    return Cr3(main, exif, note, gps, bytes(data[packet.at : packet.end]) if packet and _is_short(packet) else None)


def _is_short(box: Box) -> bool:
    return box.end - box.at <= _LONGEST


def _structure(data: Buffer, name: bytes, home: Box | None) -> tuple[Tiff, Ifd] | None:
    box = find(data, name, within=home) if home else None
    if box is None or not _is_short(box):
        return None
    try:
        tiff = Tiff(bytes(data[box.at : box.end]))
    except MetadataError:
        return None
    first = tiff.ifd(tiff.first)
    return (tiff, first) if first else None
