"""What a picture's file carries besides its pixels, laid side by side for comparison."""

from dataclasses import dataclass

from lptn_retouch.codecs.raw.ciff import is_ciff
from lptn_retouch.codecs.registry import format_of
from lptn_retouch.errors import MetadataError
from lptn_retouch.metadata.blocks import Kind
from lptn_retouch.metadata.metadata import Metadata
from lptn_retouch.metadata.png_text import read_text
from lptn_retouch.structures import Buffer

_MOST_TEXT = 16 << 20  # bytes of all compressed texts of a PNG together
_BIG_TIFF = (b"+\0", b"\0+")


@dataclass(frozen=True)
class Carried:
    """What one file carries.

    Args:
        container: its format.
        metadata: all blocks.
        file: the whole of it where it is a TIFF structure, so that what it says of its storage is told as well.
    """

    container: str
    metadata: Metadata
    file: Buffer | None = None

    @property
    def exif(self) -> Buffer | None:
        """A TIFF structure; for TIFF and RAW files built on it, the whole file."""
        return self.metadata.exif if self.file is None else self.file

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

    >>> carried_by(bytes.fromhex("ffd8 fffe 0004 6869 ffd9"), "JPEG").metadata
    Metadata(COMMENT 2 bytes)
    """
    format = format_of(kind)
    if format is None:
        raise MetadataError(f"a {kind} file's metadata cannot be read; give a JPEG, PNG, WebP, TIFF, AVIF or RAW file.")
    metadata = Metadata(format.read_blocks(format.parse(data)))
    is_tiff = bytes(data[:2]) in (b"II", b"MM") and bytes(data[2:4]) not in _BIG_TIFF and not is_ciff(data)
    return Carried(format.name, metadata, data if is_tiff else None)


def texts(metadata: Metadata) -> list[tuple[str, bytes]]:
    """The free texts of a picture with their keywords: a JPEG's comments, a PNG's text chunks, these in UTF-8.

    >>> from lptn_retouch.metadata.blocks import PNG_CHUNK, Block
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
