"""The shooting data of a RAW file, as fresh EXIF for the picture that is developed from it."""

import mmap
from contextlib import suppress
from pathlib import Path

from lptn_retouch.errors import MetadataError
from lptn_retouch.metadata.ciff import exif_from_ciff, is_ciff
from lptn_retouch.metadata.metadata import Metadata
from lptn_retouch.metadata.segments import SOI
from lptn_retouch.metadata.tiff import (
    EXIF_POINTER,
    GPS_POINTER,
    INTEROP_POINTER,
    SHORT,
    Buffer,
    Ifd,
    Tiff,
)
from lptn_retouch.metadata.tiff_build import Field, build_exif
from lptn_retouch.metadata.xmp_patch import patch_xmp

XMP_TAG = 0x02BC
_LONGEST_VALUE = 16384

# What IFD0 says of the photograph. What it says of the file (strips, CFA, previews, DNG profiles) stays behind: in a
# JPEG it would be false, and ExifTool then refuses to edit it ("Can't read SubIFD data").
_MAIN_TAGS = frozenset({
    0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x013C, 0x8298, 0x4746, 0x4749,
    0x828F, 0x882A, 0x882B, 0x9211, 0x9212, 0x9213, 0x9217, 0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F, 0xC614, 0xC615,
    0xC62F,
})  # fmt: skip
_RESOLUTION_TAGS = frozenset({0x011A, 0x011B, 0x0128})
# TIFF/EP cameras (Kodak, Nikon) write in IFD0 what Exif keeps in its own directory.
_EXIF_RANGES = ((0x829A, 0x829D), (0x8822, 0x8835), (0x9000, 0x9011), (0x9101, 0x9101),
                (0x9201, 0x9215), (0x9217, 0x9217), (0x9286, 0x9292), (0x9400, 0x9405), (0xA000, 0xA001),
                (0xA004, 0xA004), (0xA20B, 0xA301), (0xA401, 0xA465), (0xA500, 0xA500), (0xFDE8, 0xFDEC),
                (0xFE4C, 0xFE58))  # fmt: skip
_LENS_INFO_DNG, _LENS_SPECIFICATION = 0xC630, 0xA432
_EXIF_VERSION = 0x9000


def _is_exif_tag(tag: int) -> bool:
    return any(low <= tag <= high for low, high in _EXIF_RANGES)


def describes_photograph(tag: int) -> bool:
    """Whether a tag of IFD0 or of the Exif directory speaks of the photograph, not of the RAW file it stands in.

    >>> describes_photograph(0x829A), describes_photograph(0x0111)
    (True, False)

    Source: Exif 3.0 (CIPA DC-008) 4.6.4 to 4.6.6.
    """
    return tag in _MAIN_TAGS or _is_exif_tag(tag)


def exif_from_raw(path: Path) -> bytes | None:
    """The shooting data of a RAW file: camera, lens, exposure, date, place; orientation 1, no maker note, no preview.

    Args:
        path: a RAW file: built on TIFF (DNG, NEF, CR2, ARW, PEF, KDC, ...), CRW, or another with an embedded JPEG.

    Returns:
        A TIFF structure for `Metadata.build(exif=...)`; None where nothing was found.

    Raises:
        OSError: the file cannot be read.

    >>> exif_from_raw(Path("/dev/null")) is None
    True

    Source: Exif 3.0 (CIPA DC-008) 4.6; TIFF/EP (ISO 12234-2); DNG 1.7.
    """
    if not path.is_file() or path.stat().st_size < 18:
        return None
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if is_ciff(data):
            found = exif_from_ciff(data)
        else:
            found = None
            with suppress(MetadataError):
                found = _shooting_data(Tiff(data))
    return found or _exif_of_embedded_jpeg(path)


