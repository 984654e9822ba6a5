"""What a JPEG XL file carries besides its pixels, and a fresh one that carries it again.

The colour profile stands inside the codestream, coded like pixels, so it is the decoder's and the encoder's to handle.
"""

from collections.abc import Iterator

from lptn_retouch.errors import MetadataError
from lptn_retouch.metadata.blocks import Block, credentials_block, exif_in
from lptn_retouch.metadata.metadata import Metadata
from lptn_retouch.metadata.unsupported import boxed
from lptn_retouch.structures import Buffer
from lptn_retouch.structures.boxes import box_head, box_of, walk

_CODESTREAM = b"\xff\x0a"
_SIGNATURE = bytes.fromhex("0000000c 4a584c20 0d0a870a")
_PICTURE = (b"jxlc", b"jxlp")
_LONGEST_BOX = 16 << 20
_MOST_COMPRESSED = 8


def jxl_blocks(data: Buffer) -> tuple[Block, ...]:
    """The metadata of a JPEG XL file, but its colour profile. Never raises: of a damaged file it takes what is sound.

    Args:
        data: the whole file; a bare codestream carries nothing.

    >>> jxl_blocks(_SIGNATURE + box_of(b"xml ", b"<x/>"))[0].kind.name
    'XMP'

    Source: ISO/IEC 18181-2 (JPEG XL file format) 9.
    """
    if bytes(data[: len(_SIGNATURE)]) != _SIGNATURE:
        return ()
    found: dict[bytes, bytes] = {}
    for kind, content in _boxes(data):
        if told := exif_in(content) if kind == b"Exif" else content:
            found.setdefault(kind, told)
    credentials = (credentials_block(box_of(b"jumb", found[b"jumb"])),) if b"jumb" in found else ()
    return Metadata.build(exif=found.get(b"Exif"), xmp=found.get(b"xml ")).blocks + credentials


def _boxes(data: Buffer) -> Iterator[tuple[bytes, bytes]]:
    """The boxes that may hold metadata, inflated where they are compressed."""
    compressed = 0
    for box in walk(data):
        kind, at = box.type, box.at
        if kind == b"brob" and compressed < _MOST_COMPRESSED:
            kind, at, compressed = bytes(data[at : at + 4]), at + 4, compressed + 1
        if kind not in (b"Exif", b"xml ", b"jumb") or box.end - at > _LONGEST_BOX:
            continue
        content = bytes(data[at : box.end])
        yield kind, content if at == box.at else _inflated(content)


def _inflated(content: bytes) -> bytes:
    import imagecodecs

    try:
        return bytes(imagecodecs.brotli_decode(content, out=_LONGEST_BOX))
    except Exception:  # damaged, or longer than anything that a camera writes
        return b""


def embed_jxl(picture: bytes, metadata: Metadata) -> tuple[bytes, tuple[str, ...]]:
    """Put metadata into a freshly encoded JPEG XL; the coded pixels, with the profile, stay. See `Format.embed`.

    A bare codestream becomes a file of boxes.

    Raises:
        MetadataError: the picture is no JPEG XL.

    Source: ISO/IEC 18181-2 (JPEG XL file format) 9.
    """
    exif, xmp, notices = boxed(metadata, "a JPEG XL")
    added = [box_of(b"Exif", bytes(4), exif)] if exif else []
    added += [box_of(b"xml ", xmp)] if xmp else []
    if picture[:2] == _CODESTREAM:
        if not added:
            return picture, notices
        head = (_SIGNATURE, box_of(b"ftyp", b"jxl ", bytes(4), b"jxl "))
        return b"".join((*head, *added, box_head(b"jxlc", len(picture)), picture)), notices
    coded = next((box for box in walk(picture) if box.type in _PICTURE), None)
    if coded is None:
        raise MetadataError("The freshly encoded JPEG XL has no picture in it; encode it again before adding metadata.")
    whole = memoryview(picture)
    return b"".join((whole[: coded.start], *added, whole[coded.start :])), notices
