"""Putting metadata blocks into a freshly encoded JPEG."""

from collections.abc import Iterator

from lptn_retouch.errors import MetadataError
from lptn_retouch.metadata.blocks import (
    COMMENT,
    LONGEST_EXIF,
    PHOTOSHOP_PREFIX,
    SEGMENT_LIMIT,
    Block,
    Kind,
    exif_block,
    photoshop_block,
    xmp_block,
)
from lptn_retouch.metadata.metadata import Metadata
from lptn_retouch.metadata.png_text import TEXT_CHUNKS, read_text
from lptn_retouch.metadata.resolution import jfif_density
from lptn_retouch.metadata.xmp.extended import merged_xmp, split_xmp
from lptn_retouch.structures.jpeg import FRAMES, JFIF_LENGTH, SOI, START_OF_SCAN, Segment, is_metadata, jpeg_segments

_LONGEST_XMP = 65502  # what XMP part 3 says, two less than there is room for

TEXT_LEFT_OUT = "A text was left out: it is damaged, or longer than a JPEG shall hold in comments."
_MOST_TEXT = 1 << 20  # bytes of all comments that a PNG's compressed texts become
XMP_TOO_LONG = "The XMP was left out: it is too long for a JPEG, and too damaged to be split."
ICC_TOO_LONG = "The colour profile was left out: it is longer than the 16.7 MB that a JPEG holds."


def embed_jpeg(jpeg: bytes, metadata: Metadata) -> tuple[bytes, tuple[str, ...]]:
    """Put metadata blocks into a freshly encoded JPEG; the coded pixels are not touched. See `Format.embed`.

    The blocks stand in the order JFIF, Exif, then as they stood in their source. From the encoder's own blocks,
    Adobe APP14 stays (it says how *these* pixels are coded; the source's does not), JFIF, Exif, XMP and ICC stay
    where the metadata has none of the kind, and the others go. What is too long for a segment is split, and what
    cannot be split is shortened. A PNG's texts become comments, and its resolution JFIF's.

    Raises:
        MetadataError: the JPEG is damaged, or a block is of no kind that a JPEG or PNG has.

    >>> from lptn_retouch.metadata import Metadata
    >>> plain = bytes.fromhex("ffd8 ffda 0002 ffd9")
    >>> embed_jpeg(plain, Metadata((Block(0xFE, b"hi"),)))[0].hex(" ", 2)
    'ffd8 fffe 0004 6869 ffda 0002 ffd9'

    Source: JPEG T.81 B.2.4; JFIF 1.02; Exif 3.0 (CIPA DC-008) 4.7.1; XMP part 3, 1.1.3; ICC.1:2022 B.4.
    """
    segments = list(jpeg_segments(jpeg))
    if not segments or segments[-1].marker != START_OF_SCAN:
        raise MetadataError("The freshly encoded JPEG has no picture in it; encode it again before adding metadata.")
    own = [Block(s.marker, s.data) for s in segments if is_metadata(s.marker)]
    carried, notices = _segmented(metadata)
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
    scan = memoryview(jpeg)[segments[-1].end :]
    return b"".join([SOI, *(_coded(block) for block in carried), rest, scan]), notices


def _coded(block: Block) -> bytes:
    if not is_metadata(block.marker):
        raise MetadataError(f"Marker 0x{block.marker:02X} is not APPn or COM; carry only metadata blocks.")
    return bytes((0xFF, block.marker)) + (len(block.data) + 2).to_bytes(2, "big") + block.data


def _segmented(metadata: Metadata) -> tuple[list[Block], tuple[str, ...]]:
    """Blocks that each fit into a segment, and notices."""
    metadata, said = _with_one_packet(metadata)
    notices = dict.fromkeys(said)
    blocks = [block for block in metadata.blocks if block.kind is not Kind.ADOBE and not _is_cut_jfif(block)]
    density = jfif_density(blocks)
    if density is not None and all(block.kind is not Kind.JFIF for block in blocks):
        blocks.append(density)
    fitting: list[Block] = []
    room = _MOST_TEXT
    for block in blocks:
        if block.kind is Kind.PNG_CHUNK:
            parts, said = _comments(block, room)
            room -= sum(len(part.data) for part in parts)
        elif len(block.data) > SEGMENT_LIMIT:
            parts, said = _split(block)
        else:
            parts, said = [block], ()
        fitting += parts
        notices.update(dict.fromkeys(said))
    return fitting, tuple(notices)


def _is_cut_jfif(block: Block) -> bool:
    """Whether a JFIF block is cut short; the encoder's own then stays, which is whole."""
    return block.kind is Kind.JFIF and len(block.data) < JFIF_LENGTH


def _with_one_packet(metadata: Metadata) -> tuple[Metadata, tuple[str, ...]]:
    """The metadata with its extended XMP in the main packet where that is to be split anew; and notices."""
    if all(block.kind is not Kind.XMP or len(block.data) <= SEGMENT_LIMIT for block in metadata.blocks):
        return metadata, ()
    whole, notices = merged_xmp(metadata)
    others = Metadata(tuple(block for block in metadata.blocks if block.kind is not Kind.EXTENDED_XMP))
    return others.with_xmp(whole or b""), notices


def _split(block: Block) -> tuple[list[Block], tuple[str, ...]]:
    """A block too long for a segment in parts, or shortened, or gone; and notices."""
    if block.kind is Kind.EXIF:
        from lptn_retouch.metadata.exif.fit import fitted_exif

        exif, notices = fitted_exif(block.content, LONGEST_EXIF)
        return [exif_block(exif)] if exif else [], notices
    if block.kind is Kind.XMP:
        try:
            main, extended = split_xmp(block.content, _LONGEST_XMP)
        except MetadataError:
            return [], (XMP_TOO_LONG,)
        return [xmp_block(main), *extended], ()
    if block.kind is Kind.PHOTOSHOP:  # readers join the resources of all segments
        return [photoshop_block(part) for part in _parts(block.content, SEGMENT_LIMIT - len(PHOTOSHOP_PREFIX))], ()
    if block.kind is Kind.COMMENT:
        return [Block(COMMENT, part) for part in _parts(block.data, SEGMENT_LIMIT)], ()
    if block.kind is Kind.ICC:
        return [], (ICC_TOO_LONG,)
    return [], (f"Application data APP{block.marker & 15} was left out: it is too long for a JPEG.",)


def _parts(data: bytes, room: int) -> Iterator[bytes]:
    return (data[at : at + room] for at in range(0, len(data), room))


def _comments(block: Block, room: int) -> tuple[list[Block], tuple[str, ...]]:
    """A PNG's text as comments, with its keyword where that says something, and notices; nothing of other chunks."""
    found, text = read_text(block.data, room), ""
    if found is not None:
        text = found.text if found.keyword == "Comment" else f"{found.keyword}: {found.text}"
    comments = [Block(COMMENT, part) for part in _parts(text.encode("utf-8", "replace"), SEGMENT_LIMIT)]
    return comments, (TEXT_LEFT_OUT,) if not comments and block.data[:4] in TEXT_CHUNKS else ()


def _is_plain_rgb(segments: list[Segment]) -> bool:
    """Whether the encoder says, by Adobe APP14 with transform 0, that three components are RGB and not YCbCr."""
    adobe = next((s.data for s in segments if s.marker == 0xEE and s.data.startswith(b"Adobe")), b"")
    frame = next((s.data for s in segments if s.marker in FRAMES), b"")
    return len(adobe) >= 12 and adobe[11] == 0 and len(frame) >= 6 and frame[5] == 3
