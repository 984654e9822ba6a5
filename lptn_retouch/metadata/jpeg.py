"""Putting metadata blocks into a freshly encoded JPEG."""

from lptn_retouch.errors import MetadataError
from lptn_retouch.metadata.blocks import SEGMENT_LIMIT, Block, Kind
from lptn_retouch.metadata.metadata import Metadata
from lptn_retouch.metadata.segments import FRAMES, SOI, START_OF_SCAN, Segment, is_metadata, jpeg_segments


def splice_jpeg(jpeg: bytes, metadata: Metadata) -> bytes:
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
    if not segments or segments[-1].marker != START_OF_SCAN:
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
    frame = next((s.data for s in segments if s.marker in FRAMES), b"")
    return len(adobe) >= 12 and adobe[11] == 0 and len(frame) >= 6 and frame[5] == 3
