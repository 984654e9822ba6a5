"""Reading a TIFF structure (EXIF is one) with every offset checked: no length or pointer in the file is trusted."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from lptn_retouch.errors import MetadataError
from lptn_retouch.structures import Buffer, FileView

MAX_ENTRIES = 4096
MAX_IFDS = 64
_MOST_NUMBERS = 1 << 20  # a gigapixel in 32 x 32 tiles

BYTE, ASCII, SHORT, LONG, RATIONAL, SBYTE, UNDEFINED, SSHORT, SLONG, SRATIONAL, FLOAT, DOUBLE, IFD = range(1, 14)
LONG8, SLONG8, IFD8 = range(16, 19)
UTF8 = 129

TYPE_SIZES = {BYTE: 1, ASCII: 1, SHORT: 2, LONG: 4, RATIONAL: 8, SBYTE: 1, UNDEFINED: 1, SSHORT: 2, SLONG: 4,
              SRATIONAL: 8, FLOAT: 4, DOUBLE: 8, IFD: 4, LONG8: 8, SLONG8: 8, IFD8: 8, UTF8: 1}  # fmt: skip
"""Bytes that one value of a type takes."""
_CODES = {BYTE: "B", SHORT: "H", LONG: "I", RATIONAL: "I", SBYTE: "b", SSHORT: "h", SLONG: "i", SRATIONAL: "i",
          FLOAT: "f", DOUBLE: "d", IFD: "I", LONG8: "Q", SLONG8: "q", IFD8: "Q"}  # fmt: skip
_INTEGERS = frozenset({BYTE, SHORT, LONG, SBYTE, SSHORT, SLONG, IFD, LONG8, SLONG8, IFD8})
MAGICS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""How TIFF and BigTIFF files start."""

# 42 is TIFF and EXIF; the others head the RAW files of Panasonic (0x55) and Olympus (RO, RS, OR).
_NUMBERS = frozenset({42, 0x55, 0x4F52, 0x5352, 0x524F, 0x5253})

EXIF_POINTER, GPS_POINTER, INTEROP_POINTER = 0x8769, 0x8825, 0xA005
SUB_IFDS = 0x014A
MAKER_NOTE = 0x927C

