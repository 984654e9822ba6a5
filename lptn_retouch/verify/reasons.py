"""Why a tag may differ between a photograph and its retouched result; what has no reason here is a loss."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from lptn_retouch.codecs.format import Format
from lptn_retouch.codecs.registry import format_of
from lptn_retouch.metadata import Kind
from lptn_retouch.metadata.exif.tags import (
    EXIF_STORAGE_TAGS,
    ORIENTATION,
    SIZE_TAGS,
    STORAGE_TAGS,
    describes_photograph,
)
from lptn_retouch.metadata.photoshop import IPTC_DIGEST, THUMBNAILS
from lptn_retouch.metadata.xmp.correct import DEVELOP, EXIF, TIFF, reason_left_out
from lptn_retouch.metadata.xmp.extended import XMP_NOTE
from lptn_retouch.structures.tiff import MAKER_NOTE
from lptn_retouch.verify.tags import Tag

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

_ANY_STORAGE = STORAGE_TAGS | EXIF_STORAGE_TAGS
_SOFTWARE_TAGS = frozenset({0x000B, 0x0131, 0x0132})
_PLACES = {"IPTC": Kind.PHOTOSHOP, "Photoshop": Kind.PHOTOSHOP, "Text": Kind.COMMENT, "JFIF": Kind.JFIF}
_SRGB_MARKS = {("ExifIFD", "ColorSpace"): "1", ("InteropIFD", "InteroperabilityIndex"): "R98"}
_SIZE_PROPERTIES = {(TIFF, "ImageWidth"), (TIFF, "ImageLength"), (EXIF, "PixelXDimension"), (EXIF, "PixelYDimension")}
_SOFTWARE_PROPERTIES = ("CreatorTool", "ModifyDate", "MetadataDate", "InstanceID", "DocumentID", "History")
# These makers' notes count offsets from their own start, so that they may stand anywhere.
_SELF_CONTAINED = (b"Nikon\0\2", b"OLYMPUS\0", b"OM SYSTEM\0", b"FUJIFILM", b"Apple iOS\0", b"PENTAX \0")


def is_orientation(tag: Tag) -> bool:
    """Whether a tag says how the pixels must be turned."""
    return (tag.group == "IFD0" and tag.number == ORIENTATION) or (tag.space == TIFF and tag.name == "Orientation")


def is_storage(tag: Tag) -> bool:
    """Whether a tag only says how pixels are stored in their file."""
    return tag.group == "IFD0" and tag.number in _ANY_STORAGE | SIZE_TAGS


def may_stand_anywhere(maker_note: bytes) -> bool:
    """Whether a maker note's offsets survive a move.

    >>> may_stand_anywhere(b"FUJIFILM\\x0c\\0\\0\\0"), may_stand_anywhere(b"Panasonic\\0")
    (True, False)

    Source: ExifTool's MakerNotes documentation (base of offsets by maker).
    """
    return maker_note.startswith(_SELF_CONTAINED)


def is_maker_note(tag: Tag) -> bool:
    """Whether a tag is the camera's maker note."""
    return tag.group == "ExifIFD" and tag.number == MAKER_NOTE


class _Case(NamedTuple):
    """A tag of the source, and what the rules ask of the result."""

    tag: Tag
    from_raw: bool
    value: str | None = None  # in the result, if it is there
    into: Format[Any] | None = None  # the result's container
    has_resolution: bool = False  # the result's EXIF gives one

    @property
    def of_exif(self) -> bool:
        return self.tag.group in ("IFD0", "ExifIFD")

    @property
    def xmp(self) -> tuple[str, str]:
        """Namespace and name of a property in XMP."""
        return self.tag.space, self.tag.name

    @property
    def has_place_for_profile(self) -> bool:
        return self.into is None or self.into.holds is None or self.into.holds.profiles

    def has_place_for(self, kind: Kind) -> bool:
        """Whether the result's container, if it is known, can hold such a block."""
        return self.into is None or kind in self.into.carries


def _is_thumbnail(case: _Case) -> bool:
    tag = case.tag
    return tag.group == "IFD1" or (tag.group == "Photoshop" and tag.number in THUMBNAILS)


def _is_raw_note(case: _Case) -> bool:
    return case.from_raw and is_maker_note(case.tag)


