"""What a TIFF picture carries besides its pixels, and a fresh TIFF that carries it again.

A TIFF has no EXIF block: it is one. So reading lays a block out from its directories, and writing starts the file with
the block, whose directories and maker notes then stand where their offsets say.
"""

import struct
from collections.abc import Iterator

import numpy as np

from lptn_retouch.errors import MetadataError
from lptn_retouch.metadata.blocks import Block, Kind, exif_block, icc_blocks, photoshop_block, xmp_block
from lptn_retouch.metadata.exif.build import Field, build_exif
from lptn_retouch.metadata.metadata import Metadata
from lptn_retouch.metadata.photoshop import IPTC, coded_resource, photoshop_resources
from lptn_retouch.metadata.unsupported import exif_damaged, has_resolution, left_out, resolution_fields
from lptn_retouch.structures.tiff import (
    ASCII,
    BYTE,
    EXIF_POINTER,
    GPS_POINTER,
    IFD8,
    INTEROP_POINTER,
    LONG,
    LONG8,
    MAKER_NOTE,
    RATIONAL,
    SHORT,
    UNDEFINED,
    BigTiff,
    Entry,
    Ifd,
    Tiff,
    open_tiff,
)

XMP_TAG, IPTC_TAG, PHOTOSHOP_TAG, ICC_TAG = 700, 33723, 34377, 34675
STORAGE_TAGS = frozenset(
    {
        *range(254, 260), *range(262, 267), 273, *range(277, 282), 284, *range(288, 294), 297, 301, 317,
        *range(320, 329), 330, *range(332, 335), *range(336, 348), 351, *range(512, 522), *range(529, 533),
        *range(32995, 32999), *range(34016, 34034), 33421, 33422, 37439, 37724, 50706, 50707,
    }
)  # fmt: skip
"""Tags that say how a file stores its own pixels, and would be false in another."""

_RESOLUTION_TAGS = frozenset({282, 283, 296})
_POINTERS = frozenset({EXIF_POINTER, GPS_POINTER, INTEROP_POINTER})
_BLOCK_TAGS = frozenset({XMP_TAG, IPTC_TAG, PHOTOSHOP_TAG, ICC_TAG})
_STRIPS, _TILES = 273, 324
_LONGEST_BLOCK = 16 << 20
# Longer ones are other programs' private data; with them the block would fit into no JPEG.
_LONGEST_VALUE = 16384
_SLACK = 1 << 20

EXIF_IN_BIG = "The EXIF block was left out: a TIFF this large has 64-bit offsets, which the block has not."
TOO_LARGE = "The metadata was left out: with it the TIFF would grow beyond 4 GB."


def tiff_blocks(tiff: Tiff) -> tuple[Block, ...]:
    """The metadata of a TIFF's or BigTIFF's first picture. Never raises: of a damaged file it takes what is sound.

    Returns:
        EXIF laid out anew, without the tags of the file's storage and its thumbnail, but with the maker note at the
        offset where it stood; XMP; IPTC and Photoshop's resources as one block; ICC.

    >>> from lptn_retouch.metadata.exif.build import build_exif, text_field
    >>> Metadata(tiff_blocks(Tiff(build_exif("<", [text_field(0x010F, "Canon")])))).exif[-6:]
    b'Canon\\x00'

    Source: TIFF 6.0; Exif 3.0 (CIPA DC-008) 4.6; XMP part 3, 1.1.4; Adobe Photoshop TIFF Technical Notes (2002).
    """
    first = tiff.ifd(tiff.first)
    if first is None:
        return ()
    found = {entry.tag: tiff.raw(entry) for entry in reversed(first.entries)
             if entry.tag in _BLOCK_TAGS and 0 < entry.size <= _LONGEST_BLOCK}  # fmt: skip
    resources = found.get(PHOTOSHOP_TAG, b"")
    if all(resource.id != IPTC for resource in photoshop_resources(resources)):
        resources += _iptc_resource(found.get(IPTC_TAG, b""))
    exif = _exif(tiff, first)
    xmp = found.get(XMP_TAG, b"").rstrip(b"\0")
    return (
        *((exif_block(exif),) if exif else ()),
        *((xmp_block(xmp),) if xmp else ()),
        *((photoshop_block(resources),) if resources else ()),
        *icc_blocks(found.get(ICC_TAG, b"")),
    )