Value: TypeAlias = bytes | str | tuple[int, ...] | tuple[float, ...] | tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One directory entry: its place in the structure, and where its value stands (TIFF 6.0, section 2)."""

    tag: int
    type: int
    count: int
    at: int
    value_at: int
    size: int


@dataclass(frozen=True, slots=True)
class Ifd:
    """One image file directory: its entries, and the link to the next one (`next_at` None when it was cut off)."""

    at: int
    entries: tuple[Entry, ...]
    next: int
    next_at: int | None

    def get(self, tag: int) -> Entry | None:
        """The first entry with this tag."""
        return next((entry for entry in self.entries if entry.tag == tag), None)


class Tiff:
    """A bounds-checked view of a TIFF structure.

    Args:
        data: the structure from its II or MM on; for a RAW file, the whole file.

    Raises:
        MetadataError: the header is not one of a TIFF structure.

    >>> tiff = Tiff(b"II*\\0\\x08\\0\\0\\0" + b"\\1\\0" + b"\\x12\\1\\3\\0\\1\\0\\0\\0\\6\\0\\0\\0" + bytes(4))
    >>> tiff.number(tiff.ifd(tiff.first).get(0x0112))
    6

    Source: TIFF 6.0 section 2; Exif 3.0 (CIPA DC-008) 4.6.2.
    """

    # How the count of a directory's entries, an entry in front of its value, and an offset are written.
    count_code, entry_code, offset_code = "H", "HHI", "I"

    def __init__(self, data: Buffer | FileView) -> None:
        self.data = data
        mark = bytes(data[:2])
        if mark not in (b"II", b"MM") or len(data) < 8:
            raise MetadataError("The EXIF block has no TIFF header (II or MM); keep it as it is or drop it.")
        self.order = "<" if mark == b"II" else ">"
        self.first = self._checked_header()

    def _checked_header(self) -> int:
        """Where the first directory stands."""
        if self.u16(2) not in _NUMBERS:
            raise MetadataError("The EXIF block has a TIFF header with an unknown magic number; keep it or drop it.")
        return self.u32(4)

    def _number(self, code: str, at: int) -> int:
        size = struct.calcsize(self.order + code)
        return int(struct.unpack(self.order + code, self.data[at : at + size])[0])

    def u16(self, at: int) -> int:
        """The 16-bit number at this offset; the caller has checked that it is inside."""
        return self._number("H", at)

    def u32(self, at: int) -> int:
        """The 32-bit number at this offset; the caller has checked that it is inside."""
        return self._number("I", at)

    def ifd(self, at: int) -> Ifd | None:
        """The directory at this offset, with the entries that lie inside the data and have a known type; or None."""
        entries_at, size = at + struct.calcsize(self.order + self.count_code), self._entry_size
        if at < 8 or entries_at > len(self.data):
            return None
        count = self._number(self.count_code, at)
        entries = []
        for i in range(min(count, MAX_ENTRIES)):
            if entries_at + size * (i + 1) > len(self.data):
                break
            entry = self._entry(entries_at + size * i)
            if entry is not None:
                entries.append(entry)
        next_at = entries_at + size * count
        if next_at + struct.calcsize(self.order + self.offset_code) > len(self.data):
            return Ifd(at, tuple(entries), 0, None)
        return Ifd(at, tuple(entries), self._number(self.offset_code, next_at), next_at)

    @property
    def _entry_size(self) -> int:
        return struct.calcsize(self.order + self.entry_code + self.offset_code)

    def _entry(self, at: int) -> Entry | None:
        head = self.data[at : at + struct.calcsize(self.order + self.entry_code)]
        tag, kind, count = struct.unpack(self.order + self.entry_code, head)
        if kind not in TYPE_SIZES:
            return None
        size = TYPE_SIZES[kind] * count
        value_at = at + struct.calcsize(self.order + self.entry_code)
        if size > struct.calcsize(self.order + self.offset_code):
            value_at = self._number(self.offset_code, value_at)
        if value_at + size > len(self.data):
            return None
        return Entry(tag, kind, count, at, value_at, size)

    def chain(self) -> Iterator[Ifd]:
        """IFD0, then IFD1 and the others it links to, each once."""
        seen: set[int] = set()
        at = self.first
        while at and at not in seen and len(seen) < MAX_IFDS:
            seen.add(at)
            ifd = self.ifd(at)
            if ifd is None:
                return
            yield ifd
            at = ifd.next

    def tree(self) -> Iterator[Ifd]:
        """Every directory of the chain, and those below each, sub-directory by sub-directory, each once."""
        waiting, seen = [self.first], set[int]()
        while waiting and len(seen) < MAX_IFDS:
            at = waiting.pop(0)
            if at in seen or (ifd := self.ifd(at)) is None:
                continue
            seen.add(at)
            yield ifd
            waiting += [ifd.next, *self.numbers(ifd.get(SUB_IFDS))]

    def pointed(self, ifd: Ifd | None, tag: int) -> Ifd | None:
        """The directory that a pointer tag of this directory names (Exif, GPS, Interoperability); or None."""
        entry = ifd.get(tag) if ifd is not None else None
        target = self.number(entry)
        # Pointing back at the directory itself is the shortest loop a damaged file can make.
        if ifd is None or target is None or target == ifd.at:
            return None
        return self.ifd(target)

    def number(self, entry: Entry | None) -> int | None:
        """The first integer of an entry of an integer type; None where there is none."""
        if entry is None or entry.count < 1 or entry.type not in _INTEGERS:
            return None
        return self._number(_CODES[entry.type], entry.value_at)

    def numbers(self, entry: Entry | None) -> tuple[int, ...]:
        """All whole numbers of an entry, bytes and letters among them; none where there are too many, or other things.

        >>> Tiff(b"II*\\0" + bytes(4)).numbers(None)
        ()
        """
        if entry is None or entry.count > _MOST_NUMBERS:
            return ()
        code = "B" if entry.type in (ASCII, UNDEFINED) else _CODES[entry.type] if entry.type in _INTEGERS else ""
        return struct.unpack(f"{self.order}{entry.count}{code}", self.raw(entry)) if code else ()

    def raw(self, entry: Entry) -> bytes:
        """The bytes of a value, as they stand."""
        return bytes(self.data[entry.value_at : entry.value_at + entry.size])

    def value(self, entry: Entry) -> Value:
        """A value in Python's words: text for ASCII, bytes for UNDEFINED, else numbers; rationals as pairs."""
        raw = self.raw(entry)
        if entry.type in (ASCII, UTF8):
            return raw.rstrip(b"\0 ").decode("utf-8", "backslashreplace")
        if entry.type == UNDEFINED:
            return raw
        per_item = 2 if entry.type in (RATIONAL, SRATIONAL) else 1
        numbers = struct.unpack(f"{self.order}{entry.count * per_item}{_CODES[entry.type]}", raw)
        if per_item == 2:
            return tuple(zip(numbers[::2], numbers[1::2], strict=True))
        return numbers


class BigTiff(Tiff):
    """A bounds-checked view of a BigTIFF, whose offsets and counts have 64 bits.

    Args:
        data: the whole file.

    Raises:
        MetadataError: the header is not one of a BigTIFF.

    >>> BigTiff(b"II+\\0\\x08\\0\\0\\0" + (16).to_bytes(8, "little")).first
    16

    Source: BigTIFF file format specification (Aware Systems), 2007.
    """

    count_code, entry_code, offset_code = "Q", "HHQ", "Q"

    def _checked_header(self) -> int:
        if len(self.data) < 16 or (self.u16(2), self.u16(4), self.u16(6)) != (43, 8, 0):
            raise MetadataError("This file has no BigTIFF header; keep it as it is or save it as a TIFF again.")
        return self._number("Q", 8)


def open_tiff(data: Buffer | FileView) -> Tiff | None:
    """A view of a TIFF or BigTIFF; None for anything else.

    >>> open_tiff(b"II+\\0\\x08\\0\\0\\0" + (16).to_bytes(8, "little")).first, open_tiff(b"GIF89a")
    (16, None)
    """
    try:
        return BigTiff(data) if data[:4] in MAGICS[2:] else Tiff(data)
    except MetadataError:
        return None
