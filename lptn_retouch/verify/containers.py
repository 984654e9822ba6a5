"""What a picture's file carries besides its pixels, laid side by side for comparison."""

from dataclasses import dataclass, field

from lptn_retouch.codecs.raw.ciff import is_ciff
from lptn_retouch.codecs.registry import format_of
from lptn_retouch.errors import MetadataError
from lptn_retouch.metadata.blocks import Block, Kind
from lptn_retouch.metadata.metadata import Metadata
from lptn_retouch.metadata.png_text import read_text
from lptn_retouch.structures import Buffer

_MOST_TEXT = 16 << 20  # bytes of all compressed texts of a PNG together
_BIG_TIFF = (b"+\0", b"\0+")


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


def carried_by(data: Buffer, kind: str) -> Carried:
    """Take a file apart.

    Args:
        data: the file.
        kind: as `codecs.detect` names it.

    Returns:
        What it carries; of a damaged file, what is sound.

    Raises:
        MetadataError: it is not of a kind that is read.

    >>> carried_by(bytes.fromhex("ffd8 fffe 0004 6869 ffd9"), "JPEG").texts
    [('Comment', b'hi')]
    """
    format = format_of(kind)
    if format is None:
        raise MetadataError(f"a {kind} file's metadata cannot be read; give a JPEG, PNG, WebP, TIFF, AVIF or RAW file.")
    structure = format.parse(data)
    carried = carried_of(Metadata(format.read_blocks(structure)), format.name)
    if bytes(data[:2]) in (b"II", b"MM") and bytes(data[2:4]) not in _BIG_TIFF and not is_ciff(data):
        carried.exif = data  # so that what it says of its storage is told as well
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
