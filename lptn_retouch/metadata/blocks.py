"""What a metadata block is, what kind of thing it carries, and how a bare EXIF, XMP or ICC is wrapped as one."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum, auto

from lptn_retouch.structures.jpeg import JFIF_LENGTH, Segment, is_metadata

SEGMENT_LIMIT = 65533
"""Longest payload of one JPEG segment: a 16-bit length that counts its own two bytes (T.81 B.1.1.4)."""

EXIF_PREFIX = b"Exif\0\0"
XMP_PREFIX = b"http://ns.adobe.com/xap/1.0/\0"
EXTENDED_XMP_PREFIX = b"http://ns.adobe.com/xmp/extension/\0"
ICC_PREFIX = b"ICC_PROFILE\0"
PHOTOSHOP_PREFIX = b"Photoshop 3.0\0"
GAIN_MAP_PREFIX = b"urn:iso:std:iso:ts:21496:-1\0"
LONGEST_EXIF = SEGMENT_LIMIT - len(EXIF_PREFIX)

MAX_EXTENDED_XMP = 32 << 20
"""Longest extended XMP put together, in bytes: its length is the file's word, which is not trusted."""

_MOST_SHOWN = 24  # bytes of a block

COMMENT = 0xFE
PNG_CHUNK = 0x00
"""In place of a JPEG marker: the block is a PNG chunk, its four-letter type and then its payload."""


class Kind(Enum):
    """What a block carries, read from its marker and its prefix."""

    JFIF = auto()
    JFXX = auto()
    EXIF = auto()
    XMP = auto()
    EXTENDED_XMP = auto()
    ICC = auto()
    MPF = auto()
    GAIN_MAP = auto()
    JUMBF = auto()
    PHOTOSHOP = auto()
    ADOBE = auto()
    COMMENT = auto()
    PNG_CHUNK = auto()
    OTHER = auto()


_PREFIXES: tuple[tuple[int, bytes, Kind], ...] = (
    (0xE0, b"JFIF\0", Kind.JFIF),
    (0xE0, b"JFXX\0", Kind.JFXX),
    (0xE1, b"Exif\0", Kind.EXIF),
    (0xE1, XMP_PREFIX, Kind.XMP),
    (0xE1, EXTENDED_XMP_PREFIX, Kind.EXTENDED_XMP),
    (0xE2, ICC_PREFIX, Kind.ICC),
    (0xE2, b"MPF\0", Kind.MPF),
    (0xE2, GAIN_MAP_PREFIX, Kind.GAIN_MAP),
    (0xEB, b"JP", Kind.JUMBF),
    (0xEB, b"HDR_RI", Kind.GAIN_MAP),
    (0xED, PHOTOSHOP_PREFIX, Kind.PHOTOSHOP),
    (0xEE, b"Adobe", Kind.ADOBE),
    (COMMENT, b"", Kind.COMMENT),
    (PNG_CHUNK, b"", Kind.PNG_CHUNK),
)
_CONTENT_AT = {Kind.EXIF: len(EXIF_PREFIX), Kind.XMP: len(XMP_PREFIX), Kind.PHOTOSHOP: len(PHOTOSHOP_PREFIX)}


@dataclass(frozen=True)
class Block:
    """One piece of metadata, verbatim, as a JPEG would hold it: other containers' are wrapped the same way.

    Args:
        marker: second byte of the JPEG marker, 0xE0..0xEF (APPn) or 0xFE (COM); or `PNG_CHUNK`, for the chunks of a
            PNG that a JPEG has no place for (its texts and its resolution).
        data: payload after the two length bytes, with its `Exif\\0\\0`, XMP namespace or other prefix.

    >>> Block(0xFE, b"taken at dawn").kind.name
    'COMMENT'

    Source: JPEG T.81 B.2.4.5 and B.2.4.6.
    """

    marker: int
    data: bytes

    def __repr__(self) -> str:
        long = len(self.data) > _MOST_SHOWN
        data = f"{self.data[:_MOST_SHOWN]!r}... of {len(self.data):,} bytes" if long else repr(self.data)
        return f"Block(marker={self.marker}, data={data})"

    @property
    def kind(self) -> Kind:
        """What the block carries."""
        for marker, prefix, kind in _PREFIXES:
            if self.marker == marker and self.data.startswith(prefix):
                return kind
        return Kind.OTHER

    @property
    def content(self) -> bytes:
        """What follows the prefix: EXIF from its II or MM on, an XMP packet, Photoshop's resources from the first on.

        >>> exif_block(b"II*\\0").content
        b'II*\\x00'
        """
        return self.data[_CONTENT_AT.get(self.kind, 0) :]

    def holding(self, content: bytes) -> "Block":
        """The block with this content in place of the one it had."""
        return replace(self, data=self.data[: _CONTENT_AT.get(self.kind, 0)] + content)


def exif_block(exif: bytes) -> Block:
    """Wrap a TIFF structure as an Exif APP1 block; a prefix that is already there is not doubled.

    >>> exif_block(b"II*\\0").data
    b'Exif\\x00\\x00II*\\x00'

    Source: Exif 3.0 (CIPA DC-008) 4.7.2.
    """
    return Block(0xE1, exif if exif.startswith(EXIF_PREFIX) else EXIF_PREFIX + exif)


def xmp_block(packet: bytes) -> Block:
    """Wrap an XMP packet as an APP1 block.

    >>> xmp_block(b"<x:xmpmeta/>").kind.name
    'XMP'

    Source: XMP part 3, 1.1.3.
    """
    return Block(0xE1, packet if packet.startswith(XMP_PREFIX) else XMP_PREFIX + packet)


