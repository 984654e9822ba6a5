"""A RAW file's maker note, made to fit into EXIF: where it may stand there, and how much of it."""

import struct
from dataclasses import dataclass
from typing import NamedTuple

from lptn_retouch.metadata.blocks import LONGEST_EXIF
from lptn_retouch.metadata.exif.build import Field, build_exif
from lptn_retouch.metadata.exif.tags import EXIF_VERSION, ORIENTATION
from lptn_retouch.structures.tiff import MAKER_NOTE, SHORT, TYPE_SIZES, UNDEFINED

NOTE_DROPPED = "The maker note was left out: it is too long for EXIF or cannot be moved out of the RAW file."
NOTE_SHORTENED = "Of the maker note, what has no place in EXIF was left out: embedded pictures and the longest tables."

_ORDERS = {b"II": "<", b"MM": ">"}
_MAX_ENTRIES = 1024
_MAX_LEVELS = 3
_LIMITS = tuple(1 << power for power in range(16, 3, -1))
_SMALLEST = 64
# Directories below the note's own.
_OLYMPUS = frozenset(
    {0x2010, 0x2020, 0x2030, 0x2031, 0x2040, 0x2050, 0x3000, 0x4000, 0x5000, *range(0x2100, 0x2A00, 0x100)}
)
# What leads to the camera's previews, which may be half of the note and show the unretouched photograph, and to
# directories that are not followed: pairs of the directory's tag, 0 for the note's own, and the tag in it.
_NIKON_PREVIEWS = frozenset({(0, 0x0011), (0, 0x0E10)})
_OLYMPUS_PREVIEWS = frozenset({(0, 0x0100), (0x2020, 0x0100), (0x2020, 0x0101), (0x2020, 0x0102)})
_SONY_PREVIEWS = frozenset({(0, 0x2001), (0, 0xB028)})
# Makers whose directory stands behind a mark and counts offsets from the file's start: the mark, its length.
_MARKS = ((b"SONY DSC \0", 12), (b"SONY CAM \0", 12), (b"Panasonic\0", 12), (b"AOC\0", 6))


def exif_with_note(
    order: str,
    main: list[Field],
    exif: list[Field],
    gps: list[Field],
    interop: list[Field],
    note: tuple[bytes, int] | None,
) -> tuple[bytes, tuple[str, ...]]:
    """EXIF of an upright picture that fits a JPEG, with as much of the maker note as there is room for.

    Args:
        order: byte order of all values, "<" or ">".
        main: values of IFD0.
        exif: values of the Exif directory; its version is added where it is missing.
        gps: values of the GPS directory.
        interop: values of the Interoperability directory.
        note: the maker note and the offset it had; None where there is none.

    Returns:
        The structure, and a notice where not the whole note is in it.

    >>> exif_with_note("<", [], [], [], [], None)[1]
    ()

    Source: Exif 3.0 (CIPA DC-008) 4.6.
    """
    main = [Field(ORIENTATION, SHORT, 1, struct.pack(order + "H", 1)), *main]
    if exif and all(field.tag != EXIF_VERSION for field in exif):
        exif = [*exif, Field(EXIF_VERSION, UNDEFINED, 4, b"0230")]
    alone = build_exif(order, main, exif, gps, interop)
    if note is None:
        return alone, ()
    data, at = note
    # The note's own entry takes 12 bytes more; its pointer, where there was no Exif directory, 18 and 12.
    fitted = fitted_note(data, at, order, room=LONGEST_EXIF, free_at=len(alone) + len(alone) % 2 + 48)
    if fitted is None:
        return alone, (NOTE_DROPPED,)
    whole = build_exif(
        order,
        main,
        [*exif, Field(MAKER_NOTE, UNDEFINED, len(fitted.data), fitted.data)],
        gps,
        interop,
        pinned=fitted.at,
    )
    return whole, (NOTE_SHORTENED,) if len(fitted.data) < len(data) else ()


class FittedNote(NamedTuple):
    """A maker note, and the offset in EXIF that it must start at; None where it may stand anywhere."""

    data: bytes
    at: int | None


@dataclass(frozen=True)
class _Layout:
    """How a maker builds a note.

    Args:
        ifd: where its directory stands in it.
        order: its byte order.
        base: what its offsets count from, as a place in the note; None for the start of the file.
        below: entries that lead to further directories.
        previews: entries that lead to pictures, with their directories.
    """

    ifd: int
    order: str
    base: int | None
    below: frozenset[int] = frozenset()
    previews: frozenset[tuple[int, int]] = frozenset()