def _iptc_resource(iptc: bytes) -> bytes:
    """IPTC records as Photoshop holds them."""
    if iptc[:1] != b"\x1c" and iptc[3:4] == b"\x1c":  # the records are bytes, but the tag's LONGs were swapped
        iptc = b"".join(iptc[i : i + 4][::-1] for i in range(0, len(iptc), 4))
    if iptc[:1] != b"\x1c":
        return b""
    return coded_resource(IPTC, iptc)


def _exif(tiff: Tiff, first: Ifd) -> bytes | None:
    photo = tiff.pointed(first, EXIF_POINTER)
    main = [
        field
        for field in _fields(tiff, first)
        if field.tag not in STORAGE_TAGS and (field.type == ASCII or len(field.data) <= _LONGEST_VALUE)
    ]
    rest = [list(_fields(tiff, ifd)) for ifd in
            (photo, tiff.pointed(first, GPS_POINTER), tiff.pointed(photo, INTEROP_POINTER))]  # fmt: skip
    if not main and not any(rest):
        return None
    note = photo.get(MAKER_NOTE) if photo else None
    return build_exif(tiff.order, main, *rest, pinned=note.value_at if note else None)


def _fields(tiff: Tiff, ifd: Ifd | None) -> Iterator[Field]:
    """The values of a directory but its pointers and blocks; EXIF has no 64-bit numbers, so these become LONG."""
    room = _LONGEST_BLOCK
    for entry in ifd.entries if ifd else ():
        room -= entry.size
        if entry.tag in _POINTERS or entry.tag in _BLOCK_TAGS or room < 0:
            continue
        if entry.type < LONG8 or entry.type > IFD8:
            yield Field(entry.tag, entry.type, entry.count, tiff.raw(entry))
        elif (number := tiff.number(entry)) is not None and entry.count == 1 and 0 <= number < 1 << 32:
            yield Field(entry.tag, LONG, 1, struct.pack(tiff.order + "I", number))


def _sound_exif(exif: bytes | None) -> tuple[Tiff, Ifd] | None:
    try:
        tiff = Tiff(exif or b"")
    except MetadataError:
        return None
    first = tiff.ifd(tiff.first)
    return (tiff, first) if first is not None else None


