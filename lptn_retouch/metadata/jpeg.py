"""JPEG as a list of segments: reading its header, and putting metadata blocks into a freshly encoded picture."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from lptn_retouch.errors import MetadataError
from lptn_retouch.metadata.blocks import SEGMENT_LIMIT, Block, Kind
from lptn_retouch.metadata.tiff import Buffer

if TYPE_CHECKING:
    from lptn_retouch.metadata.metadata import Metadata

SOI = b"\xff\xd8"
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_WITHOUT_LENGTH = frozenset({0x01, 0xD8, *range(0xD0, 0xD8)})
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# Real files hold a few dozen segments; a picture that has thousands is made to waste time.
_MAX_SEGMENTS = 4096


class Segment(NamedTuple):
    """One marker segment: its marker byte, its payload, and the span of the whole in the file (FF included)."""

    marker: int
    data: bytes
    start: int
    end: int


def is_metadata(marker: int) -> bool:
    """Whether this marker is APPn or COM."""
    return 0xE0 <= marker <= 0xEF or marker == 0xFE


def jpeg_segments(data: Buffer) -> Iterator[Segment]:
    """The segments before the first scan, in file order; stops quietly at the first that is damaged.

    Args:
        data: a JPEG file; anything else gives nothing.

    Returns:
        Segments with sound lengths. Bytes between segments are skipped, as decoders do. The last one is SOS,
        where the file gets so far.

    >>> [hex(s.marker) for s in jpeg_segments(bytes.fromhex("ffd8 fffe 0004 6869 ffd9"))]
    ['0xfe']

    Source: JPEG T.81 B.1.1.2 to B.1.1.4.
    """
    if data[:2] != SOI:
        return
    at = 2
    for _ in range(_MAX_SEGMENTS):
        start = data.find(b"\xff", at)
        if start < 0:
            return
        mark = start + 1
        while mark < len(data) and data[mark] == 0xFF:
            mark += 1
        if mark >= len(data):
            return
        marker = data[mark]
        at = mark + 1
        if marker == 0 or marker in _WITHOUT_LENGTH:
            continue
        if marker == _END_OF_IMAGE or at + 2 > len(data):
            return
        end = at + int.from_bytes(data[at : at + 2], "big")
        if end < at + 2 or end > len(data):
            return
        yield Segment(marker, bytes(data[at + 2 : end]), mark - 1, end)
        if marker == _START_OF_SCAN:
            return
        at = end


def metadata_blocks(data: Buffer) -> tuple[Block, ...]:
    """The APPn and COM segments of a JPEG, verbatim.

    >>> metadata_blocks(bytes.fromhex("ffd8 fffe 0004 6869 ffd9"))
    (Block(marker=254, data=b'hi'),)

    Source: JPEG T.81 B.2.4.5 and B.2.4.6.
    """
    return tuple(Block(s.marker, s.data) for s in jpeg_segments(data) if is_metadata(s.marker))


def jpeg_size(data: Buffer) -> tuple[int, int] | None:
    """Width and height in pixels, from the frame header; None where there is none.

    >>> jpeg_size(b"not a JPEG") is None
    True

    Source: JPEG T.81 B.2.2.
    """
    for segment in jpeg_segments(data):
        if segment.marker in _FRAMES and len(segment.data) >= 6:
            return int.from_bytes(segment.data[3:5], "big"), int.from_bytes(segment.data[1:3], "big")
    return None


def splice_jpeg(jpeg: bytes, metadata: "Metadata") -> bytes:
    """Put metadata blocks into a freshly encoded JPEG; the coded pixels are not touched.

    The blocks stand in the order JFIF, Exif, then as they stood in their source. From the encoder's own blocks,
    Adobe APP14 stays (it says how *these* pixels are coded; the source's does not), JFIF, Exif, XMP and ICC stay
    where the metadata has none of the kind, and the others go.

    Args:
        jpeg: a picture as the encoder wrote it.
        metadata: what it shall carry, usually `Metadata.for_result(...)`.

    Returns:
        The JPEG with these blocks.

    Raises:
        MetadataError: the JPEG is damaged, or a block is longer than the 65533 bytes that a segment holds.

    >>> from lptn_retouch.metadata import Metadata
    >>> plain = bytes.fromhex("ffd8 ffda 0002 ffd9")
    >>> splice_jpeg(plain, Metadata((Block(0xFE, b"hi"),))).hex(" ", 2)
    'ffd8 fffe 0004 6869 ffda 0002 ffd9'

    Source: JPEG T.81 B.2.4; JFIF 1.02; Exif 3.0 (CIPA DC-008) 4.7.1.
    """
    segments = list(jpeg_segments(jpeg))
    if not segments or segments[-1].marker != _START_OF_SCAN:
        raise MetadataError("The freshly encoded JPEG has no picture in it; encode it again before adding metadata.")
    own = [Block(s.marker, s.data) for s in segments if is_metadata(s.marker)]
    carried = [block for block in metadata.blocks if block.kind is not Kind.ADOBE]
    kinds = {block.kind for block in carried}
    fallback = (Kind.JFIF, Kind.EXIF, Kind.XMP, Kind.EXTENDED_XMP, Kind.ICC)
    carried += [block for block in own if block.kind in fallback and block.kind not in kinds]
    if _is_plain_rgb(segments):
        # JFIF means YCbCr, and decoders believe it over APP14: with it these colours would be decoded wrong.
        carried = [block for block in carried if block.kind not in (Kind.JFIF, Kind.JFXX)]
    rank = {Kind.JFIF: 0, Kind.JFXX: 1, Kind.EXIF: 2}
    carried.sort(key=lambda block: rank.get(block.kind, 3))
    carried += [block for block in own if block.kind is Kind.ADOBE]
    rest = b"".join(jpeg[s.start : s.end] for s in segments if not is_metadata(s.marker))
    return SOI + b"".join(_coded(block) for block in carried) + rest + jpeg[segments[-1].end :]


def _coded(block: Block) -> bytes:
    if not is_metadata(block.marker):
        raise MetadataError(f"Marker 0x{block.marker:02X} is not APPn or COM; carry only metadata blocks.")
    if len(block.data) > SEGMENT_LIMIT:
        raise MetadataError(
            f"The {block.kind.name} block is {len(block.data)} bytes long and a JPEG segment holds {SEGMENT_LIMIT}; "
            "save as PNG or TIFF, or leave this block out."
        )
    return bytes((0xFF, block.marker)) + (len(block.data) + 2).to_bytes(2, "big") + block.data


def _is_plain_rgb(segments: list[Segment]) -> bool:
    """Whether the encoder says, by Adobe APP14 with transform 0, that three components are RGB and not YCbCr."""
    adobe = next((s.data for s in segments if s.marker == 0xEE and s.data.startswith(b"Adobe")), b"")
    frame = next((s.data for s in segments if s.marker in _FRAMES), b"")
    return len(adobe) >= 12 and adobe[11] == 0 and len(frame) >= 6 and frame[5] == 3