def fitted_note(note: bytes, at: int, order: str, *, room: int, free_at: int) -> FittedNote | None:
    """Make a maker note fit: as it is where possible, without its previews and largest values where not.

    A note whose offsets count from its own start may stand anywhere. One whose offsets count from the file's start
    stays at the offset it had; from too far back it is moved to `free_at`, if its offsets are understood.

    Args:
        note: the value of the tag MakerNote.
        at: its offset in the structure it comes from.
        order: byte order of that structure, "<" or ">".
        room: bytes that EXIF may have in all.
        free_at: an offset that the rest of EXIF fits in front of.

    Returns:
        The note with its place; None where it cannot be kept. Values that lay outside it are left out of it.

    >>> note = b"FUJIFILM" + struct.pack("<IHHHI", 12, 1, 0, 4, 1) + bytes(8)
    >>> fitted_note(note, 700000, "<", room=60000, free_at=500) == (note, None)
    True

    Source: ExifTool's MakerNotes documentation (layouts and bases of offsets by maker).
    """
    layout = _layout(note, at, order)
    # In front of a note that stays where it was there may be no room for the rest, which then stands behind it.
    room_here = room - at - (free_at if at < free_at else 0) if at >= 8 else 0
    if layout is None:
        return FittedNote(note, at) if len(note) <= room_here else None
    if layout.base is not None:
        fits = len(note) <= room - free_at
        own = note if fits and _is_whole(note, layout, at) else _packed(note, layout, at, 0, room - free_at)
        return FittedNote(own or note, None) if own or fits else None
    if len(note) <= room_here and _is_whole(note, layout, at):
        return FittedNote(note, at)
    here = _packed(note, layout, at, at, room_here) or b""
    moved = _packed(note, layout, at, free_at, room - free_at) or b""
    if len(here) >= len(moved):
        return FittedNote(here, at) if here else None
    return FittedNote(moved, free_at)


def _layout(note: bytes, at: int, order: str) -> _Layout | None:
    """How a note is built; None where that is not known or not believed."""
    found: _Layout | None = None
    if note.startswith(b"Nikon\0\2") and len(note) > 18:
        inner = _ORDERS.get(note[10:12])
        if inner:
            ifd = 10 + struct.unpack_from(inner + "I", note, 14)[0]
            found = _Layout(ifd, inner, 10, previews=_NIKON_PREVIEWS)
    elif note.startswith((b"OLYMPUS\0", b"OM SYSTEM\0")):
        mark = 8 if note.startswith(b"OLYMPUS\0") else 12
        inner = _ORDERS.get(note[mark : mark + 2])
        found = _Layout(mark + 4, inner, 0, _OLYMPUS, _OLYMPUS_PREVIEWS) if inner else None
    elif note.startswith(b"PENTAX \0"):
        inner = _ORDERS.get(note[8:10])
        found = _Layout(10, inner, 0) if inner else None
    elif note.startswith(b"Apple iOS\0"):
        found = _Layout(14, ">", 0)
    elif note.startswith(b"FUJIFILM") and len(note) >= 12:
        found = _Layout(struct.unpack_from("<I", note, 8)[0], "<", 0)
    else:
        ifd = next((length for mark, length in _MARKS if note.startswith(mark)), 0)
        inner = _ORDERS.get(note[4:6], order) if note.startswith(b"AOC\0") else order
        found = _Layout(ifd, inner, None, previews=_SONY_PREVIEWS)
    return found if found and _is_believed(note, found, at) else None


class _Item(NamedTuple):
    """One entry of a note's directory: its bytes, its tag, its value's span in the note, and whether that is inline."""

    raw: bytes
    tag: int
    start: int
    end: int
    inline: bool


