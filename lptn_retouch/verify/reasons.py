"""Why a tag may differ between a photograph and its retouched result; what has no reason here is a loss."""

from lptn_retouch.codecs.registry import format_of
from lptn_retouch.metadata import Kind
from lptn_retouch.metadata.exif.tags import describes_photograph
from lptn_retouch.metadata.photoshop import THUMBNAILS
from lptn_retouch.metadata.xmp.correct import DEVELOP, EXIF, TIFF, reason_left_out
from lptn_retouch.verify.tags import MAKER_NOTE, Tag

TURNED = "the turn is in the pixels now"
SIZE = "the size of the result"
THUMBNAIL = "a thumbnail of the retouched picture, or none"
SOFTWARE = "written by the software that saved last"
STORAGE = "describes how the source stored its pixels"
RAW_ONLY = "belongs to the RAW file, not to the photograph"
DEVELOPED = "the picture is developed: its settings must not be applied to it again"
RAW_MAKER_NOTE = "of a RAW file's maker note, what fits into EXIF and can be moved is kept"
PROFILE = "the result's pixels are in another profile, which it carries"
MULTI_PICTURE = "points at pictures behind the photograph that the result does not hold"
GAIN_MAP = "the gain map belongs to the unretouched pixels"
CREDENTIALS = "a C2PA signature is no longer valid after an edit"
ENCODER = "describes how the source's JPEG was encoded"
DENSITY = "the resolution stands in EXIF"
DIGEST = "a checksum that readers recompute"
MOVED = "the same bytes at another place: readers of this maker's notes may lose offsets"
IN_COMMENT = "it stands in a comment, with its keyword"
IN_SRGB = "the result is in sRGB"
WITHOUT_PROFILE = "the result is in sRGB, which needs no profile"
ONE_PACKET = "the extended XMP stands in the main packet, as this container has room for it"
EXTENDED_ANEW = "the name of the extended XMP, which was written anew"
ALTERED = "marked as algorithmically altered"
PRIVATE = "left out with metadata=strip-private"
ALL = "left out with metadata=none"

_STORAGE_TAGS = frozenset({
    0x00FE, 0x00FF, 0x0124, 0x0125, 0x0129, 0x0146, 0x0147, 0x0148, 0x014C, 0x014D, 0x0154, 0x0155, 0x935C,
    0x0102, 0x0103, 0x0106, 0x0107, 0x010A, 0x0111, 0x0115, 0x0116, 0x0117, 0x0118, 0x0119, 0x011C,
    0x012D, 0x013D, 0x0140, 0x0142, 0x0143, 0x0144, 0x0145, 0x014A, 0x0152, 0x0153, 0x015B, 0x0201, 0x0202, 0x0211,
    0x0212, 0x0213, 0x0214, 0x9101, 0x9102,
})  # fmt: skip
_SIZE_TAGS = frozenset({0x0100, 0x0101, 0xA002, 0xA003})
_SOFTWARE_TAGS = frozenset({0x000B, 0x0131, 0x0132})
_PLACES = {"IPTC": Kind.PHOTOSHOP, "Photoshop": Kind.PHOTOSHOP, "Text": Kind.COMMENT, "JFIF": Kind.JFIF}
_SRGB_MARKS = {("ExifIFD", "ColorSpace"): "1", ("InteropIFD", "InteroperabilityIndex"): "R98"}
_BLOCKS = {"MPF": MULTI_PICTURE, "GAIN_MAP": GAIN_MAP, "JUMBF": CREDENTIALS, "ADOBE": ENCODER, "JFXX": THUMBNAIL}
_SIZE_PROPERTIES = {(TIFF, "ImageWidth"), (TIFF, "ImageLength"), (EXIF, "PixelXDimension"), (EXIF, "PixelYDimension")}
_SOFTWARE_PROPERTIES = ("CreatorTool", "ModifyDate", "MetadataDate", "InstanceID", "DocumentID", "History")
XMP_NOTE = "http://ns.adobe.com/xmp/note/"
# These makers' notes count offsets from their own start, so that they may stand anywhere.
_SELF_CONTAINED = (b"Nikon\0\2", b"OLYMPUS\0", b"OM SYSTEM\0", b"FUJIFILM", b"Apple iOS\0", b"PENTAX \0")


def is_orientation(tag: Tag) -> bool:
    """Whether a tag says how the pixels must be turned."""
    return (tag.group == "IFD0" and tag.number == 0x0112) or (tag.space == TIFF and tag.name == "Orientation")


