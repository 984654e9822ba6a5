"""What a file is, told by its content. The name is never asked: it is often wrong, and sometimes a trap.

Trying one decoder after the other does not work either: Pillow opens many RAWs as their thumbnail, and LibRaw
'develops' some JPEGs and plain 16-bit TIFFs into noise.
"""

import io
from typing import BinaryIO

from lptn_retouch.codecs.heif.brands import VIDEO, brand
from lptn_retouch.codecs.raw.kind import raw_kind
from lptn_retouch.codecs.registry import FORMATS

_HEAD = 64  # bytes
_UNREAD: tuple[tuple[int, bytes, str], ...] = (
    (0, b"II\xbc", "JPEG XR"),
    (0, b"8BPS", "Photoshop"),
    (0, b"%PDF", "PDF"),
    (0, b"\x76\x2f\x31\x01", "OpenEXR"),
    (0, b"#?RADIANCE", "Radiance HDR"),
    (0, b"gimp xcf", "GIMP"),
    (0, b"\x1a\x45\xdf\xa3", VIDEO),  # Matroska, WebM
    (8, b"AVI LIST", VIDEO),
    (0, b"\0\0\1\xba", VIDEO),  # MPEG
    (0, b"\0\0\1\xb3", VIDEO),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", VIDEO),  # Windows Media
    (0, b"FLV\1", VIDEO),
    (4, b"moov", VIDEO),  # QuickTime before it had brands
    (4, b"mdat", VIDEO),
    (4, b"wide", VIDEO),
)


def detect(head: bytes) -> str | None:
    """Name the format that these first bytes of a file belong to.

    Args:
        head: the file's first bytes. 64 are enough but for TIFF: whether a TIFF is a camera's RAW is told from its
            directories, so give all the bytes there; a RAW whose directories lie further on is called "TIFF".

    Returns:
        The `name` of a format in `registry`; "RAW:" and the kind, such as "RAW:NEF"; the name of a format that
        `open_photo` refuses, such as "PDF"; or None when nothing is recognised.

    Example:
        >>> detect(b"\\xff\\xd8\\xff\\xe0\\x00\\x10JFIF")
        'JPEG'
        >>> detect(b"II\\x1a\\x00\\x00\\x00HEAPCCDR")
        'RAW:CRW'
        >>> detect(b"hello") is None
        True
    """
    return detect_file(io.BytesIO(head))


def detect_file(file: BinaryIO) -> str | None:
    """`detect` for an open, seekable file, read no further than needed; its position is moved."""
    file.seek(0)
    head = file.read(_HEAD)
    if kind := raw_kind(head, file):
        return f"RAW:{kind}"
    if format := next((format for format in FORMATS if format.recognises(head)), None):
        return format.name
    if brand(head):
        return VIDEO
    return next((name for at, magic, name in _UNREAD if head[at : at + len(magic)] == magic), None)