def embed_tiff(picture: bytes, metadata: Metadata) -> tuple[bytes, tuple[str, ...]]:
    """Put metadata into a freshly encoded TIFF; the coded pixels are not touched.

    The file starts with the EXIF block, verbatim but for the offset of its first directory. Then comes the picture,
    and at the end a new first directory: how the picture is stored, and what IFD0 of the EXIF block says of the
    photograph. The EXIF thumbnail gets no directory: in a TIFF it would be a second page.

    Args:
        picture: one page, encoded in the order of `Metadata.byte_order`.
        metadata: what it shall carry, usually `Metadata.for_result(...)`.

    Returns:
        The TIFF, and a sentence for each thing that it cannot hold.

    Raises:
        MetadataError: the picture is no TIFF, or one in the other byte order.

    Source: TIFF 6.0 section 2; XMP part 3, 1.1.4; Adobe Photoshop TIFF Technical Notes (2002).
    """
    from lptn_retouch.metadata.xmp.extended import merged_xmp

    tiff = open_tiff(picture)
    stored = tiff.ifd(tiff.first) if tiff is not None else None
    if tiff is None or stored is None:
        raise MetadataError("The freshly encoded TIFF has no directory; encode it again before adding metadata.")
    is_big = isinstance(tiff, BigTiff)
    if not is_big and len(picture) + sum(len(block.data) for block in metadata.blocks) + _SLACK >= 1 << 32:
        return picture, (TOO_LARGE,)
    xmp, said = merged_xmp(metadata)
    notices = [*said, *left_out(metadata, "a TIFF", Kind.PHOTOSHOP)]
    exif = _sound_exif(metadata.exif)
    if metadata.exif is not None and (exif is None or is_big):
        notices.append(EXIF_IN_BIG if is_big else exif_damaged("a TIFF"))
        metadata, exif = Metadata(tuple(b for b in metadata.blocks if b.kind is not Kind.EXIF)), None
    if exif is not None and exif[0].order != tiff.order:
        raise MetadataError("The TIFF and its EXIF differ in byte order; encode the picture in metadata.byte_order.")

    header = 8 + 8 * is_big
    ahead = b"" if exif is None else bytes(exif[0].data[header:])
    ahead += bytes(len(ahead) % 2)
    page = _Directory(tiff, len(ahead) + len(picture))
    own = STORAGE_TAGS | {ICC_TAG} | (frozenset() if has_resolution(metadata.exif) else _RESOLUTION_TAGS)
    for entry in stored.entries:
        if entry.tag in (_STRIPS, _TILES):
            page.add_offsets(entry, len(ahead))
        elif entry.tag in own:
            page.add_standing(tiff, entry, len(ahead))
    if exif is not None:
        for entry in _descriptions(*exif):
            page.add_standing(exif[0], entry, 0)
    for field in (*resolution_fields(metadata, tiff.order), *_block_fields(metadata, xmp)):
        page.add(field)
    at, behind = page.written()
    mark = picture[: header // 2] + struct.pack(tiff.order + tiff.offset_code, at)
    return b"".join((mark, ahead, memoryview(picture)[header:], behind)), tuple(notices)


def _descriptions(exif: Tiff, first: Ifd) -> Iterator[Entry]:
    """What IFD0 of an EXIF block says of the photograph; without pointers that would lead into the pixels."""
    for entry in first.entries:
        leads_nowhere = entry.tag in _POINTERS and exif.pointed(first, entry.tag) is None
        no_resolution = entry.tag in _RESOLUTION_TAGS and entry.type not in (SHORT, RATIONAL)  # Pillow refuses it
        if entry.tag in STORAGE_TAGS or entry.tag == ICC_TAG or no_resolution:
            continue
        if entry.value_at >= 8 and not leads_nowhere:
            yield entry


def _block_fields(metadata: Metadata, xmp: bytes | None) -> Iterator[Field]:
    if xmp:
        yield Field(XMP_TAG, BYTE, len(xmp), xmp)
    if iptc := metadata.iptc:
        # Photoshop writes LONG, padded; but then the digest among its resources no longer matches.
        yield Field(IPTC_TAG, BYTE, len(iptc), iptc)
    if photoshop := metadata.photoshop:
        yield Field(PHOTOSHOP_TAG, BYTE, len(photoshop), photoshop)
    if icc := metadata.icc:
        yield Field(ICC_TAG, UNDEFINED, len(icc), icc)


class _Directory:
    """A directory behind the end of a file, and the values that it needs room for."""

    def __init__(self, tiff: Tiff, end: int) -> None:
        self._tiff, self._end = tiff, end
        self._room = struct.calcsize("=" + tiff.offset_code)
        self._entries: dict[int, bytes] = {}
        self._values = bytearray(end % 2)

    def add(self, field: Field) -> None:
        """Add a value; of a tag that is added twice the second is written."""
        value = field.data.ljust(self._room, b"\0")
        if len(value) > self._room:
            value = self._packed(self._tiff.offset_code, self._end + len(self._values))
            self._values += field.data + bytes(len(field.data) % 2)
        head = self._packed(self._tiff.entry_code, field.tag, field.type, field.count)
        self._entries[field.tag] = head + value

    def add_standing(self, source: Tiff, entry: Entry, shift: int) -> None:
        """Add a value that stands in the file already, so many bytes behind where it stood in its source."""
        if entry.size <= self._room:
            self.add(Field(entry.tag, entry.type, entry.count, source.raw(entry)))
        else:
            head = self._packed(self._tiff.entry_code, entry.tag, entry.type, entry.count)
            self._entries[entry.tag] = head + self._packed(self._tiff.offset_code, entry.value_at + shift)

    def add_offsets(self, entry: Entry, shift: int) -> None:
        """Add the offsets of the strips or tiles, which stand so many bytes behind where they stood."""
        offsets = np.frombuffer(self._tiff.raw(entry), self._tiff.order + f"u{entry.size // entry.count}")
        kind, size = (LONG8, 8) if isinstance(self._tiff, BigTiff) else (LONG, 4)
        moved = (offsets.astype(np.int64) + shift).astype(f"{self._tiff.order}u{size}")
        self.add(Field(entry.tag, kind, entry.count, moved.tobytes()))

    def written(self) -> tuple[int, bytes]:
        """Where the directory stands, and all that stands behind the file's end."""
        entries = [self._entries[tag] for tag in sorted(self._entries)]
        at = self._end + len(self._values)
        count, last = self._packed(self._tiff.count_code, len(entries)), self._packed(self._tiff.offset_code, 0)
        return at, b"".join((self._values, count, *entries, last))

    def _packed(self, code: str, *numbers: int) -> bytes:
        return struct.pack(self._tiff.order + code, *numbers)