def photoshop_block(resources: bytes) -> Block:
    """Wrap Photoshop image resources, IPTC among them, as an APP13 block.

    >>> photoshop_block(b"8BIM").data
    b'Photoshop 3.0\\x008BIM'

    Source: Adobe Photoshop File Formats Specification, "Image Resource Blocks".
    """
    return Block(0xED, PHOTOSHOP_PREFIX + resources)


def icc_blocks(profile: bytes) -> tuple[Block, ...]:
    """Wrap an ICC profile as APP2 blocks, split in numbered parts when it is long.

    Args:
        profile: the profile, at most 255 parts of 65519 bytes (16.7 MB); a longer one gives parts that no JPEG
            can hold, and `embed_jpeg` says so.

    Returns:
        One block, or several that `joined_icc` puts together again.

    >>> [len(block.data) for block in icc_blocks(bytes(70000))]
    [65533, 4495]

    Source: ICC.1:2022 B.4.
    """
    room = SEGMENT_LIMIT - len(ICC_PREFIX) - 2
    count = -(-len(profile) // room)
    if not 1 <= count <= 255:
        return (Block(0xE2, ICC_PREFIX + b"\x01\x01" + profile),) if profile else ()
    parts = (profile[i * room : (i + 1) * room] for i in range(count))
    return tuple(Block(0xE2, ICC_PREFIX + bytes((i, count)) + part) for i, part in enumerate(parts, start=1))


def joined_icc(blocks: Iterable[Block]) -> bytes | None:
    """The ICC profile held by these blocks, joined in the order of its part numbers; None where a part is missing.

    >>> joined_icc(icc_blocks(b"profile" * 20000)) == b"profile" * 20000
    True

    Source: ICC.1:2022 B.4.
    """
    parts: dict[int, bytes] = {}
    count = 0
    head = len(ICC_PREFIX) + 2
    for block in blocks:
        if block.kind is Kind.ICC and len(block.data) > head:
            number, count = block.data[head - 2], block.data[head - 1]
            parts.setdefault(number, block.data[head:])
    if not parts:
        return None
    # Some writers number their only part 0 of 0; a profile in one part is whole whatever its number says.
    if len(parts) == 1 and count <= 1:
        return next(iter(parts.values()))
    if set(parts) != set(range(1, count + 1)):
        return None
    return b"".join(parts[number] for number in sorted(parts))


def joined_extended_xmp(blocks: Iterable[Block]) -> tuple[bytes, ...]:
    """The extended XMP packets held by these blocks: each part has the whole's name, its length, and its place in it.

    >>> part = EXTENDED_XMP_PREFIX + b"0" * 32 + (4).to_bytes(4, "big") + bytes(4) + b"<x/>"
    >>> joined_extended_xmp([Block(0xE1, part)])
    (b'<x/>',)

    Source: XMP part 3, 1.1.3.1.
    """
    wholes: dict[bytes, bytearray] = {}
    head = len(EXTENDED_XMP_PREFIX)
    for block in blocks:
        part = block.data
        if block.kind is not Kind.EXTENDED_XMP:
            continue
        name, length = part[head : head + 32], int.from_bytes(part[head + 32 : head + 36], "big")
        at, text = int.from_bytes(part[head + 36 : head + 40], "big"), part[head + 40 :]
        if name not in wholes:
            if sum(map(len, wholes.values())) + length > MAX_EXTENDED_XMP:
                continue
            wholes[name] = bytearray(length)
        if len(wholes[name]) == length and at + len(text) <= length:
            wholes[name][at : at + len(text)] = text
    return tuple(bytes(whole) for whole in wholes.values())


def jpeg_blocks(segments: Iterable[Segment]) -> tuple[Block, ...]:
    """The APPn and COM segments of a JPEG, verbatim; without a JFIF segment that is cut short.

    >>> from lptn_retouch.structures.jpeg import jpeg_segments
    >>> jpeg_blocks(jpeg_segments(bytes.fromhex("ffd8 fffe 0004 6869 ffd9")))
    (Block(marker=254, data=b'hi'),)

    Source: JPEG T.81 B.2.4.5 and B.2.4.6.
    """
    return tuple(Block(s.marker, s.data) for s in segments if is_metadata(s.marker) and not _is_stump_of_jfif(s))


def _is_stump_of_jfif(segment: Segment) -> bool:
    """Whether it is a JFIF segment that is cut short: it says nothing, and some readers refuse the picture for it."""
    return segment.marker == 0xE0 and segment.data.startswith(b"JFIF") and len(segment.data) < JFIF_LENGTH


def exif_in(content: bytes) -> bytes | None:
    """The TIFF structure in an Exif box or item, which starts with the offset of that; None where there is none.

    >>> exif_in(bytes((0, 0, 0, 6)) + b"Exif\\0\\0II*\\0")
    b'II*\\x00'

    Source: ISO/IEC 23008-12 (HEIF) A.2.1; ISO/IEC 18181-2 (JPEG XL) 9.7.
    """
    at = 4 + int.from_bytes(content[:4], "big")
    # Some writers count the offset otherwise, or leave it out; where it leads to no TIFF header, the start is searched.
    for start in (at, 4, 0):
        start += len(EXIF_PREFIX) * content.startswith(EXIF_PREFIX, start)
        if content[start : start + 2] in (b"II", b"MM"):
            return content[start:]
    return None


def credentials_block(box: bytes) -> Block:
    """A C2PA or other JUMBF box as a JPEG holds it, so that it is reported alike when it is left out.

    >>> from lptn_retouch.structures.boxes import box_of
    >>> credentials_block(box_of(b"jumb")).kind.name
    'JUMBF'

    Source: ISO/IEC 19566-5 (JUMBF) annex D.
    """
    head = b"JP" + (1).to_bytes(2, "big") + (1).to_bytes(4, "big")
    return Block(0xEB, head + box[: SEGMENT_LIMIT - len(head)])
