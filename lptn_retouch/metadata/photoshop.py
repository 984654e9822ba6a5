"""Photoshop image resources (APP13, TIFF tag 34377) and the IPTC records one of them holds."""

import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

from lptn_retouch.structures.jpeg import jpeg_size

IPTC, IPTC_DIGEST = 0x0404, 0x0425
THUMBNAILS = (0x0409, 0x040C)
_SIGNATURES = (b"8BIM", b"PHUT", b"AgHg", b"DCSR", b"MeSa")
_THUMBNAIL_HEAD = 28
_MAX_RECORDS = 100_000

PHOTOSHOP_THUMBNAIL_DROPPED = (
    "The Photoshop thumbnail was blanked: it showed the unretouched photograph and no new one fits its place."
)


class Resource(NamedTuple):
    """One image resource: its number, its data, and where the data starts."""

    id: int
    data: bytes
    at: int


class IptcRecord(NamedTuple):
    """One IPTC-IIM data set: record number, data set number, value."""

    record: int
    dataset: int
    value: bytes


def photoshop_resources(data: bytes) -> Iterator[Resource]:
    """The image resources in these bytes, up to the first that is damaged.

    >>> [r.id for r in photoshop_resources(b"8BIM\\4\\4\\0\\0\\0\\0\\0\\2\\x1c\\2")]
    [1028]

    Source: Adobe Photoshop File Formats Specification, "Image Resource Blocks".
    """
    at = 0
    while at + 12 <= len(data) and data[at : at + 4] in _SIGNATURES:
        number = int.from_bytes(data[at + 4 : at + 6], "big")
        name_end = at + 7 + data[at + 6]
        at = name_end + (name_end - at) % 2
        size = int.from_bytes(data[at : at + 4], "big")
        at += 4
        if at + size > len(data):
            return
        yield Resource(number, data[at : at + size], at)
        at += size + size % 2


def coded_resource(number: int, data: bytes) -> bytes:
    """One image resource without a name, as bytes.

    >>> [r.data for r in photoshop_resources(coded_resource(IPTC, b"odd") + coded_resource(IPTC, b"even"))]
    [b'odd', b'even']

    Source: Adobe Photoshop File Formats Specification, "Image Resource Blocks".
    """
    return b"8BIM" + struct.pack(">HHI", number, 0, len(data)) + data + bytes(len(data) % 2)


def with_iptc(resources: bytes, value: bytes) -> bytes:
    """Image resources with the IPTC records of a TIFF's own tag among them, unless they hold some already.

    Args:
        resources: from the first 8BIM on.
        value: of the tag: records, or anything else, which is left out. Some writers call these bytes LONGs, so that
            a change of byte order has turned each four of them round.

    >>> list(photoshop_resources(with_iptc(b"", b"\\5\\2\\x1c\\0")))
    []
    >>> [r.data for r in photoshop_resources(with_iptc(b"", b"\\5\\2\\2\\x1c\\0\\0\\1\\0"))]
    [b'\\x1c\\x02\\x02\\x05\\x00\\x01\\x00\\x00']
    """
    if value[:1] != b"\x1c" and value[3:4] == b"\x1c":
        value = b"".join(value[i : i + 4][::-1] for i in range(0, len(value), 4))
    if value[:1] != b"\x1c" or any(resource.id == IPTC for resource in photoshop_resources(resources)):
        return resources
    return resources + coded_resource(IPTC, value)


def iptc_records(data: bytes) -> Iterator[IptcRecord]:
    """The IPTC-IIM data sets in these bytes, up to the first that is damaged.

    >>> list(iptc_records(b"\\x1c\\2\\x05\\0\\4Dawn"))
    [IptcRecord(record=2, dataset=5, value=b'Dawn')]

    Source: IPTC-NAA Information Interchange Model 4.2, chapter 3.
    """
    at = 0
    for _ in range(_MAX_RECORDS):
        if at + 5 > len(data) or data[at] != 0x1C:
            return
        record, dataset = data[at + 1], data[at + 2]
        size = int.from_bytes(data[at + 3 : at + 5], "big")
        at += 5
        if size & 0x8000:  # extended data set: the field holds the length of the length
            wide = size & 0x7FFF
            size = int.from_bytes(data[at : at + wide], "big") if wide <= 8 else len(data)
            at += wide
        if at + size > len(data):
            return
        yield IptcRecord(record, dataset, data[at : at + size])
        at += size


def patch_photoshop(
    data: bytes, make_thumbnail: Callable[[tuple[int, int], int], bytes | None]
) -> tuple[bytes, tuple[str, ...]]:
    """Put a new thumbnail in the place of Photoshop's; the resources keep their sizes and places.

    Args:
        data: image resources, from the first 8BIM on.
        make_thumbnail: as for `patch_exif`.

    Returns:
        As many bytes as came in, and notices.

    >>> patch_photoshop(b"8BIM\\4\\4\\0\\0\\0\\0\\0\\0", lambda box, most: None)[1]
    ()

    Source: Adobe Photoshop File Formats Specification, "Thumbnail resource format".
    """
    out = bytearray(data)
    notices: tuple[str, ...] = ()
    for resource in photoshop_resources(data):
        old = resource.data[_THUMBNAIL_HEAD:]
        if resource.id not in THUMBNAILS or not old:
            continue
        at = resource.at + _THUMBNAIL_HEAD
        out[at : at + len(old)] = bytes(len(old))
        box = max(jpeg_size(old) or (160, 160))
        new = make_thumbnail((box, box), len(old))
        size = jpeg_size(new) if new else None
        if new is None or size is None or len(new) > len(old):
            # Format 0 and a size of nothing: the resource stays so that nothing moves, but holds no picture.
            out[resource.at : at] = bytes(_THUMBNAIL_HEAD)
            notices = (PHOTOSHOP_THUMBNAIL_DROPPED,)
            continue
        width, height = size
        row = (width * 24 + 31) // 32 * 4
        numbers = (1, width, height, row, row * height, len(new))
        head = b"".join(number.to_bytes(4, "big") for number in numbers) + resource.data[24:28]
        out[resource.at : at] = head
        out[at : at + len(new)] = new
    return bytes(out), notices
