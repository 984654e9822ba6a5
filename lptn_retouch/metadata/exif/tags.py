"""EXIF's tags: their names, and which of them speak of the photograph."""

import piexif

from lptn_retouch.errors import MetadataError
from lptn_retouch.structures.tiff import EXIF_POINTER, INTEROP_POINTER, Tiff

_COLOR_SPACE, _INTEROP_INDEX, _SRGB = 0xA001, 0x0001, 1
_EXIF_GROUPS = {"IFD0": "Image", "IFD1": "Image", "ExifIFD": "Exif", "GPS": "GPS", "InteropIFD": "Interop"}

# What IFD0 says of the photograph. What it says of the file (strips, CFA, previews, DNG profiles) stays behind: in a
# JPEG it would be false, and ExifTool then refuses to edit it ("Can't read SubIFD data").
MAIN_TAGS = frozenset({
    0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x013C, 0x8298, 0x4746, 0x4749,
    0x828F, 0x882A, 0x882B, 0x9211, 0x9212, 0x9213, 0x9217, 0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F, 0xC4A5, 0xC614,
    0xC615, 0xC62F,
})  # fmt: skip
# TIFF/EP cameras (Kodak, Nikon) write in IFD0 what Exif keeps in its own directory.
_EXIF_RANGES = ((0x829A, 0x829D), (0x8822, 0x8824), (0x8826, 0x8835), (0x9000, 0x9012), (0x9101, 0x9101),
                (0x9201, 0x9215), (0x9217, 0x9217), (0x9286, 0x9292), (0x9400, 0x9405), (0xA000, 0xA001),
                (0xA004, 0xA004), (0xA20B, 0xA301), (0xA401, 0xA465), (0xA500, 0xA500), (0xFDE8, 0xFDEC),
                (0xFE4C, 0xFE58))  # fmt: skip


def tag_name(group: str, tag: int) -> str:
    """The name of an EXIF tag, or its number in hexadecimal where it has none.

    >>> tag_name("GPS", 2), tag_name("IFD0", 0x0112), tag_name("IFD0", 0xFE00)
    ('GPSLatitude', 'Orientation', '0xFE00')

    Source: Exif 3.0 (CIPA DC-008) 4.6.4 to 4.6.8.
    """
    tables = (_EXIF_GROUPS.get(group, ""), "Exif", "Image") if group != "GPS" else ("GPS",)
    for table in tables:
        known = piexif.TAGS.get(table, {}).get(tag)
        if known:
            return str(known["name"])
    return f"0x{tag:04X}"


def is_exif_tag(tag: int) -> bool:
    """Whether a tag is one of those that Exif keeps in its own directory, wherever it stands."""
    return any(low <= tag <= high for low, high in _EXIF_RANGES)


def describes_photograph(tag: int) -> bool:
    """Whether a tag of IFD0 or of the Exif directory speaks of the photograph, not of the RAW file it stands in.

    >>> describes_photograph(0x829A), describes_photograph(0x0111)
    (True, False)

    Source: Exif 3.0 (CIPA DC-008) 4.6.4 to 4.6.6.
    """
    return tag in MAIN_TAGS or is_exif_tag(tag)


def says_adobe_rgb(exif: bytes | None) -> bool:
    """Whether EXIF bears DCF's mark for Adobe RGB, and does not say sRGB beside it.

    >>> says_adobe_rgb(None)
    False

    Source: DCF 2.0 (CIPA DC-009), R03.
    """
    try:
        tiff = Tiff(exif or b"")
    except MetadataError:
        return False
    photo = tiff.pointed(tiff.ifd(tiff.first), EXIF_POINTER)
    interop = tiff.pointed(photo, INTEROP_POINTER)
    index = interop.get(_INTEROP_INDEX) if interop is not None else None
    space = photo.get(_COLOR_SPACE) if photo is not None else None
    return index is not None and tiff.raw(index)[:3] == b"R03" and tiff.number(space) != _SRGB
