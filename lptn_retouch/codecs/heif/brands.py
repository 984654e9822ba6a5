"""Which of the files of ISO/IEC 14496-12 one is, by the brands that its first box (4.3) names."""

AVIF, HEIC, VIDEO = "AVIF", "HEIC", "video"
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIF_BRANDS = frozenset(
    {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"mif2", b"msf1", b"miaf", b"avci", b"avcs",
     b"vvic", b"j2ki", b"jpeg"}
)  # fmt: skip
_VIDEO_BRANDS = (b"iso", b"mp4", b"avc", b"qt", b"M4V", b"3g", b"dash", b"MSNV", b"XAVC")
_CANON_RAW = b"crx "


def brand(head: bytes) -> str | None:
    """AVIF, HEIC or VIDEO; None for a file that begins with no such box, or is Canon's RAW.

    Args:
        head: the first bytes of a file, 64 or so.

    Example:
        >>> brand(b"\\0\\0\\0\\x14ftypmif1" + bytes(4) + b"avif"), brand(b"RIFF")
        ('AVIF', None)
    """
    if head[4:8] != b"ftyp" or head[8:12] == _CANON_RAW:
        return None
    end = min(int.from_bytes(head[:4], "big"), len(head))
    brands = {head[at : at + 4] for at in (8, *range(16, end - 3, 4))}
    # A HEIF file may name its own brand only among the compatible ones, after a structural 'mif1'; a video is one
    # first of all, though it may hold pictures too.
    if brands & _AVIF_BRANDS:
        return AVIF
    if head[8:12] in _HEIF_BRANDS or (brands & _HEIF_BRANDS and not head[8:12].startswith(_VIDEO_BRANDS)):
        return HEIC
    return VIDEO