def _names_extended(case: _Case) -> bool:
    return case.xmp == (XMP_NOTE, "HasExtendedXMP")


_Rules: TypeAlias = tuple[tuple[str, Callable[[_Case], bool]], ...]

# Read from top to bottom; the first that holds is the reason.
_CHANGED: _Rules = (
    (TURNED, lambda c: is_orientation(c.tag) and c.value == "1"),
    (THUMBNAIL, _is_thumbnail),
    (RAW_MAKER_NOTE, _is_raw_note),
    (SIZE, lambda c: c.of_exif and c.tag.number in SIZE_TAGS),
    (SOFTWARE, lambda c: c.of_exif and c.tag.number in _SOFTWARE_TAGS),
    (STORAGE, lambda c: c.of_exif and c.tag.number in _ANY_STORAGE),
    (IN_SRGB, lambda c: _SRGB_MARKS.get((c.tag.group, c.tag.name)) == c.value),
    (DEVELOPED, lambda c: c.xmp == (DEVELOP, "AlreadyApplied")),
    (SIZE, lambda c: c.xmp in _SIZE_PROPERTIES),
    (SOFTWARE, lambda c: c.tag.group in ("XMP-xmp", "XMP-xmpMM") and c.tag.name.startswith(_SOFTWARE_PROPERTIES)),
    (PROFILE, lambda c: c.tag.group == "ICC"),
    (DIGEST, lambda c: c.tag.group == "Photoshop" and c.tag.number == IPTC_DIGEST),
    (EXTENDED_ANEW, _names_extended),
    (ALTERED, lambda c: c.tag.name == "DigitalSourceType" and str(c.value).endswith("/algorithmicallyEnhanced")),
    (ENCODER, lambda c: c.tag.group == "ADOBE"),
)
_DROPPED: _Rules = (
    (MULTI_PICTURE, lambda c: c.tag.group == "MPF"),
    (GAIN_MAP, lambda c: c.tag.group == "GAIN_MAP"),
    (CREDENTIALS, lambda c: c.tag.group == "JUMBF"),
    (ENCODER, lambda c: c.tag.group == "ADOBE"),
    (THUMBNAIL, lambda c: c.tag.group == "JFXX"),
    (TURNED, lambda c: is_orientation(c.tag)),
    (THUMBNAIL, _is_thumbnail),
    (RAW_ONLY, lambda c: c.from_raw and c.tag.space == DEVELOP),
    (RAW_MAKER_NOTE, _is_raw_note),
    (RAW_ONLY, lambda c: c.from_raw and c.of_exif and not describes_photograph(c.tag.number)),
    (STORAGE, lambda c: is_storage(c.tag) or (c.of_exif and c.tag.number in _ANY_STORAGE)),
    (DENSITY, lambda c: c.tag.group == "JFIF" and c.has_resolution),
    (WITHOUT_PROFILE, lambda c: c.tag.group == "ICC" and not c.has_place_for_profile),
    (ONE_PACKET, lambda c: _names_extended(c) and not c.has_place_for(Kind.EXTENDED_XMP)),
)


def reason_changed(before: Tag, after: Tag, *, from_raw: bool = False) -> str | None:
    """Why this value may have become that one; None where there is no known reason.

    Args:
        before: the tag in the source.
        after: in the result.
        from_raw: the source is a RAW file.

    >>> reason_changed(Tag("IFD0", "Orientation", "6", 0x0112), Tag("IFD0", "Orientation", "1", 0x0112))
    'the turn is in the pixels now'
    """
    return _first(_CHANGED, _Case(before, from_raw, after.value))


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
    case = _Case(before, from_raw, into=format_of(into), has_resolution=result_has_resolution)
    if before.space and (notice := reason_left_out(before.space, before.name.partition("[")[0], before.value)):
        return notice
    return _first(_DROPPED, case) or _no_place(case)


def _first(rules: _Rules, case: _Case) -> str | None:
    return next((reason for reason, holds in rules if holds(case)), None)


def _no_place(case: _Case) -> str | None:
    """That the result's container cannot hold the block which a tag stands in."""
    kind = Kind.OTHER if case.tag.group.startswith("APP") else _PLACES.get(case.tag.group)
    if kind is None or case.into is None or case.has_place_for(kind):
        return None
    return f"{case.into.spoken} has no place for it"
