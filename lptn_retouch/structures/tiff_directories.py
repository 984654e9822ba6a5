"""The directories of a TIFF file: just enough of them to tell a RAW from a picture, and a whole file from a cut one.

Most RAW formats (DNG, NEF, CR2, ARW, PEF...) are TIFF files, and so are scans and exports. Only their tags differ.
Layout: TIFF 6.0 (Adobe, 1992), section 2; BigTIFF as libtiff defines it.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

WIDTH, HEIGHT, BITS_PER_SAMPLE, COMPRESSION, PHOTOMETRIC, MAKE = 256, 257, 258, 259, 262, 271
STRIP_OFFSETS, SAMPLES_PER_PIXEL, STRIP_BYTE_COUNTS = 273, 277, 279
TILE_OFFSETS, TILE_BYTE_COUNTS, SUB_IFDS, SAMPLE_FORMAT = 324, 325, 330, 339
CFA_PATTERN, LEAF_DATA, DNG_VERSION = 33422, 34310, 50706
_WANTED = frozenset(
    {
        WIDTH, HEIGHT, BITS_PER_SAMPLE, COMPRESSION, PHOTOMETRIC, MAKE, STRIP_OFFSETS, SAMPLES_PER_PIXEL, CFA_PATTERN,
        STRIP_BYTE_COUNTS, TILE_OFFSETS, TILE_BYTE_COUNTS, SUB_IFDS, SAMPLE_FORMAT, LEAF_DATA, DNG_VERSION,
    }
)  # fmt: skip

# The whole-number types of TIFF and BigTIFF: letter of struct for each type number.
_LETTERS = {1: "B", 2: "B", 3: "H", 4: "I", 6: "b", 7: "B", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
_MAX_DIRECTORIES = 64
_MAX_ENTRIES = 4096
_MAX_VALUES = 1 << 20  # a gigapixel in 32 x 32 tiles

_CFA, _LINEAR_RAW = 32803, 34892
# Compressions that only cameras write: ARW, NEF, SRW, PEF, DCR, KDC, and the lossy JPEG of a DNG.
_RAW_COMPRESSIONS = frozenset((32767, 34713, 32769, 32770, 32772, 65535, 65000, 32867, 34892))
_MAKERS = {
    "NIKON": "NEF", "CANON": "CR2", "SONY": "ARW", "PENTAX": "PEF", "RICOH": "PEF", "SAMSUNG": "SRW", "KODAK": "DCR",
    "EASTMAN KODAK": "KDC", "HASSELBLAD": "3FR", "SEIKO EPSON": "ERF", "MAMIYA": "MEF", "LEAF": "MOS",
    "PHASE ONE": "IIQ", "LEICA": "RWL", "OLYMPUS": "ORF", "PANASONIC": "RW2",
}  # fmt: skip


@dataclass(frozen=True)
class Directory:
    """One image file directory, reduced to the whole-number tags this module asks about."""

    tags: dict[int, tuple[int, ...]]

    def first(self, tag: int, default: int = 0) -> int:
        """The first value of a tag, or `default` where the tag is absent."""
        return self.tags.get(tag, (default,))[0]

    @property
    def make(self) -> str:
        """The camera's maker, in capitals, empty when unnamed."""
        return bytes(b & 0xFF for b in self.tags.get(MAKE, ())).split(b"\0")[0].decode("latin-1").strip().upper()

    @property
    def is_sensor_data(self) -> bool:
        """Whether the samples are a sensor's and not a picture's."""
        return (
            self.first(PHOTOMETRIC) in (_CFA, _LINEAR_RAW)
            or self.first(COMPRESSION) in _RAW_COMPRESSIONS
            or CFA_PATTERN in self.tags
        )

    @property
    def extents(self) -> list[tuple[int, int]]:
        """Where the pixels lie: (offset, byte count) of every strip and tile."""
        return [
            extent
            for offsets, counts in ((STRIP_OFFSETS, STRIP_BYTE_COUNTS), (TILE_OFFSETS, TILE_BYTE_COUNTS))
            for extent in zip(self.tags.get(offsets, ()), self.tags.get(counts, ()), strict=False)
        ]


