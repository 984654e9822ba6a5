"""What a picture's file carries besides its pixels, laid side by side for comparison."""

from dataclasses import dataclass, field

from lptn_retouch.codecs.raw.ciff import exif_from_ciff, is_ciff
from lptn_retouch.codecs.reading import read_metadata
from lptn_retouch.errors import MetadataError
from lptn_retouch.metadata.blocks import Block, Kind
from lptn_retouch.metadata.metadata import Metadata
from lptn_retouch.metadata.png_text import read_text
from lptn_retouch.structures import Buffer
from lptn_retouch.structures.tiff import Tiff

_MOST_TEXT = 16 << 20  # bytes of all compressed texts of a PNG together
_MAGICS = ((0, b"\xff\xd8", "JPEG"), (0, b"\x89PNG\r\n\x1a\n", "PNG"), (8, b"WEBP", "WEBP"), (0, b"GIF8", "GIF"),
           (0, b"BM", "BMP"), (0, b"\xff\x0a", "JPEG XL"), (0, b"\0\0\0\x0cJXL ", "JPEG XL"), (4, b"ftypcrx ", "RAW"),
           (4, b"ftyp", "HEIC"), (0, b"FUJIFILMCCD-RAW ", "RAW"), (0, b"II", "TIFF"), (0, b"MM", "TIFF"))  # fmt: skip
_BIG_TIFF = (b"+\0", b"\0+")
_DNG_VERSION = 0xC612
_RAW_SUFFIXES = frozenset({
    ".dng", ".nef", ".nrw", ".cr2", ".arw", ".sr2", ".srf", ".orf", ".rw2", ".rwl", ".pef", ".kdc", ".dcr", ".srw",
    ".3fr", ".erf", ".mef", ".mos", ".iiq",
})  # fmt: skip


@dataclass
class Carried:
    """The parts of one file. `exif` is a TIFF structure; for TIFF and RAW files built on it, it is the whole file."""

    container: str
    exif: Buffer | None = None
    xmp: list[bytes] = field(default_factory=list)
    icc: bytes | None = None
    iptc: bytes = b""
    photoshop: bytes = b""
    texts: list[tuple[str, bytes]] = field(default_factory=list)
    blocks: tuple[Block, ...] = ()

    @property
    def is_raw(self) -> bool:
        """Whether the file holds sensor data rather than a picture."""
        return self.container == "RAW"


def carried_by(data: Buffer, suffix: str = "") -> Carried:
    """Take a file apart by its content.

    Args:
        data: the file.
        suffix: its name's ending with the dot, which tells a RAW file built on TIFF from a TIFF.

    Returns:
        What it carries; of a damaged file, what is sound.

    Raises:
        MetadataError: the container is not one of JPEG, PNG, WebP, TIFF, AVIF, HEIC, JPEG XL, GIF, or a camera's RAW.

    >>> carried_by(bytes.fromhex("ffd8 fffe 0004 6869 ffd9")).texts
    [('Comment', b'hi')]

    Source: JPEG T.81 B; PNG third edition, 11.3; RFC 9649 (WebP) 2.7; TIFF 6.0; DNG 1.7; ISO/IEC 23008-12 (HEIF).
    """
    head = bytes(data[:24])
    kind = next((name for at, magic, name in _MAGICS if head[at : at + len(magic)] == magic), None)
    if kind is None:
        raise MetadataError("This file's metadata cannot be read; give a JPEG, PNG, WebP, TIFF, AVIF or RAW file.")
    if is_ciff(data):
        return Carried("RAW", exif=exif_from_ciff(data))
    if kind == "TIFF" and _is_raw(data, suffix):
        kind = "RAW"
    if kind == "RAW":
        from lptn_retouch.codecs.raw.blocks import metadata_from_raw

        found, _ = metadata_from_raw(data)
    else:
        found = read_metadata(data, kind)
    carried = carried_of(found, kind)
    if head[:2] in (b"II", b"MM") and head[2:4] not in _BIG_TIFF:  # so that what it says of its storage is told as well
        carried.exif = data
    return carried


def carried_of(found: Metadata, container: str) -> Carried:
    """The parts of metadata that is taken out of its container already.

    >>> carried_of(Metadata.build(xmp=b"<x/>"), "PNG").xmp
    [b'<x/>']
    """
    return Carried(
        container,
        exif=found.exif,
        xmp=[packet for packet in (found.xmp, *found.extended_xmp) if packet],
        icc=found.icc,
        iptc=found.iptc,
        photoshop=found.photoshop,
        texts=texts(found),
        blocks=found.blocks,
    )


def _is_raw(data: Buffer, suffix: str) -> bool:
    try:
        tiff = Tiff(data)
    except MetadataError:  # a BigTIFF, which no camera writes
        return False
    first = tiff.ifd(tiff.first)
    is_dng = first is not None and first.get(_DNG_VERSION) is not None
    return is_dng or tiff.u16(2) != 42 or bytes(data[8:10]) == b"CR" or suffix.lower() in _RAW_SUFFIXES


def texts(metadata: Metadata) -> list[tuple[str, bytes]]:
    """The free texts of a picture with their keywords: a JPEG's comments, a PNG's text chunks, these in UTF-8.

    >>> from lptn_retouch.metadata.blocks import PNG_CHUNK
    >>> texts(Metadata((Block(PNG_CHUNK, b"tEXtAuthor\\0Ada"),)))
    [('Author', b'Ada')]
    """
    found, room = [], _MOST_TEXT
    for block in metadata.blocks:
        if block.kind is Kind.COMMENT:
            found.append(("Comment", block.data))
        elif block.kind is Kind.PNG_CHUNK and (text := read_text(block.data, room)) is not None:
            room -= len(text.data)
            found.append((text.keyword, text.text.encode()))
    return found
