"""EXIF's tags: their names, and which of them speak of the photograph, and which of the file that it stands in."""

import piexif

from lptn_retouch.structures.tiff import EXIF_POINTER, GPS_POINTER, INTEROP_POINTER

ORIENTATION, EXIF_VERSION, COLOR_SPACE, INTEROP_INDEX = 0x0112, 0x9000, 0xA001, 0x0001
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 0x011A, 0x011B, 0x0128
COMPRESSION, STRIP_OFFSETS, TILE_OFFSETS = 0x0103, 0x0111, 0x0144
THUMBNAIL_AT, THUMBNAIL_LENGTH = 0x0201, 0x0202
XMP_TAG, IPTC_TAG, PHOTOSHOP_TAG, ICC_TAG = 0x02BC, 0x83BB, 0x8649, 0x8773
PADDING = 0xEA1C  # Microsoft's room for later edits

WIDTH_TAGS, HEIGHT_TAGS = frozenset({0x0100, 0xA002}), frozenset({0x0101, 0xA003})
SIZE_TAGS = WIDTH_TAGS | HEIGHT_TAGS
RESOLUTION_TAGS = frozenset({X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT})
POINTERS = frozenset({EXIF_POINTER, GPS_POINTER, INTEROP_POINTER})
BLOCK_TAGS = frozenset({XMP_TAG, IPTC_TAG, PHOTOSHOP_TAG, ICC_TAG})
"""What a TIFF holds as values of its first directory, and other containers as blocks of their own."""

STORAGE_TAGS = frozenset({
    *range(254, 260), *range(262, 267), 273, *range(277, 282), 284, *range(288, 294), 297, 301, 317,
    *range(320, 329), 330, *range(332, 335), *range(336, 348), 351, *range(512, 522), *range(529, 533),
    *range(32995, 32999), *range(34016, 34034), 33421, 33422, 37439, 37724, 50706, 50707,
})  # fmt: skip
"""What IFD0 says of how the file stores its own pixels, and would be false in another."""

EXIF_STORAGE_TAGS = frozenset({0x9101, 0x9102})
"""What the Exif directory says of that: components, and bits that a pixel took."""

OFFSET_TAGS = frozenset({STRIP_OFFSETS, 0x0117, TILE_OFFSETS, 0x0145, 0x014A, THUMBNAIL_AT, THUMBNAIL_LENGTH})
"""Of these, what leads to other places in the file: it cannot stay where EXIF is laid out anew, while the rest can."""

# Of these, and of those of the file and its last editor, what EXIF in a finished picture has as well, and what tells
# nothing private: what is not named here may hold anything.
PLAIN_TAGS = SIZE_TAGS | RESOLUTION_TAGS | {
    0x000B, 0x0102, 0x0103, 0x0106, 0x010D, 0x0112, 0x0115, 0x012D, 0x0132, 0x013E, 0x013F, 0x0211, 0x0212, 0x0213,
    0x0214, 0x9102, 0xA302,
}  # fmt: skip

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
_TABLES = {"IFD0": "Image", "IFD1": "Image", "ExifIFD": "Exif", "GPS": "GPS", "InteropIFD": "Interop"}  # of piexif


def tag_name(group: str, tag: int) -> str:
    """The name of an EXIF tag, or its number in hexadecimal where it has none.

    >>> tag_name("GPS", 2), tag_name("IFD0", 0x0112), tag_name("IFD0", 0xFE00)
    ('GPSLatitude', 'Orientation', '0xFE00')

    Source: Exif 3.0 (CIPA DC-008) 4.6.4 to 4.6.8.
    """
    tables = (_TABLES.get(group, ""), "Exif", "Image") if group != "GPS" else ("GPS",)
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