def directories(file: BinaryIO) -> list[Directory]:
    """Every directory reachable from the header, sub-directories included; those that are cut off are left out.

    Args:
        file: an open TIFF or BigTIFF, seekable; its position is moved.

    Returns:
        The directories, the first one first; an empty list when none can be read.
    """
    return list(_walk(file))


def raw_kind(found: list[Directory]) -> str | None:
    """Name the RAW format these directories belong to, or None for an ordinary TIFF.

    >>> raw_kind([Directory({PHOTOMETRIC: (2,)})])
    >>> raw_kind([Directory({MAKE: tuple(b"NIKON CORPORATION"), SUB_IFDS: (99,)}), Directory({PHOTOMETRIC: (32803,)})])
    'NEF'
    """
    if not found:
        return None
    if DNG_VERSION in found[0].tags:
        return "DNG"
    if LEAF_DATA in found[0].tags:
        return "MOS"
    if any(directory.is_sensor_data for directory in found):
        make = found[0].make
        return next((kind for maker, kind in _MAKERS.items() if make.startswith(maker)), "TIFF-based")
    return None


def cut_short(found: list[Directory], size: int) -> bool:
    """Whether the main picture of the file reaches past the file's end.

    Only the directory with the sensor's samples, or with the most bytes, is asked: a cut preview harms nobody.

    Args:
        found: the file's directories.
        size: the file's size in bytes.
    """
    main = [d for d in found if d.is_sensor_data] or sorted(found, key=lambda d: sum(n for _, n in d.extents))[-1:]
    return any(offset + count > size for directory in main for offset, count in directory.extents)


def _walk(file: BinaryIO) -> Iterator[Directory]:
    file.seek(0)
    head = file.read(16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None or len(head) < 8:
        return
    big = struct.unpack(order + "H", head[2:4])[0] == 43
    if big and len(head) < 16:
        return
    waiting: list[int] = [struct.unpack(order + ("Q" if big else "I"), head[8:16] if big else head[4:8])[0]]
    seen: set[int] = set()
    while waiting and len(seen) < _MAX_DIRECTORIES:
        offset = waiting.pop(0)
        if offset in seen or offset < 8:  # a loop, or the end of the chain
            continue
        seen.add(offset)
        try:
            directory, following = _read(file, offset, order, big)
        except (struct.error, OSError, OverflowError, ValueError):
            continue
        yield directory
        waiting += [following, *directory.tags.get(SUB_IFDS, ())]


def _read(file: BinaryIO, offset: int, order: str, big: bool) -> tuple[Directory, int]:
    count_of, entry_of, next_of = ("Q", "HHQ8s", "Q") if big else ("H", "HHI4s", "I")
    file.seek(offset)
    count = struct.unpack(order + count_of, file.read(struct.calcsize(order + count_of)))[0]
    if count > _MAX_ENTRIES:
        raise ValueError("a directory of more entries than any file has")
    step = struct.calcsize(order + entry_of)
    table = file.read(count * step)
    end = file.read(struct.calcsize(order + next_of))
    following = struct.unpack(order + next_of, end)[0] if len(end) == (8 if big else 4) else 0
    tags: dict[int, tuple[int, ...]] = {}
    for place in range(0, len(table) - step + 1, step):
        tag, kind, values, slot = struct.unpack(order + entry_of, table[place : place + step])
        letter = _LETTERS.get(kind)
        if tag not in _WANTED or letter is None or not 0 < values <= _MAX_VALUES:
            continue
        length = struct.calcsize(order + letter) * values
        if length > len(slot):
            file.seek(struct.unpack(order + next_of, slot)[0])
            slot = file.read(length)
        if len(slot) >= length:
            tags[tag] = struct.unpack(f"{order}{values}{letter}", slot[:length])
    return Directory(tags), following
