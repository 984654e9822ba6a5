"""What a TIFF picture carries besides its pixels, and a fresh TIFF that carries it again.

A TIFF has no EXIF block: it is one. So reading lays a block out from its directories, and writing starts the file with
the block, whose directories and maker notes then stand where their offsets say.
"""

import struct
from collections.abc import Iterator

import numpy as np

from lptn_retouch.errors import MetadataError
from lptn_retouch.metadata.blocks import Block, Kind
from lptn_retouch.metadata.exif.build import Field, build_exif
from lptn_retouch.metadata.exif.directories import Directories, directories, read_exif
from lptn_retouch.metadata.exif.tags import (
    BLOCK_TAGS,
    ICC_TAG,
    IPTC_TAG,
    PHOTOSHOP_TAG,
    POINTERS,
    RESOLUTION_TAGS,
    STORAGE_TAGS,
    STRIP_OFFSETS,
    TILE_OFFSETS,
    XMP_TAG,
)
from lptn_retouch.metadata.metadata import Metadata
from lptn_retouch.metadata.photoshop import with_iptc
from lptn_retouch.metadata.resolution import has_resolution, resolution_fields
from lptn_retouch.metadata.unsupported import exif_damaged, left_out
from lptn_retouch.metadata.xmp.extended import merged_xmp
from lptn_retouch.structures.tiff import (
    ASCII,
    BYTE,
    IFD8,
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
    found = directories(tiff)
    if found is None:
        return ()
    return with_blocks_in_tags(_exif(found), found, _LONGEST_BLOCK).blocks


def with_blocks_in_tags(exif: bytes | None, found: Directories, longest: int) -> Metadata:
    """EXIF and what a TIFF holds as values of its first directory: XMP; IPTC and Photoshop's resources as one; ICC.

    Args:
        exif: as it is laid out anew.
        found: the file's directories.
        longest: longest value that is read, in bytes.
    """
    values = {entry.tag: found.tiff.raw(entry) for entry in reversed(found.main.entries)
              if entry.tag in BLOCK_TAGS and entry.size <= longest}  # fmt: skip
    xmp = values.get(XMP_TAG, b"").rstrip(b"\0")
    resources = with_iptc(values.get(PHOTOSHOP_TAG, b""), values.get(IPTC_TAG, b""))
    return Metadata.build(exif=exif, xmp=xmp, icc=values.get(ICC_TAG), photoshop=resources)


def _exif(found: Directories) -> bytes | None:
    main = [
        field
        for field in _fields(found.tiff, found.main)
        if field.tag not in STORAGE_TAGS and (field.type == ASCII or len(field.data) <= _LONGEST_VALUE)
    ]
    rest = [list(_fields(found.tiff, ifd)) for ifd in (found.exif, found.gps, found.interop)]
    if not main and not any(rest):
        return None
    note = found.exif.get(MAKER_NOTE) if found.exif else None
    return build_exif(found.tiff.order, main, *rest, pinned=note.value_at if note else None)


def _fields(tiff: Tiff, ifd: Ifd | None) -> Iterator[Field]:
    """The values of a directory but its pointers and blocks; EXIF has no 64-bit numbers, so these become LONG."""
    room = _LONGEST_BLOCK
    for entry in ifd.entries if ifd else ():
        room -= entry.size
        if entry.tag in POINTERS | BLOCK_TAGS or room < 0:
            continue
        if entry.type < LONG8 or entry.type > IFD8:
            yield Field(entry.tag, entry.type, entry.count, tiff.raw(entry))
        elif (number := tiff.number(entry)) is not None and entry.count == 1 and 0 <= number < 1 << 32:
            yield Field(entry.tag, LONG, 1, struct.pack(tiff.order + "I", number))


def embed_tiff(picture: bytes, metadata: Metadata) -> tuple[bytes, tuple[str, ...]]:
    """Put metadata into a freshly encoded TIFF; the coded pixels are not touched. See `Format.embed`.

    The file starts with the EXIF block, verbatim but for the offset of its first directory. Then comes the picture,
    and at the end a new first directory: how the picture is stored, and what IFD0 of the EXIF block says of the
    photograph. The EXIF thumbnail gets no directory: in a TIFF it would be a second page.

    Raises:
        MetadataError: the picture is no TIFF, or one in the other byte order.

    Source: TIFF 6.0 section 2; XMP part 3, 1.1.4; Adobe Photoshop TIFF Technical Notes (2002).
    """
    tiff = open_tiff(picture)
    stored = tiff.ifd(tiff.first) if tiff is not None else None
    if tiff is None or stored is None:
        raise MetadataError("The freshly encoded TIFF has no directory; encode it again before adding metadata.")
    is_big = isinstance(tiff, BigTiff)
    if not is_big and len(picture) + sum(len(block.data) for block in metadata.blocks) + _SLACK >= 1 << 32:
        return picture, (TOO_LARGE,)
    xmp, said = merged_xmp(metadata)
    notices = [*said, *left_out(metadata, "a TIFF", Kind.PHOTOSHOP)]
    exif = read_exif(metadata.exif)
    if metadata.exif is not None and (exif is None or is_big):
        notices.append(EXIF_IN_BIG if is_big else exif_damaged("a TIFF"))
        metadata, exif = Metadata(tuple(b for b in metadata.blocks if b.kind is not Kind.EXIF)), None
    if exif is not None and exif.tiff.order != tiff.order:
        raise MetadataError("The TIFF and its EXIF differ in byte order; encode the picture in metadata.byte_order.")
    header = 8 + 8 * is_big
    ahead = b"" if exif is None else bytes(exif.tiff.data[header:])
    ahead += bytes(len(ahead) % 2)
    page = _Directory(tiff, len(ahead) + len(picture))
    page.add_picture(stored, len(ahead), with_resolution=not has_resolution(metadata.exif))
    if exif is not None:
        for entry in _descriptions(exif):
            page.add_standing(exif.tiff, entry, 0)
    for field in (*resolution_fields(metadata, tiff.order), *_block_fields(metadata, xmp)):
        page.add(field)
    at, behind = page.written()
    mark = picture[: header // 2] + struct.pack(tiff.order + tiff.offset_code, at)
    return b"".join((mark, ahead, memoryview(picture)[header:], behind)), tuple(notices)


def _descriptions(exif: Directories) -> Iterator[Entry]:
    """What IFD0 of an EXIF block says of the photograph; without pointers that would lead into the pixels."""
    for entry in exif.main.entries:
        leads_nowhere = entry.tag in POINTERS and exif.tiff.pointed(exif.main, entry.tag) is None
        no_resolution = entry.tag in RESOLUTION_TAGS and entry.type not in (SHORT, RATIONAL)  # Pillow refuses it
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

    def add_picture(self, stored: Ifd, shift: int, *, with_resolution: bool) -> None:
        """Add what the encoder's directory says of its pixels, which stand so many bytes behind where they stood."""
        for entry in stored.entries:
            if entry.tag in (STRIP_OFFSETS, TILE_OFFSETS):
                self.add_offsets(entry, shift)
            elif entry.tag in STORAGE_TAGS | {ICC_TAG} or (with_resolution and entry.tag in RESOLUTION_TAGS):
                self.add_standing(self._tiff, entry, shift)

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
