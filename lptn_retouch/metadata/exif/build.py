"""Building a fresh EXIF structure from values; the only place where one is laid out anew."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from lptn_retouch.metadata.blocks import LONGEST_EXIF
from lptn_retouch.metadata.exif.tags import COMPRESSION, THUMBNAIL_AT, THUMBNAIL_LENGTH
from lptn_retouch.structures.tiff import (
    ASCII,
    EXIF_POINTER,
    GPS_POINTER,
    INTEROP_POINTER,
    LONG,
    MAKER_NOTE,
    RATIONAL,
    SHORT,
)

_HEADER, _JPEG, _IFD1 = 8, 6, "thumbnail"
_POINTERS = (("main", EXIF_POINTER, "exif"), ("main", GPS_POINTER, "gps"), ("exif", INTEROP_POINTER, "interop"))


@dataclass(frozen=True, slots=True)
class Field:
    """One value to write: tag, TIFF type, count of items, and its bytes in the structure's byte order."""

    tag: int
    type: int
    count: int
    data: bytes


def text_field(tag: int, text: str) -> Field:
    """An ASCII value with its closing NUL.

    >>> text_field(0x010F, "Canon").data
    b'Canon\\x00'
    """
    data = text.encode("utf-8") + b"\0"
    return Field(tag, ASCII, len(data), data)


def short_field(tag: int, number: int) -> Field:
    """A SHORT value, little-endian; the number is 0..65535.

    >>> short_field(0x0112, 1).data
    b'\\x01\\x00'
    """
    return Field(tag, SHORT, 1, struct.pack("<H", number))


def rational_field(tag: int, number: float) -> Field:
    """A RATIONAL value, little-endian, within one millionth of the number; the number is 0..4294.

    >>> struct.unpack("<II", rational_field(0x829A, 0.004).data)
    (1, 250)
    """
    fraction = Fraction(number).limit_denominator(1_000_000)
    return Field(tag, RATIONAL, 1, struct.pack("<II", fraction.numerator, fraction.denominator))


def build_exif(
    order: str,
    main: Iterable[Field],
    exif: Iterable[Field] = (),
    gps: Iterable[Field] = (),
    interop: Iterable[Field] = (),
    *,
    pinned: int | None = None,
    thumbnail: bytes | None = None,
) -> bytes:
    """A TIFF structure with IFD0 and, where they hold something, the Exif, GPS and Interoperability directories.

    Args:
        order: byte order of all values, "<" or ">".
        main: values of IFD0, without pointers.
        exif: values of the Exif directory.
        gps: values of the GPS directory.
        interop: values of the Interoperability directory.
        pinned: offset in bytes at which the maker note stood in its file. It stands there again, with everything else
            around it, because most cameras write offsets into it that count from the file's start; where the
            structure would grow longer than a JPEG's EXIF can be, it stands wherever there is room.
        thumbnail: a JPEG for IFD1; it is left out where the structure would grow too long with it.

    Returns:
        The structure from its II or MM on. Of a tag that is given twice the first is written.

    >>> build_exif("<", [short_field(0x0112, 1)])[:10]
    b'II*\\x00\\x08\\x00\\x00\\x00\\x01\\x00'
    >>> build_exif("<", [], [Field(MAKER_NOTE, 7, 5, b"Nikon")], pinned=99).index(b"Nikon")
    99

    Source: TIFF 6.0 section 2; Exif 3.0 (CIPA DC-008) 4.6.
    """
    tables = {name: _table(fields) for name, fields in
              (("main", main), ("exif", exif), ("gps", gps), ("interop", interop))}  # fmt: skip
    for owner, tag, name in reversed(_POINTERS):
        if tables[name]:
            tables[owner][tag] = Field(tag, LONG, 1, bytes(4))
    note = tables["exif"].get(MAKER_NOTE)
    if note is not None and pinned is not None and pinned >= _HEADER and 4 < len(note.data) <= LONGEST_EXIF - pinned:
        around = _laid_out(order, tables, pinned)
        if len(around) <= LONGEST_EXIF:
            return around
    if thumbnail is not None:
        whole = _laid_out(order, tables | {_IFD1: _thumbnail_table(order, len(thumbnail))}, thumbnail=thumbnail)
        if len(whole) <= LONGEST_EXIF:
            return whole
    return _laid_out(order, tables)


def _table(fields: Iterable[Field]) -> dict[int, Field]:
    table: dict[int, Field] = {}
    for field in fields:
        table.setdefault(field.tag, field)
    return table


def _thumbnail_table(order: str, length: int, at: int = 0) -> dict[int, Field]:
    """IFD1 of a JPEG of so many bytes, which stands at this offset."""
    places = ((THUMBNAIL_AT, at), (THUMBNAIL_LENGTH, length))
    return _table([Field(COMPRESSION, SHORT, 1, struct.pack(order + "H", _JPEG)),
                   *(Field(tag, LONG, 1, struct.pack(order + "I", number)) for tag, number in places)])  # fmt: skip


class _Room:
    """Free places at even offsets, in front of a span that is taken and then behind it."""

    def __init__(self, start: int, end: int) -> None:
        self._low, self._start, self.end = _HEADER, start, end + end % 2

    def take(self, size: int) -> int:
        size += size % 2
        if self._low + size <= self._start:
            self._low += size
            return self._low - size
        self.end += size
        return self.end - size


def _laid_out(order: str, tables: dict[str, dict[int, Field]], pinned: int = 0, thumbnail: bytes = b"") -> bytes:
    """The structure, each directory followed by its values; around the maker note, where that is pinned."""
    note = tables["exif"][MAKER_NOTE] if pinned else None
    room = _Room(pinned, pinned + len(note.data)) if note else _Room(_HEADER, _HEADER)
    at: dict[str, int] = {}  # of each directory
    values_at: dict[tuple[str, int], int] = {}  # by directory and tag
    for name, table in tables.items():
        if not table and name != "main":
            continue
        at[name] = room.take(2 + 12 * len(table) + 4)
        for tag in sorted(tag for tag, field in table.items() if len(field.data) > 4):
            values_at[name, tag] = pinned if table[tag] is note else room.take(len(table[tag].data))
    for owner, tag, name in _POINTERS:
        if name in at:
            tables[owner][tag] = Field(tag, LONG, 1, struct.pack(order + "I", at[name]))
    if thumbnail:
        thumbnail_at = room.take(len(thumbnail))
        tables[_IFD1] = _thumbnail_table(order, len(thumbnail), thumbnail_at)
    out = bytearray(room.end)
    out[:_HEADER] = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, at["main"])
    for (name, tag), place in values_at.items():
        out[place : place + len(tables[name][tag].data)] = tables[name][tag].data
    for name, place in at.items():
        table = tables[name]
        entries = b"".join(_entry(order, table[tag], values_at.get((name, tag))) for tag in sorted(table))
        out[place : place + 2 + len(entries)] = struct.pack(order + "H", len(table)) + entries
    if thumbnail:
        struct.pack_into(order + "I", out, at["main"] + 2 + 12 * len(tables["main"]), at[_IFD1])
        out[thumbnail_at : thumbnail_at + len(thumbnail)] = thumbnail
    return bytes(out)


def _entry(order: str, field: Field, value_at: int | None) -> bytes:
    inline = field.data.ljust(4, b"\0") if value_at is None else struct.pack(order + "I", value_at)
    return struct.pack(order + "HHI", field.tag, field.type, field.count) + inline