def is_storage(tag: Tag) -> bool:
    """Whether a tag only says how pixels are stored in their file."""
    return tag.group == "IFD0" and tag.number in _STORAGE_TAGS | _SIZE_TAGS


def may_stand_anywhere(maker_note: bytes) -> bool:
    """Whether a maker note's offsets survive a move.

    >>> may_stand_anywhere(b"FUJIFILM\\x0c\\0\\0\\0"), may_stand_anywhere(b"Panasonic\\0")
    (True, False)

    Source: ExifTool's MakerNotes documentation (base of offsets by maker).
    """
    return maker_note.startswith(_SELF_CONTAINED)


def reason_changed(before: Tag, after: Tag, *, from_raw: bool = False) -> str | None:
    """Why this value may have become that one; None where there is no known reason.

    Args:
        before: the tag in the source.
        after: in the result.
        from_raw: the source is a RAW file.

    >>> reason_changed(Tag("IFD0", "Orientation", "6", 0x0112), Tag("IFD0", "Orientation", "1", 0x0112))
    'the turn is in the pixels now'
    """
    if is_orientation(before):
        return TURNED if after.value == "1" else None
    if before.group == "IFD1" or (before.group == "Photoshop" and before.number in THUMBNAILS):
        return THUMBNAIL
    if from_raw and before.group == "ExifIFD" and before.number == MAKER_NOTE:
        return RAW_MAKER_NOTE
    if before.group in ("IFD0", "ExifIFD"):
        if before.number in _SIZE_TAGS:
            return SIZE
        if before.number in _SOFTWARE_TAGS:
            return SOFTWARE
        if before.number in _STORAGE_TAGS:
            return STORAGE
    if _SRGB_MARKS.get((before.group, before.name)) == after.value:
        return IN_SRGB
    if (before.space, before.name) == (DEVELOP, "AlreadyApplied"):
        return DEVELOPED
    if (before.space, before.name) in _SIZE_PROPERTIES:
        return SIZE
    if before.group in ("XMP-xmp", "XMP-xmpMM") and before.name.startswith(_SOFTWARE_PROPERTIES):
        return SOFTWARE
    if before.group == "ICC":
        return PROFILE
    if before.group == "Photoshop" and before.number == 0x0425:
        return DIGEST
    if (before.space, before.name) == (XMP_NOTE, "HasExtendedXMP"):
        return EXTENDED_ANEW
    if before.name == "DigitalSourceType" and after.value.endswith("/algorithmicallyEnhanced"):
        return ALTERED
    return ENCODER if before.group == "ADOBE" else None


def reason_dropped(before: Tag, *, from_raw: bool, into: str, result_has_resolution: bool) -> str | None:
    """Why a tag may be absent from the result; None where there is no known reason.

    Args:
        before: the tag in the source.
        from_raw: the source is a RAW file.
        into: the result's container.
        result_has_resolution: the result's EXIF has XResolution, so that JFIF's density is not missed.

    >>> reason_dropped(Tag("MPF", "Block", ""), from_raw=False, into="JPEG", result_has_resolution=False)
    'points at pictures behind the photograph that the result does not hold'
    """
    if before.group in _BLOCKS:
        return _BLOCKS[before.group]
    if is_orientation(before):
        return TURNED
    if before.group == "IFD1" or (before.group == "Photoshop" and before.number in THUMBNAILS):
        return THUMBNAIL
    if before.space and (notice := reason_left_out(before.space, before.name.partition("[")[0], before.value)):
        return notice
    if from_raw:
        if before.space == DEVELOP:
            return RAW_ONLY
        if before.group == "ExifIFD" and before.number == MAKER_NOTE:
            return RAW_MAKER_NOTE
        if before.group in ("IFD0", "ExifIFD") and not describes_photograph(before.number):
            return RAW_ONLY
    if is_storage(before) or (before.group == "ExifIFD" and before.number in _STORAGE_TAGS):
        return STORAGE
    if before.group == "JFIF" and result_has_resolution:
        return DENSITY
    format = format_of(into)
    if format is None:
        return None
    if before.group == "ICC" and format.holds is not None and not format.holds.profiles:
        return WITHOUT_PROFILE
    if (before.space, before.name) == (XMP_NOTE, "HasExtendedXMP") and Kind.EXTENDED_XMP not in format.carries:
        return ONE_PACKET
    place = Kind.OTHER if before.group.startswith("APP") else _PLACES.get(before.group)
    return f"{format.spoken} has no place for it" if place is not None and place not in format.carries else None
