"""The items that an AVIF or HEIC is made of, as its `meta` box lists them: every count and offset is checked."""

from collections.abc import Iterator
from typing import NamedTuple

from lptn_retouch.errors import MetadataError
from lptn_retouch.structures import Buffer
from lptn_retouch.structures.boxes import Box, find, find_all, walk

IN_FILE, IN_IDAT = 0, 1
LONGEST_ITEM = 16 << 20
"""Longest item that is read, in bytes."""

_MAX_EXTENTS = 8192


class Item(NamedTuple):
    """One item: its number, its four-letter type, and for type `mime` what that holds."""

    id: int
    type: bytes
    mime: bytes


class Location(NamedTuple):
    """Where an item's bytes stand: in the file, or in the `idat` box, as pairs of offset and length."""

    method: int
    extents: tuple[tuple[int, int], ...]


class Reference(NamedTuple):
    """What one item says of others: `cdsc` means that it describes them."""

    type: bytes
    source: int
    targets: tuple[int, ...]


class Cursor:
    """Numbers out of a box, one behind the other; a box that is too short raises MetadataError."""

    def __init__(self, data: Buffer, at: int, end: int) -> None:
        self._data, self.at, self.end = data, at, end

    def take(self, size: int) -> bytes:
        """The next bytes."""
        if size > self.end - self.at:
            raise MetadataError("The HEIF file's list of items is cut short; keep the file or drop its metadata.")
        self.at += size
        return bytes(self._data[self.at - size : self.at])

    def number(self, size: int) -> int:
        """The next number, of so many bytes; 0 for none."""
        return int.from_bytes(self.take(size), "big")

    def text(self) -> bytes:
        """The next text, up to its NUL or the box's end."""
        text = bytes(self._data[self.at : self.end]).partition(b"\0")[0]
        self.at = min(self.at + len(text) + 1, self.end)
        return text


class Associations(NamedTuple):
    """Which properties each item has: their numbers counted from 1, the topmost bit saying that it is essential."""

    version: int
    flags: int
    by_item: dict[int, tuple[int, ...]]

    @property
    def mask(self) -> int:
        """What leaves of a number the part that counts."""
        return 0x7FFF if self.flags & 1 else 0x7F

    @classmethod
    def read(cls, cursor: Cursor) -> "Associations":
        """The content of an `ipma` box."""
        head = cursor.number(4)
        version, flags = head >> 24, head & 0xFFFFFF
        by_item: dict[int, tuple[int, ...]] = {}
        for _ in range(cursor.number(4)):
            item = cursor.number(4 if version else 2)
            by_item[item] = tuple(cursor.number(2 if flags & 1 else 1) for _ in range(cursor.number(1)))
        return cls(version, flags, by_item)

    def written(self) -> bytes:
        """The content of an `ipma` box."""
        wide, size = 4 if self.version else 2, 2 if self.flags & 1 else 1
        out = (self.version << 24 | self.flags).to_bytes(4, "big") + len(self.by_item).to_bytes(4, "big")
        for item, indices in sorted(self.by_item.items()):
            out += item.to_bytes(wide, "big") + bytes((len(indices),))
            out += b"".join(index.to_bytes(size, "big") for index in indices)
        return out


