"""Correcting an EXIF block in place: a few bytes change, nothing moves, so maker notes keep their inner offsets."""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from lptn_retouch.metadata.exif.directories import Directories, directories, read_exif
from lptn_retouch.metadata.exif.tags import (
    COLOR_SPACE,
    HEIGHT_TAGS,
    INTEROP_INDEX,
    ORIENTATION,
    STRIP_OFFSETS,
    THUMBNAIL_AT,
    THUMBNAIL_LENGTH,
    WIDTH_TAGS,
)
from lptn_retouch.structures.jpeg import SOI, jpeg_size
from lptn_retouch.structures.tiff import LONG, SHORT, Entry, Ifd, Tiff

ThumbnailMaker: TypeAlias = Callable[[tuple[int, int], int], bytes | None]
"""Called with the box (width, height in pixels) and the most bytes allowed; returns a JPEG, or None if none fits."""

_DEFAULT_BOX = 160

THUMBNAIL_DROPPED = (
    "The EXIF thumbnail was left out: it showed the unretouched photograph and no new one fits its place."
)


@dataclass(frozen=True)
class PatchedExif:
    """A corrected TIFF structure, as long as it was, and a sentence for each thing that was taken out."""

    data: bytes
    notices: tuple[str, ...] = ()


def patch_exif(
    exif: bytes,
    *,
    width: int,
    height: int,
    upright: bool = True,
    make_thumbnail: ThumbnailMaker | None = None,
) -> PatchedExif:
    """Make an EXIF structure tell the truth about a retouched picture, without moving a byte of it.

    Args:
        exif: TIFF structure from its II or MM on.
        width: of the result, in pixels; written to ImageWidth and PixelXDimension where they are present.
        height: of the result, in pixels; likewise.
        upright: the pixels stand upright, so that every Orientation becomes 1.
        make_thumbnail: gives the new thumbnail for the old one's place; without one, or when nothing fits, the
            link from IFD0 to IFD1 is cut and the old thumbnail's bytes are cleared.

    Returns:
        The structure, exactly as long as it was, and notices.

    Raises:
        MetadataError: this is not a TIFF structure at all.

    >>> tilted = b"II*\\0\\x08\\0\\0\\0" + b"\\1\\0" + b"\\x12\\1\\3\\0\\1\\0\\0\\0\\6\\0\\0\\0" + bytes(4)
    >>> patch_exif(tilted, width=640, height=480).data[18]
    1

    Source: Exif 3.0 (CIPA DC-008) 4.6.5.1 (orientation), 4.6.6.1 (pixel dimensions), 4.5.5 (thumbnail).
    """
    found = directories(Tiff(exif))
    if found is None:
        return PatchedExif(exif)
    tiff, main, out = found.tiff, found.main, bytearray(exif)
    _set_sizes(tiff, out, main, width, height)
    _set_sizes(tiff, out, found.exif, width, height)
    if upright:
        for ifd in tiff.chain():
            _set_upright(tiff, out, ifd)
    notices: tuple[str, ...] = ()
    if found.thumbnail is not None and not _replace_thumbnail(found, found.thumbnail, out, make_thumbnail):
        if main.next_at is not None:
            out[main.next_at : main.next_at + 4] = bytes(4)
        notices = (THUMBNAIL_DROPPED,)
    return PatchedExif(bytes(out), notices)


def declare_srgb(exif: bytes) -> bytes:
    """Make an EXIF structure say that the pixels are sRGB, without moving a byte of it.

    Args:
        exif: TIFF structure from its II or MM on.

    Returns:
        The structure with ColorSpace 1 and, in place of DCF's mark for Adobe RGB, "R98", where these are present;
        the structure itself where it is damaged.

    >>> declare_srgb(b"nothing") == b"nothing"
    True

    Source: Exif 3.0 (CIPA DC-008) 4.6.6.2 (ColorSpace); DCF 2.0 (CIPA DC-009), Interoperability index R03.
    """
    found = read_exif(exif)
    if found is None:
        return exif
    out = bytearray(exif)
    if found.exif is not None:
        _set_number(found.tiff, out, found.exif.get(COLOR_SPACE), 1)
    index = found.interop.get(INTEROP_INDEX) if found.interop is not None else None
    if index is not None and found.tiff.raw(index)[:3] == b"R03":
        out[index.value_at : index.value_at + 3] = b"R98"
    return bytes(out)


def _set_number(tiff: Tiff, out: bytearray, entry: Entry | None, number: int) -> None:
    """Write a number over a SHORT or LONG; a SHORT that is too small for it becomes a LONG, which has room too."""
    if entry is None or entry.count != 1 or entry.type not in (SHORT, LONG) or number > 0xFFFFFFFF:
        return
    kind = LONG if entry.type == LONG or number > 0xFFFF else SHORT
    struct.pack_into(tiff.order + "H", out, entry.at + 2, kind)
    struct.pack_into(tiff.order + ("I" if kind == LONG else "H"), out, entry.at + 8, number)


def _set_sizes(tiff: Tiff, out: bytearray, ifd: Ifd | None, width: int, height: int) -> None:
    for entry in ifd.entries if ifd is not None else ():
        if entry.tag in WIDTH_TAGS:
            _set_number(tiff, out, entry, width)
        elif entry.tag in HEIGHT_TAGS:
            _set_number(tiff, out, entry, height)


def _set_upright(tiff: Tiff, out: bytearray, ifd: Ifd) -> None:
    for entry in ifd.entries:
        # A value that already means upright stays as the camera wrote it, whatever its type. Nonsense (0, 99, text)
        # is put right: readers disagree on it, and the result has one right way up.
        if entry.tag == ORIENTATION and tiff.number(entry) != 1:
            struct.pack_into(tiff.order + "HIHH", out, entry.at + 2, SHORT, 1, 1, 0)


def _replace_thumbnail(found: Directories, second: Ifd, out: bytearray, make: ThumbnailMaker | None) -> bool:
    """Write the new thumbnail over the old one. False: the old one must be cut off instead."""
    tiff = found.tiff
    at_entry, length_entry = second.get(THUMBNAIL_AT), second.get(THUMBNAIL_LENGTH)
    at, length = tiff.number(at_entry), tiff.number(length_entry)
    if at_entry is None and length_entry is None:
        return second.get(STRIP_OFFSETS) is None  # an IFD1 with no picture shows nothing stale; one in strips does
    if at is None or length is None or not _is_free(found, at, length):
        return False
    old = bytes(out[at : at + length])
    box = max(jpeg_size(old) or (_DEFAULT_BOX, _DEFAULT_BOX))
    out[at : at + length] = bytes(length)
    new = make((box, box), length) if make is not None else None
    size = jpeg_size(new) if new else None
    if new is None or size is None or len(new) > length or new[:2] != SOI:
        return False
    out[at : at + len(new)] = new
    _set_number(tiff, out, length_entry, len(new))
    _set_sizes(tiff, out, second, *size)
    return True


def _is_free(found: Directories, at: int, length: int) -> bool:
    """Whether a thumbnail's place is inside the block and overlaps no directory and no value, as in damaged files."""
    inside = at >= 8 and length >= 1 and at + length <= len(found.tiff.data)
    return inside and not any(start < at + length and at < end for start, end in found.spans())
