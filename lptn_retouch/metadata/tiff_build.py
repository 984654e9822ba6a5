"""Building a fresh EXIF structure from values; the only place where one is laid out anew."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from lptn_retouch.metadata.tiff import (
    ASCII,
    EXIF_POINTER,
    GPS_POINTER,
    INTEROP_POINTER,
    LONG,
    RATIONAL,
    SHORT,
)


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
) -> bytes:
    """A TIFF structure with IFD0 and, where they hold something, the Exif, GPS and Interoperability directories.

    Args:
        order: byte order of all values, "<" or ">".
        main: values of IFD0, without pointers.
        exif: values of the Exif directory.
        gps: values of the GPS directory.
        interop: values of the Interoperability directory.

    Returns:
        The structure from its II or MM on, without IFD1. Of a tag that is given twice the first is written.

    >>> build_exif("<", [short_field(0x0112, 1)])[:10]
    b'II*\\x00\\x08\\x00\\x00\\x00\\x01\\x00'

    Source: TIFF 6.0 section 2; Exif 3.0 (CIPA DC-008) 4.6.
    """
    tables = {name: _table(fields) for name, fields in
              (("main", main), ("exif", exif), ("gps", gps), ("interop", interop))}  # fmt: skip
    pointers = (("main", EXIF_POINTER, "exif"), ("main", GPS_POINTER, "gps"), ("exif", INTEROP_POINTER, "interop"))
    placeholder = bytes(4)
    for owner, tag, name in reversed(pointers):
        if tables[name]:
            tables[owner][tag] = Field(tag, LONG, 1, placeholder)
    at = {}
    end = 8
    for name, table in tables.items():
        at[name] = end
        end += _room(table) if table or name == "main" else 0
    for owner, tag, name in pointers:
        if tables[name]:
            tables[owner][tag] = Field(tag, LONG, 1, struct.pack(order + "I", at[name]))
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8)
    return head + b"".join(
        _written(order, table, at[name]) for name, table in tables.items() if table or name == "main"
    )


def _table(fields: Iterable[Field]) -> dict[int, Field]:
    table: dict[int, Field] = {}
    for field in fields:
        table.setdefault(field.tag, field)
    return table


def _room(table: dict[int, Field]) -> int:
    outside = sum(len(f.data) + len(f.data) % 2 for f in table.values() if len(f.data) > 4)
    return 2 + 12 * len(table) + 4 + outside


def _written(order: str, table: dict[int, Field], at: int) -> bytes:
    entries, values = [], b""
    values_at = at + 2 + 12 * len(table) + 4
    for tag in sorted(table):
        field = table[tag]
        if len(field.data) > 4:
            inline = struct.pack(order + "I", values_at + len(values))
            values += field.data + bytes(len(field.data) % 2)
        else:
            inline = field.data.ljust(4, b"\0")
        entries.append(struct.pack(order + "HHI", tag, field.type, field.count) + inline)
    return struct.pack(order + "H", len(table)) + b"".join(entries) + bytes(4) + values
