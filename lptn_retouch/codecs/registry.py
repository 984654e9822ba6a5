"""All containers that are read, and those that are written. A new one is a room beside this file, and a line here."""

from __future__ import annotations

from typing import Any

from lptn_retouch.codecs.bmp import Bmp
from lptn_retouch.codecs.format import Format
from lptn_retouch.codecs.gif import Gif
from lptn_retouch.codecs.heif import Avif, Heic
from lptn_retouch.codecs.jpeg import Jpeg
from lptn_retouch.codecs.jpeg2000 import Jpeg2000
from lptn_retouch.codecs.jxl import JpegXl
from lptn_retouch.codecs.png import Png
from lptn_retouch.codecs.raw import Raw
from lptn_retouch.codecs.tiff import Tiff
from lptn_retouch.codecs.webp import WebP
from lptn_retouch.metadata import Metadata
from lptn_retouch.structures import Buffer

FORMATS: tuple[Format[Any], ...] = (
    Jpeg(),
    Png(),
    Tiff(),
    WebP(),
    Avif(),
    JpegXl(),
    Jpeg2000(),
    Heic(),
    Gif(),
    Bmp(),
    Raw(),
)
WRITTEN = {ending: format for format in FORMATS if format.holds for ending in format.endings}
"""What is written under which ending of a name."""

_BY_NAME = {format.name: format for format in FORMATS}


def format_of(kind: str) -> Format[Any] | None:
    """The container of this kind, as `detect` names it; None for one that is not read.

    Example:
        >>> format_of("RAW:CR2").spoken, format_of("PDF")
        ('a RAW', None)
    """
    return _BY_NAME.get(kind.partition(":")[0])


def word_for(kind: str) -> str:
    """The word of the format in which a picture of this kind is written again: its own, or "jpg".

    Example:
        >>> word_for("AVIF"), word_for("HEIC")
        ('avif', 'jpg')
    """
    format = format_of(kind)
    return format.word if format is not None and format.holds else "jpg"


def read_metadata(data: Buffer, kind: str) -> Metadata:
    """Everything that a picture's file carries besides its pixels.

    Args:
        data: the whole file.
        kind: as `detect` names it.

    Returns:
        The blocks that are sound; none for containers that hold none.

    Example:
        >>> read_metadata(bytes.fromhex("ffd8 fffe 0004 6869 ffd9"), "JPEG").blocks
        (Block(marker=254, data=b'hi'),)
    """
    format = format_of(kind)
    return Metadata(format.read_blocks(format.parse(data))) if format is not None else Metadata()
