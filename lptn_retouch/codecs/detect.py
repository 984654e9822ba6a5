"""What a file is, told by its content. The name is never asked: it is often wrong, and sometimes a trap.

Trying one decoder after the other does not work either: Pillow opens many RAWs as their thumbnail, and LibRaw
'develops' some JPEGs and plain 16-bit TIFFs into noise.
"""

import io
from typing import BinaryIO

from lptn_retouch.structures.tiff_directories import directories, raw_kind

_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (0, b"GIF87a", "GIF"),
    (0, b"GIF89a", "GIF"),
    (0, b"BM", "BMP"),
    (0, b"FUJIFILMCCD-RAW", "RAW:RAF"),
    (6, b"HEAPCCDR", "RAW:CRW"),
    (6, b"HEAPJPGM", "RAW:CRW"),
    (0, b"IIRO", "RAW:ORF"),
    (0, b"IIRS", "RAW:ORF"),
    (0, b"MMOR", "RAW:ORF"),
    (0, b"IIU\0", "RAW:RW2"),
    (0, b"\0MRM", "RAW:MRW"),
    (0, b"FOVb", "RAW:X3F"),
    (8, b"IIII", "RAW:IIQ"),
    (8, b"MMMM", "RAW:IIQ"),
    (4, b"ftypcrx ", "RAW:CR3"),
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"\0\0\0\x0cJXL ", "JPEG XL"),
    (0, b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (0, b"II\xbc", "JPEG XR"),
    (0, b"8BPS", "Photoshop"),
    (0, b"%PDF", "PDF"),
    (0, b"\x76\x2f\x31\x01", "OpenEXR"),
    (0, b"#?RADIANCE", "Radiance HDR"),
    (0, b"gimp xcf", "GIMP"),
    (0, b"\x1a\x45\xdf\xa3", "video"),  # Matroska, WebM
    (8, b"AVI LIST", "video"),
    (0, b"\0\0\1\xba", "video"),  # MPEG
    (0, b"\0\0\1\xb3", "video"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "video"),  # Windows Media
    (0, b"FLV\1", "video"),
    (4, b"moov", "video"),  # QuickTime before it had brands
    (4, b"mdat", "video"),
    (4, b"wide", "video"),
)
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIF_BRANDS = frozenset(
    {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"mif2", b"msf1", b"miaf", b"avci", b"avcs",
     b"vvic", b"j2ki", b"jpeg"}
)  # fmt: skip
_VIDEO_BRANDS = (b"iso", b"mp4", b"avc", b"qt", b"M4V", b"3g", b"dash", b"MSNV", b"XAVC")
_TIFF_MAGICS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def detect(head: bytes) -> str | None:
    """Name the format that these first bytes of a file belong to.

    Args:
        head: the file's first bytes. 64 are enough but for TIFF: whether a TIFF is a camera's RAW is told from its
            directories, so give all the bytes there; a RAW whose directories lie further on is called "TIFF".

    Returns:
        "JPEG", "PNG", "TIFF", "WEBP", "GIF", "BMP"; "RAW:" and the kind, such as "RAW:NEF"; the name of a format that
        `open_photo` refuses, such as "HEIC"; or None when nothing is recognised.

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
    head = file.read(64)
    if head[:4] in _TIFF_MAGICS:
        if head[8:10] == b"CR" and head[:2] == b"II":
            return "RAW:CR2"
        if head[8:12] in (b"IIII", b"MMMM"):
            return "RAW:IIQ"
        kind = raw_kind(directories(file))
        return f"RAW:{kind}" if kind else "TIFF"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[4:8] == b"ftyp" and head[8:12] != b"crx ":
        return _by_brand(head)
    return next((name for at, magic, name in _SIGNATURES if head[at : at + len(magic)] == magic), None)


def _by_brand(head: bytes) -> str:
    """Which of the files of ISO/IEC 14496-12 this is, by the brands that its first box (4.3) names."""
    end = min(int.from_bytes(head[:4], "big"), len(head))
    brands = {head[at : at + 4] for at in (8, *range(16, end - 3, 4))}
    # A HEIF file may name its own brand only among the compatible ones, after a structural 'mif1'; a video is one
    # first of all, though it may hold pictures too.
    if brands & _AVIF_BRANDS:
        return "AVIF"
    if head[8:12] in _HEIF_BRANDS or (brands & _HEIF_BRANDS and not head[8:12].startswith(_VIDEO_BRANDS)):
        return "HEIC"
    return "video"