class Items:
    """The items of a HEIF file.

    Args:
        data: the whole file.

    Raises:
        MetadataError: it has no `meta` box; and from every method, that the part it reads is damaged.

    Source: ISO/IEC 14496-12 8.11 (items); ISO/IEC 23008-12 (HEIF) 9.3 (properties).
    """

    def __init__(self, data: Buffer) -> None:
        meta = find(data, b"meta")
        if meta is None:
            raise MetadataError("The HEIF file has no list of items; keep the file or drop its metadata.")
        self.data, self.meta = data, meta

    def open(self, *path: bytes) -> tuple[int, Cursor] | None:
        """The version of the box with this path, and its content behind version and flags; None without the box."""
        box = find(self.data, *path, within=self.meta)
        if box is None:
            return None
        cursor = Cursor(self.data, box.at, box.end)
        return cursor.number(4) >> 24, cursor

    def primary(self) -> int | None:
        """The number of the item that is the picture."""
        found = self.open(b"pitm")
        return found[1].number(4 if found[0] else 2) if found else None

    def all(self) -> tuple[Item, ...]:
        """All items, in file order."""
        found = self.open(b"iinf")
        if found is None:
            return ()
        version, cursor = found
        cursor.number(4 if version else 2)
        return tuple(self._item(box) for box in walk(self.data, cursor.at, cursor.end) if box.type == b"infe")

    def _item(self, box: Box) -> Item:
        cursor = Cursor(self.data, box.at, box.end)
        version = cursor.number(4) >> 24
        number = cursor.number(4 if version == 3 else 2)
        cursor.number(2)
        if version < 2:
            return Item(number, b"", b"")
        kind = cursor.take(4)
        cursor.text()
        return Item(number, kind, cursor.text() if kind == b"mime" else b"")

    def locations(self) -> dict[int, Location]:
        """Where each item stands; without those whose bytes are in another file or in other items."""
        found = self.open(b"iloc")
        if found is None:
            return {}
        version, cursor = found
        sizes = cursor.number(2)
        of_offset, of_length, of_base, of_index = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
        wide = 4 if version == 2 else 2
        locations: dict[int, Location] = {}
        room = _MAX_EXTENTS
        for _ in range(cursor.number(wide)):
            number = cursor.number(wide)
            method = cursor.number(2) & 15 if version else IN_FILE
            elsewhere = cursor.number(2)
            base = cursor.number(of_base)
            extents = []
            for _ in range(cursor.number(2)):
                room -= 1
                if room < 0:
                    raise MetadataError("The HEIF file lists too many parts; keep the file or drop its metadata.")
                cursor.number(of_index if version else 0)
                offset = base + cursor.number(of_offset)
                extents.append((offset, cursor.number(of_length)))
            if method in (IN_FILE, IN_IDAT) and not elsewhere:
                locations[number] = Location(method, tuple(extents))
        return locations

    def references(self) -> tuple[Reference, ...]:
        """What items say of each other."""
        found = self.open(b"iref")
        return tuple(self._references(*found)) if found else ()

    def _references(self, version: int, cursor: Cursor) -> Iterator[Reference]:
        wide = 4 if version else 2
        for box in walk(self.data, cursor.at, cursor.end):
            inside = Cursor(self.data, box.at, box.end)
            source = inside.number(wide)
            yield Reference(box.type, source, tuple(inside.number(wide) for _ in range(inside.number(2))))

    def all_properties(self) -> tuple[Box, ...]:
        """The boxes that describe items, in file order."""
        container = find(self.data, b"iprp", b"ipco", within=self.meta)
        return tuple(walk(self.data, container.at, container.end)) if container else ()

    def properties(self, number: int) -> tuple[Box, ...]:
        """The boxes that describe this item: its size, its colours, how it is turned."""
        boxes = self.all_properties()
        return tuple(boxes[i - 1] for i in self._associations(number) if 0 < i <= len(boxes))

    def _associations(self, number: int) -> Iterator[int]:
        for box in find_all(self.data, b"iprp", b"ipma", within=self.meta):
            table = Associations.read(Cursor(self.data, box.at, box.end))
            yield from (index & table.mask for index in table.by_item.get(number, ()))

    def content(self, location: Location) -> bytes | None:
        """The bytes of an item, put together; None where a part lies outside or the whole is longer than 16 MB."""
        start, end = 0, len(self.data)
        if location.method == IN_IDAT:
            idat = find(self.data, b"idat", within=self.meta)
            if idat is None:
                return None
            start, end = idat.at, idat.end
        parts, room = [], LONGEST_ITEM
        for offset, length in location.extents:
            at = start + offset
            stop = at + length if length else end  # a length of 0 means all that there is
            room -= stop - at
            if not at <= stop <= end or room < 0:
                return None
            parts.append(bytes(self.data[at:stop]))
        return b"".join(parts)