def metadata_from_raw(path: Path) -> Metadata:
    """The shooting data and the XMP packet of a RAW file, with Camera Raw's develop settings marked as applied.

    The settings describe how the RAW file was to be developed; marked, they stay on record and no editor applies
    them to the finished picture.

    Args:
        path: a RAW file.

    Returns:
        Metadata with EXIF, and XMP where the file is built on TIFF and has a sound packet.

    Raises:
        OSError: the file cannot be read.

    >>> metadata_from_raw(Path("/dev/null")).blocks
    ()

    Source: DNG 1.7, chapter 4 (tag 700); XMP part 3, 3.
    """
    exif = exif_from_raw(path)
    packet = None
    if path.is_file() and path.stat().st_size >= 18:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            packet = _xmp_packet(data)
    return Metadata.build(exif=exif, xmp=packet)


def _xmp_packet(data: Buffer) -> bytes | None:
    try:
        tiff = Tiff(data)
    except MetadataError:
        return None
    first = tiff.ifd(tiff.first)
    entry = first.get(XMP_TAG) if first else None
    if entry is None or entry.size > 1 << 20:
        return None
    # The sizes in the packet are the sensor's; `for_result` sets them to the result's.
    return patch_xmp(tiff.raw(entry).rstrip(b"\0"), developed=True).data


def _shooting_data(tiff: Tiff) -> bytes | None:
    first = tiff.ifd(tiff.first)
    if first is None:
        return None
    exif = tiff.pointed(first, EXIF_POINTER)
    main = [Field(0x0112, SHORT, 1, b"\1\0" if tiff.order == "<" else b"\0\1")]
    main += _fields(tiff, first, _MAIN_TAGS | _RESOLUTION_TAGS)
    photographic = _fields(tiff, exif) + [f for f in _fields(tiff, first) if f.tag not in _MAIN_TAGS]
    lens = first.get(_LENS_INFO_DNG)
    if lens is not None and lens.size == 32:
        photographic.append(Field(_LENS_SPECIFICATION, lens.type, lens.count, tiff.raw(lens)))
    place = _all_fields(tiff, tiff.pointed(first, GPS_POINTER))
    interop = _all_fields(tiff, tiff.pointed(exif, INTEROP_POINTER))
    if len(main) == 1 and not photographic and not place:
        return None
    if photographic and all(field.tag != _EXIF_VERSION for field in photographic):
        photographic.append(Field(_EXIF_VERSION, 7, 4, b"0230"))
    return build_exif(tiff.order, main, photographic, place, interop)


def _fields(tiff: Tiff, ifd: Ifd | None, tags: frozenset[int] | None = None) -> list[Field]:
    """The entries of a directory with these tags; without tags, those that belong in the Exif directory."""
    entries = ifd.entries if ifd is not None else ()
    return [
        Field(entry.tag, entry.type, entry.count, tiff.raw(entry))
        for entry in entries
        if (entry.tag in tags if tags is not None else _is_exif_tag(entry.tag)) and entry.size <= _LONGEST_VALUE
    ]


def _all_fields(tiff: Tiff, ifd: Ifd | None) -> list[Field]:
    return _fields(tiff, ifd, frozenset(entry.tag for entry in ifd.entries)) if ifd is not None else []


def _exif_of_embedded_jpeg(path: Path) -> bytes | None:
    """EXIF of the preview that the camera put beside the RAW data (RAF, RW2, ...), cleaned as any other source."""
    import rawpy  # deferred: reading a JPEG's metadata needs no RAW decoder

    try:
        with path.open("rb") as file, rawpy.imread(file) as raw:
            thumb = raw.extract_thumb()
    except Exception:  # LibRaw raises many kinds on damaged files, and the picture itself may still be fine
        return None
    data = thumb.data
    if not isinstance(data, bytes) or data[:2] != SOI:
        return None
    exif = Metadata.from_jpeg(data).exif
    if exif is None:
        return None
    try:
        return _shooting_data(Tiff(exif))
    except MetadataError:
        return None