def _items(note: bytes, layout: _Layout, ifd: int, at: int) -> list[_Item] | None:
    """The entries of a directory; None where it is none.

    `structures.tiff` reads structures that start with their byte order and whose values lie inside. A note's directory
    has no header, its offsets count from elsewhere, and what lies outside must be known to be left out.
    """
    if not 0 <= ifd <= len(note) - 2:
        return None
    count = struct.unpack_from(layout.order + "H", note, ifd)[0]
    if not 1 <= count <= _MAX_ENTRIES or ifd + 2 + 12 * count > len(note):
        return None
    shift = -at if layout.base is None else layout.base
    items = []
    for place in range(ifd + 2, ifd + 2 + 12 * count, 12):
        tag, kind, number, offset = struct.unpack_from(layout.order + "HHII", note, place)
        size = TYPE_SIZES.get(kind, 0) * number
        start = place + 8 if size <= 4 else offset + shift
        items.append(_Item(note[place : place + 12], tag, start, start + size, size <= 4))
    return items


def _is_inside(item: _Item, note: bytes) -> bool:
    return item.start >= 0 and item.end <= len(note)


def _is_believed(note: bytes, layout: _Layout, at: int) -> bool:
    """Whether what this layout calls values mostly lies inside the note: some makers change their minds."""
    items = _items(note, layout, layout.ifd, at)
    outside = [item for item in items or () if not item.inline]
    return items is not None and 2 * sum(_is_inside(item, note) for item in outside) >= len(outside)


def _is_whole(note: bytes, layout: _Layout, at: int) -> bool:
    return all(_is_inside(item, note) for item in _items(note, layout, layout.ifd, at) or ())


def _packed(note: bytes, layout: _Layout, at: int, to: int, room: int) -> bytes | None:
    """The note laid out anew for the offset `to`, with values only so long that it fits."""
    if room < _SMALLEST:
        return None
    shift = to if layout.base is None else -layout.base
    for limit in _LIMITS:
        directory = _Packer(note, layout, at, shift, min(limit, room)).directory(layout.ifd, layout.ifd)
        if directory and layout.ifd + len(directory) <= room:
            return note[: layout.ifd] + directory
    return None


@dataclass(frozen=True)
class _Packer:
    """Lays out anew a note of which `at` was the offset: offsets are places plus `shift`, values have `limit` bytes."""

    note: bytes
    layout: _Layout
    at: int
    shift: int
    limit: int

    def directory(self, ifd: int, place: int, tag: int = 0, levels: int = _MAX_LEVELS) -> bytes | None:
        """A directory with its values for this place in the new note; tag: what led to it."""
        items = _items(self.note, self.layout, ifd, self.at)
        if items is None:
            return None
        # Readers look at the gap between a directory and its first value to tell whether offsets are true: it stays.
        table_end = ifd + 2 + 12 * len(items)
        gap = min((item.start - table_end for item in items if not item.inline), default=4)
        between = self.note[table_end : table_end + (gap if 0 <= gap <= _SMALLEST else 4)]
        # A damaged note may lead to one directory again and again, which would make it grow without end.
        below = {item.tag: item for item in reversed(items) if item.tag in self.layout.below}
        items = [item for item in items if below.get(item.tag, item) is item]
        kept = [item for item in items if self._may_stay(item, tag, levels)]
        entries, values = [], bytearray()
        values_at = place + 2 + 12 * len(kept) + len(between)
        for item in kept:
            value = self._value(item, values_at + len(values), levels)
            if value:
                where = struct.pack(self.layout.order + "I", values_at + len(values) + self.shift)
                values += value + bytes(len(value) % 2)
            entries.append(item.raw[:8] + where if value else item.raw)
            if len(values) > _LIMITS[0]:
                return None
        return struct.pack(self.layout.order + "H", len(kept)) + b"".join(entries) + between + bytes(values)

    def _may_stay(self, item: _Item, tag: int, levels: int) -> bool:
        if (tag, item.tag) in self.layout.previews:
            return False
        if item.tag in self.layout.below:
            return levels > 1 and _items(self.note, self.layout, self._target(item), self.at) is not None
        return item.inline or (_is_inside(item, self.note) and item.end - item.start <= self.limit)

    def _value(self, item: _Item, place: int, levels: int) -> bytes:
        """What an entry leads to, for this place; nothing where its value stands in it."""
        if item.tag in self.layout.below:
            return self.directory(self._target(item), place, item.tag, levels - 1) or b""
        return b"" if item.inline else self.note[item.start : item.end]

    def _target(self, item: _Item) -> int:
        """Where a directory stands in the note: older cameras give it as an entry's value."""
        if not item.inline:
            return item.start
        number: int = struct.unpack(self.layout.order + "I", item.raw[8:12])[0]
        return number + (-self.at if self.layout.base is None else self.layout.base)
