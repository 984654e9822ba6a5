"""What a JPEG 2000 carries besides its pixels, and a fresh one that carries it again."""

from collections.abc import Iterator

from lptn_retouch.codecs.jpeg2000.header import Header, read_header
from lptn_retouch.errors import MetadataError
from lptn_retouch.metadata import Block, Metadata
from lptn_retouch.metadata.blocks import (
    EXIF_PREFIX,
    credentials_block,
)
from lptn_retouch.metadata.photoshop import with_iptc
from lptn_retouch.metadata.unsupported import boxed
from lptn_retouch.structures import Buffer
from lptn_retouch.structures.boxes import Box, box_of, find_all

_EXIF = b"JpgTiffExif->JP2"
_XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_IPTC = bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38")
_LONGEST = 16 << 20
_PROFILE = bytes((2, 0, 0))  # in a `colr` box: method 2, an ICC profile; no precedence; exact
_COLOURS_WITH_ALPHA = {2: 1, 4: 3}  # by the number of components


def jp2_blocks(header: Header) -> tuple[Block, ...]:
    """The metadata of a JPEG 2000. Never raises: of a damaged file it takes what is sound.

    Returns:
        EXIF, XMP and IPTC from their `uuid` boxes, the profile, and Content Credentials.

    >>> jp2_blocks(read_header(box_of(b"uuid", _XMP, b"<x/>")))[0].kind.name
    'XMP'

    Source: XMP part 3, 1.1.8; ISO/IEC 15444-1, I.5.3.3 (profile) and I.7.2 (uuid).
    """
    found: dict[bytes, bytes] = {}
    for box in header.boxes:
        if box.type in (_EXIF, _XMP, _IPTC, b"jumb") and 0 < box.end - box.at <= _LONGEST:
            found.setdefault(box.type, bytes(header.data[box.at : box.end]))
    exif, resources = found.get(_EXIF, b"").removeprefix(EXIF_PREFIX), with_iptc(b"", found.get(_IPTC, b""))
    credentials = (credentials_block(box_of(b"jumb", found[b"jumb"])),) if b"jumb" in found else ()
    return Metadata.build(exif=exif, xmp=found.get(_XMP), icc=header.icc, photoshop=resources).blocks + credentials


def embed_jp2(picture: bytes, metadata: Metadata) -> tuple[bytes, tuple[str, ...]]:
    """Put metadata into a freshly encoded JP2; the codestream is not touched. See `Format.embed`.

    The profile takes the place of the encoder's word on colours. A word on transparency is added, which the encoder
    leaves out.

    Raises:
        MetadataError: the picture is damaged.

    Source: ISO/IEC 15444-1, I.5.3.3 (colr) and I.5.3.6 (cdef); XMP part 3, 1.1.8.
    """
    header = read_header(picture)
    if not header.width or all(box.type != b"jp2h" for box in header.boxes):
        raise MetadataError("The freshly encoded JPEG 2000 has no picture in it; encode it again.")
    exif, xmp, notices = boxed(metadata, "a JPEG 2000")
    parts: list[bytes] = []
    for box in header.boxes:
        if box.type != b"jp2h":
            parts.append(picture[box.start : box.end])
            continue
        parts.append(box_of(b"jp2h", *_described(picture, box, metadata.icc, len(header.bits))))
        parts += [box_of(b"uuid", kind, content) for kind, content in ((_EXIF, exif), (_XMP, xmp)) if content]
    return b"".join(parts), notices


def _described(picture: Buffer, outer: Box, icc: bytes | None, components: int) -> Iterator[bytes]:
    """The boxes that describe the picture."""
    for kind in (b"ihdr", b"bpcc"):
        for box in find_all(picture, kind, within=outer):
            yield bytes(picture[box.start : box.end])
    if icc:
        yield box_of(b"colr", _PROFILE, icc)
    else:
        for box in find_all(picture, b"colr", within=outer):
            yield bytes(picture[box.start : box.end])
    if colours := _COLOURS_WITH_ALPHA.get(components):
        channels = [(n, 0, n + 1) for n in range(colours)] + [(colours, 1, 0)]  # which, of what type, of which colour
        numbers = b"".join(number.to_bytes(2, "big") for channel in channels for number in channel)
        yield box_of(b"cdef", len(channels).to_bytes(2, "big"), numbers)
