"""Metadata blocks out of the containers that Pillow reads, as bytes wherever it hands bytes out."""

from typing import BinaryIO

from PIL import Image, ImageFile

from lptn_retouch.errors import reason
from lptn_retouch.metadata import Metadata

_XMP_TAG = 700
# Tags that describe how a TIFF's own pixels are stored, or carry blocks taken along on their own.
STORAGE_TAGS = frozenset(
    {
        *range(254, 260), *range(262, 267), 273, *range(277, 282), 284, *range(288, 294), 297, 301, *range(317, 326),
        330, *range(332, 335), *range(336, 342), 347, *range(512, 515), *range(529, 533), _XMP_TAG, 34675,
    }
)  # fmt: skip


def read_metadata(image: ImageFile.ImageFile, file: BinaryIO, kind: str) -> tuple[Metadata, tuple[str, ...]]:
    """The blocks of an open picture. Bad metadata never costs the picture: it becomes a notice.

    A TIFF has no EXIF block, as the file itself is one, so its EXIF is written anew without the tags of its storage.

    Args:
        image: opened by Pillow, pixels not necessarily loaded.
        file: the same file; its position is kept.
        kind: "JPEG", "PNG", "TIFF", "WEBP", "GIF" or "BMP".
    """
    place = file.tell()
    try:
        if kind == "JPEG":
            file.seek(0)
            return Metadata.from_jpeg(file.read()), ()
        info = image.info
        exif, xmp = info.get("exif"), info.get("xmp", info.get("XML:com.adobe.xmp"))
        if kind == "TIFF":
            exif, xmp = _tiff_exif(image), getattr(image, "tag_v2", {}).get(_XMP_TAG)
        return Metadata.build(exif=_bytes(exif), xmp=_bytes(xmp), icc=_bytes(info.get("icc_profile"))), ()
    except Exception as error:
        return Metadata.build(), (f"Its metadata is damaged and left out ({reason(error)}).",)
    finally:
        file.seek(place)


def _bytes(block: object) -> bytes | None:
    if isinstance(block, str):
        return block.encode("utf-8", "surrogateescape") or None
    return bytes(block) or None if isinstance(block, (bytes, bytearray)) else None


def _tiff_exif(image: ImageFile.ImageFile) -> bytes | None:
    original = image.getexif()
    copy = Image.Exif()
    for tag in original:
        if tag not in STORAGE_TAGS:
            copy[tag] = original.get_ifd(tag) if tag in (0x8769, 0x8825) else original[tag]
    return copy.tobytes() if len(copy) else None
