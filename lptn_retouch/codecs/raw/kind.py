"""Which RAW a file is, if any, and whether all of it is there.

Most RAW formats (DNG, NEF, CR2, ARW, PEF...) are TIFF files, and so are scans and exports. Only their tags differ.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

from lptn_retouch.structures import FileView
from lptn_retouch.structures.tiff import MAGICS, Ifd, Tiff, open_tiff

_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"FUJIFILMCCD-RAW", "RAF"),
    (6, b"HEAPCCDR", "CRW"),
    (6, b"HEAPJPGM", "CRW"),
    (0, b"IIRO", "ORF"),
    (0, b"IIRS", "ORF"),
    (0, b"MMOR", "ORF"),
    (0, b"IIU\0", "RW2"),
    (0, b"\0MRM", "MRW"),
    (0, b"FOVb", "X3F"),
    (8, b"IIII", "IIQ"),
    (8, b"MMMM", "IIQ"),
    (4, b"ftypcrx ", "CR3"),
)
_COMPRESSION, _PHOTOMETRIC, _MAKE = 259, 262, 271
_STRIPS, _TILES = (273, 279), (324, 325)  # offsets and byte counts
_CFA_PATTERN, _LEAF_DATA, _DNG_VERSION = 33422, 34310, 50706
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
    """A directory of a file, asked for what tells a RAW."""

    tiff: Tiff
    ifd: Ifd

    def has(self, tag: int) -> bool:
        """Whether it has such a tag."""
        return self.ifd.get(tag) is not None

    @property
    def make(self) -> str:
        """The camera's maker, in capitals, empty when unnamed."""
        entry = self.ifd.get(_MAKE)
        return self.tiff.raw(entry).split(b"\0")[0].decode("latin-1").strip().upper() if entry else ""

    @property
    def is_sensor_data(self) -> bool:
        """Whether the samples are a sensor's and not a picture's."""
        photometric, compression = (self.tiff.number(self.ifd.get(tag)) for tag in (_PHOTOMETRIC, _COMPRESSION))
        return photometric in (_CFA, _LINEAR_RAW) or compression in _RAW_COMPRESSIONS or self.has(_CFA_PATTERN)

    @property
    def extents(self) -> list[tuple[int, int]]:
        """Where the pixels lie: (offset, byte count) of every strip and tile."""
        return [
            extent
            for tags in (_STRIPS, _TILES)
            for extent in zip(*(self.tiff.numbers(self.ifd.get(tag)) for tag in tags), strict=False)
        ]


def raw_kind(head: bytes, file: BinaryIO) -> str | None:
    """Name the RAW format that a file is of, or None for anything else.

    Args:
        head: its first 64 bytes.
        file: open, seekable; its position is moved.

    Example:
        >>> import io
        >>> raw_kind(b"FOVb", io.BytesIO()), raw_kind(b"GIF89a", io.BytesIO())
        ('X3F', None)
    """
    if head[:4] in MAGICS and head[8:10] == b"CR" and head[:2] == b"II":
        return "CR2"
    if kind := next((name for at, magic, name in _SIGNATURES if head[at : at + len(magic)] == magic), None):
        return kind
    return _kind_by_tags(directories(file)) if head[:4] in MAGICS else None


def directories(file: BinaryIO) -> list[Directory]:
    """Every directory reachable from the header, sub-directories included; those that are cut off are left out.

    Args:
        file: an open TIFF or BigTIFF, seekable; its position is moved.

    Returns:
        The directories, the first one first; none when none can be read.
    """
    tiff = open_tiff(FileView(file))
    return [Directory(tiff, ifd) for ifd in tiff.tree()] if tiff is not None else []


def _kind_by_tags(found: Sequence[Directory]) -> str | None:
    if not found:
        return None
    if found[0].has(_DNG_VERSION):
        return "DNG"
    if found[0].has(_LEAF_DATA):
        return "MOS"
    if any(directory.is_sensor_data for directory in found):
        make = found[0].make
        return next((kind for maker, kind in _MAKERS.items() if make.startswith(maker)), "TIFF-based")
    return None


def cut_short(found: Sequence[Directory], size: int) -> bool:
    """Whether the main picture of the file reaches past the file's end.

    Only the directory with the sensor's samples, or with the most bytes, is asked: a cut preview harms nobody.

    Args:
        found: the file's directories.
        size: the file's size in bytes.
    """
    main = [d for d in found if d.is_sensor_data] or sorted(found, key=lambda d: sum(n for _, n in d.extents))[-1:]
    return any(offset + count > size for directory in main for offset, count in directory.extents)
