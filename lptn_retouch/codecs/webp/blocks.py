"""What a WebP carries besides its pixels, and a freshly encoded one that carries it again."""

import struct
from typing import NamedTuple

from lptn_retouch.errors import MetadataError
from lptn_retouch.metadata.blocks import (
    EXIF_PREFIX,
    XMP_PREFIX,
    Block,
    credentials_block,
)
from lptn_retouch.metadata.metadata import Metadata
from lptn_retouch.metadata.unsupported import boxed
from lptn_retouch.structures import Buffer
from lptn_retouch.structures.riff import Chunk, riff_chunk, riff_chunks, riff_file

_LONGEST = 16 << 20
_XMP = (b"XMP ", b"XMP\0")  # some writers end the name with a NUL
_METADATA = frozenset({b"VP8X", b"ICCP", b"EXIF", *_XMP, b"C2PA"})
_HAS_ICC, _HAS_ALPHA, _HAS_EXIF, _HAS_XMP = 0x20, 0x10, 0x08, 0x04


def webp_blocks(data: Buffer) -> tuple[Block, ...]:
    """The metadata of a WebP. Never raises: of a damaged file it takes the chunks that are sound.

    Args:
        data: the whole file.

    >>> webp_blocks(riff_file([riff_chunk(b"EXIF", b"II*\\0")]))
    (Block(marker=225, data=b'Exif\\x00\\x00II*\\x00'),)

    Source: RFC 9649, 2.7.1.
    """
    found: dict[bytes, bytes] = {}
    for chunk in riff_chunks(data):
        kind = b"XMP " if chunk.type in _XMP else chunk.type
        if kind in _METADATA and 0 < chunk.end - chunk.at <= _LONGEST:
            found.setdefault(kind, bytes(data[chunk.at : chunk.end]))
    # Many programs write the prefixes of a JPEG in front, which the format does not have.
    exif, xmp = found.get(b"EXIF", b"").removeprefix(EXIF_PREFIX), found.get(b"XMP ", b"").removeprefix(XMP_PREFIX)
    credentials = (credentials_block(found[b"C2PA"]),) if b"C2PA" in found else ()
    return Metadata.build(exif=exif, xmp=xmp, icc=found.get(b"ICCP")).blocks + credentials


def embed_webp(webp: bytes, metadata: Metadata) -> tuple[bytes, tuple[str, ...]]:
    """Put metadata into a freshly encoded WebP; the coded pixels are not touched. See `Format.embed`.

    EXIF stands in it without the prefix that it has in a JPEG.

    Raises:
        MetadataError: the WebP is damaged.

    Source: RFC 9649, 2.5 to 2.7.
    """
    chunks = list(riff_chunks(webp))
    features = _features(webp, chunks)
    exif, xmp, notices = boxed(metadata, "a WebP")
    icc = metadata.icc
    before = [riff_chunk(b"ICCP", icc)] if icc else []
    after = [riff_chunk(b"EXIF", exif)] if exif else []
    after += [riff_chunk(b"XMP ", xmp)] if xmp else []
    coded = [riff_chunk(c.type, webp[c.at : c.end]) for c in chunks if c.type not in _METADATA]
    if before or after or any(chunk.type == b"VP8X" for chunk in chunks):
        flags = features.flags & ~(_HAS_ICC | _HAS_EXIF | _HAS_XMP)
        flags |= (_HAS_ICC if icc else 0) | (_HAS_EXIF if exif else 0) | (_HAS_XMP if xmp else 0)
        sides = b"".join((side - 1).to_bytes(3, "little") for side in (features.width, features.height))
        before = [riff_chunk(b"VP8X", bytes((flags, 0, 0, 0)) + sides), *before]
    return riff_file([*before, *coded, *after]), notices


class _Features(NamedTuple):
    """What a VP8X chunk says: flags, and the canvas in pixels."""

    flags: int
    width: int
    height: int


def _features(webp: bytes, chunks: list[Chunk]) -> _Features:
    """The features that the encoder declares, or that its coded picture has."""
    for chunk in chunks:
        head = webp[chunk.at : chunk.end][:10]
        if len(head) < 10 and chunk.type in (b"VP8X", b"VP8 "):
            break
        if chunk.type == b"VP8X":
            return _Features(head[0], int.from_bytes(head[4:7], "little") + 1, int.from_bytes(head[7:10], "little") + 1)
        if chunk.type == b"VP8 " and head[3:6] == b"\x9d\x01\x2a":
            width, height = struct.unpack_from("<HH", head, 6)
            return _Features(0, max(width & 0x3FFF, 1), max(height & 0x3FFF, 1))
        if chunk.type == b"VP8L" and head[:1] == b"\x2f" and len(head) >= 5:
            bits = int.from_bytes(head[1:5], "little")
            return _Features(_HAS_ALPHA * (bits >> 28 & 1), (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    raise MetadataError("The freshly encoded WebP has no picture in it; encode it again before adding metadata.")
