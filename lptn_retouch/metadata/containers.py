"""What a JPEG, PNG, WebP, TIFF or RAW file carries besides its pixels, laid side by side for comparison."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from lptn_retouch.errors import MetadataError
from lptn_retouch.metadata.blocks import (
    EXIF_PREFIX,
    PHOTOSHOP_PREFIX,
    XMP_PREFIX,
    Block,
    Kind,
    joined_extended_xmp,
    joined_icc,
)
from lptn_retouch.metadata.ciff import exif_from_ciff, is_ciff
from lptn_retouch.metadata.photoshop import IPTC, photoshop_resources
from lptn_retouch.metadata.segments import SOI, metadata_blocks
from lptn_retouch.metadata.tiff import Buffer, Tiff

_PNG_MARK = b"\x89PNG\r\n\x1a\n"
_MAX_INFLATED = 32 << 20
_MAX_CHUNKS = 100_000
_XMP_TAG, _IPTC_TAG, _PHOTOSHOP_TAG, _ICC_TAG, _DNG_VERSION = 0x02BC, 0x83BB, 0x8649, 0x8773, 0xC612
_RAW_SUFFIXES = frozenset({
    ".dng", ".nef", ".nrw", ".cr2", ".arw", ".sr2", ".srf", ".orf", ".rw2", ".rwl", ".pef", ".kdc", ".dcr", ".srw",
    ".3fr", ".erf", ".mef", ".mos", ".iiq",
})  # fmt: skip


@dataclass
class Carried:
    """The parts of one file. `exif` is a TIFF structure; for TIFF and RAW files it is the whole file."""

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
        MetadataError: the container is not one of JPEG, PNG, WebP, TIFF, or RAW built on TIFF, CIFF or RAF.

    >>> carried_by(bytes.fromhex("ffd8 fffe 0004 6869 ffd9")).texts
    [('Comment', b'hi')]

    Source: JPEG T.81 B; PNG third edition, 11.3; RFC 9649 (WebP) 2.7; TIFF 6.0; DNG 1.7.
    """
    head = bytes(data[:16])
    if head[:2] == SOI:
        return _from_jpeg(data)
    if head[:8] == _PNG_MARK:
        return _from_png(data)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return _from_webp(data)
    if is_ciff(data):
        return Carried("RAW", exif=exif_from_ciff(data))
    if head == b"FUJIFILMCCD-RAW " and len(data) > 92:
        at = int.from_bytes(data[84:88], "big")
        embedded = _from_jpeg(data[at : at + int.from_bytes(data[88:92], "big")])
        embedded.container = "RAW"
        return embedded
    if head[:2] in (b"II", b"MM"):
        return _from_tiff(data, suffix)
    raise MetadataError("This file's metadata cannot be read; give a JPEG, PNG, WebP, TIFF or RAW file.")


def _from_jpeg(data: Buffer) -> Carried:
    blocks = metadata_blocks(data)
    of = {kind: [block.data for block in blocks if block.kind is kind] for kind in Kind}
    photoshop = b"".join(part[len(PHOTOSHOP_PREFIX) :] for part in of[Kind.PHOTOSHOP])
    return Carried(
        "JPEG",
        exif=next((part[len(EXIF_PREFIX) :] for part in of[Kind.EXIF]), None),
        xmp=[part[len(XMP_PREFIX) :] for part in of[Kind.XMP]] + list(joined_extended_xmp(blocks)),
        icc=joined_icc(blocks),
        photoshop=photoshop,
        iptc=_iptc_in(photoshop),
        texts=[("Comment", part) for part in of[Kind.COMMENT]],
        blocks=blocks,
    )


def _iptc_in(photoshop: bytes) -> bytes:
    return b"".join(resource.data for resource in photoshop_resources(photoshop) if resource.id == IPTC)


def inflate(data: bytes) -> bytes | None:
    """Inflate at most 32 MB; None when the data is damaged or longer than that.

    >>> inflate(zlib.compress(b"profile"))
    b'profile'

    Source: PNG third edition, 10.1 (zlib streams).
    """
    stream = zlib.decompressobj()
    try:
        plain = stream.decompress(data, _MAX_INFLATED)
    except zlib.error:
        return None
    return plain if stream.eof else None


def _png_chunks(data: Buffer) -> Iterator[tuple[bytes, bytes]]:
    at = len(_PNG_MARK)
    for _ in range(_MAX_CHUNKS):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        if at + 12 > len(data) or end > len(data):
            return
        name = bytes(data[at + 4 : at + 8])
        yield name, b"" if name == b"IDAT" else bytes(data[at + 8 : end - 4])
        at = end


def _from_png(data: Buffer) -> Carried:
    carried = Carried("PNG")
    for name, body in _png_chunks(data):
        if name == b"eXIf":
            carried.exif = body.removeprefix(EXIF_PREFIX)
        elif name == b"iCCP":
            carried.icc = inflate(body.partition(b"\0")[2][1:])
        elif name in (b"tEXt", b"zTXt", b"iTXt"):
            keyword, _, rest = body.partition(b"\0")
            text = _png_text(name, rest)
            if keyword == b"XML:com.adobe.xmp":
                carried.xmp.append(text or b"")
            elif text is not None:
                carried.texts.append((keyword.decode("latin-1"), text))
    return carried


def _png_text(chunk: bytes, rest: bytes) -> bytes | None:
    if chunk == b"tEXt":
        return rest
    if chunk == b"zTXt":
        return inflate(rest[1:])
    compressed, after = rest[:1] == b"\1", rest[2:]
    text = after.partition(b"\0")[2].partition(b"\0")[2]  # past the language tag and the translated keyword
    return inflate(text) if compressed else text


def _from_webp(data: Buffer) -> Carried:
    carried = Carried("WebP")
    at = 12
    for _ in range(_MAX_CHUNKS):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        if at + 8 > len(data) or at + 8 + size > len(data):
            break
        name, start = bytes(data[at : at + 4]), at + 8
        if name == b"EXIF":
            carried.exif = bytes(data[start : start + size]).removeprefix(EXIF_PREFIX)
        elif name == b"XMP ":
            carried.xmp.append(bytes(data[start : start + size]))
        elif name == b"ICCP":
            carried.icc = bytes(data[start : start + size])
        at = start + size + size % 2
    return carried


def _from_tiff(data: Buffer, suffix: str) -> Carried:
    tiff = Tiff(data)
    first = tiff.ifd(tiff.first)
    found: dict[int, bytes] = {}
    for tag in (_XMP_TAG, _IPTC_TAG, _PHOTOSHOP_TAG, _ICC_TAG):
        entry = first.get(tag) if first else None
        if entry is not None and entry.size <= _MAX_INFLATED:
            found[tag] = tiff.raw(entry)
    is_dng = first is not None and first.get(_DNG_VERSION) is not None
    is_raw = is_dng or tiff.u16(2) != 42 or bytes(data[8:10]) == b"CR" or suffix.lower() in _RAW_SUFFIXES
    photoshop = found.get(_PHOTOSHOP_TAG, b"")
    return Carried(
        "RAW" if is_raw else "TIFF",
        exif=data,
        xmp=[found[_XMP_TAG]] if _XMP_TAG in found else [],
        icc=found.get(_ICC_TAG),
        photoshop=photoshop,
        iptc=found.get(_IPTC_TAG) or _iptc_in(photoshop),
    )
