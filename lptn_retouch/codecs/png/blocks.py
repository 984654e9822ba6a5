"""What a PNG carries besides its pixels, and a freshly encoded one that carries it again."""

import re
import struct
import zlib

from lptn_retouch.errors import MetadataError
from lptn_retouch.metadata.blocks import (
    EXIF_PREFIX,
    PNG_CHUNK,
    XMP_PREFIX,
    Block,
    Kind,
    credentials_block,
)
from lptn_retouch.metadata.exif.directories import read_exif
from lptn_retouch.metadata.metadata import Metadata
from lptn_retouch.metadata.photoshop import IPTC, coded_resource, photoshop_resources
from lptn_retouch.metadata.png_text import (
    LONGEST_TEXT,
    TEXT_CHUNKS,
    inflated,
    profile_chunk,
    read_profile,
    read_text,
    text_chunk,
)
from lptn_retouch.metadata.resolution import png_density
from lptn_retouch.metadata.unsupported import exif_damaged, left_out
from lptn_retouch.metadata.xmp.extended import merged_xmp
from lptn_retouch.structures.png import PngFile

_XMP_KEYWORD = "XML:com.adobe.xmp"
_RAW_PROFILE = "Raw profile type "
_LONGEST_PROFILE = 32 << 20
# All metadata of a file together; a file that has more, or more chunks of it, is made to waste time and memory.
_MOST_BYTES, _MOST_CHUNKS, _MOST_DAMAGED = 16 << 20, 4096, 16
_COLOURS = frozenset({b"iCCP", b"sRGB", b"gAMA", b"cHRM"})
_CARRIED = TEXT_CHUNKS | {b"eXIf", b"iCCP", b"pHYs", b"caBX"}

XMP_NOT_UTF8 = "The XMP was left out: it is not in UTF-8, which a PNG asks for."


def png_blocks(png: PngFile) -> tuple[Block, ...]:
    """The metadata of a PNG. Never raises: of a damaged file it takes the chunks that are sound.

    Args:
        png: the whole file.

    Returns:
        EXIF, XMP, ICC and Photoshop's resources (with IPTC), from the chunks that are theirs or else from the texts
        that ImageMagick and others write them as; content credentials; all other texts and pHYs verbatim.

    >>> from lptn_retouch.structures.png import SIGNATURE
    >>> png_blocks(PngFile(SIGNATURE + _coded(b"tEXtAuthor\\0Ada")))
    (Block(marker=0, data=b'tEXtAuthor\\x00Ada'),)

    Source: PNG third edition, 11.3; XMP part 3, 1.1.5; C2PA 2.1, A.3.2 (caBX).
    """
    found = _Found()
    chunks = (chunk for chunk in png.chunks if chunk.type in _CARRIED)
    for chunk, _ in zip(chunks, range(_MOST_CHUNKS), strict=False):
        if chunk.end - chunk.start <= found.room:
            found.take(bytes(png.data[chunk.start + 4 : chunk.end - 4]))
    return found.blocks()


class _Found:
    """The blocks found so far; of EXIF, XMP and ICC, what stands in a chunk of its own counts more than a text."""

    def __init__(self) -> None:
        self.room = _MOST_BYTES
        self.damaged = 0
        self.proper: dict[Kind, bytes] = {}
        self.profiles: dict[Kind, bytes] = {}
        self.photoshop = b""
        self.known: set[tuple[int, bytes]] = set()  # of these resources
        self.others: list[Block] = []

    def take(self, chunk: bytes) -> None:
        kind, payload = chunk[:4], chunk[4:]
        self.room -= len(chunk)
        if kind == b"eXIf":
            self.proper.setdefault(Kind.EXIF, payload.removeprefix(EXIF_PREFIX))
        elif kind == b"iCCP":
            self._take_icc(payload)
        elif kind == b"caBX":
            self.others.append(credentials_block(payload))
        elif kind == b"pHYs" or not self._take_text(chunk):
            self.others.append(Block(PNG_CHUNK, chunk))

    def _take_icc(self, payload: bytes) -> None:
        if Kind.ICC in self.proper or self.damaged >= _MOST_DAMAGED:
            return
        _, _, coded = payload.partition(b"\0")
        profile = inflated(coded[1:], _LONGEST_PROFILE)
        if profile:
            self.proper[Kind.ICC] = profile
        else:
            self.damaged += 1

    def _take_text(self, chunk: bytes) -> bool:
        """Take a text that is a block in disguise; False where it is a text."""
        disguised = chunk[4:].startswith((_XMP_KEYWORD.encode(), _RAW_PROFILE.encode()))
        if not disguised or self.damaged >= _MOST_DAMAGED:
            return False
        found = read_text(chunk, min(self.room, LONGEST_TEXT))
        if found is None:
            self.damaged += 1
            return False
        self.room -= len(found.data)
        if found.keyword == _XMP_KEYWORD:
            self.proper.setdefault(Kind.XMP, found.data)
            return True
        profile = read_profile(found.data)
        return profile is not None and self._take_profile(found.keyword.removeprefix(_RAW_PROFILE).lower(), profile)

    def _take_profile(self, name: str, profile: bytes) -> bool:
        if name in ("icc", "icm"):
            self.profiles.setdefault(Kind.ICC, profile)
        elif name in ("iptc", "8bim"):
            return self._take_resources(profile)
        elif name == "xmp" or (name == "app1" and profile.startswith(XMP_PREFIX)):
            self.profiles.setdefault(Kind.XMP, profile.removeprefix(XMP_PREFIX))
        elif name in ("exif", "app1") and profile.removeprefix(EXIF_PREFIX)[:2] in (b"II", b"MM"):
            self.profiles.setdefault(Kind.EXIF, profile.removeprefix(EXIF_PREFIX))
        else:
            return False
        return True

    def _take_resources(self, profile: bytes) -> bool:
        if profile[:1] == b"\x1c":  # bare IPTC records
            profile = coded_resource(IPTC, profile)
        found = [(r.id, r.data) for r in photoshop_resources(profile)]
        if self.known.isdisjoint(found):
            self.photoshop += profile if found else b""
        else:  # many programs write the same ones under both names
            self.photoshop += b"".join(coded_resource(*resource) for resource in found if resource not in self.known)
        self.known.update(found)
        return bool(found)

    def blocks(self) -> tuple[Block, ...]:
        """Everything found, in the order in which a JPEG has it."""
        found = self.profiles | self.proper
        exif, xmp, icc = (found.get(kind) for kind in (Kind.EXIF, Kind.XMP, Kind.ICC))
        return (*Metadata.build(exif=exif, xmp=xmp, icc=icc, photoshop=self.photoshop).blocks, *self.others)


def embed_png(png: bytes, metadata: Metadata) -> tuple[bytes, tuple[str, ...]]:
    """Put metadata into a freshly encoded PNG; the coded pixels are not touched. See `Format.embed`.

    Everything stands right behind the header, where readers that do not read a file to its end find it too. A profile
    takes the place of the encoder's own words on colour (iCCP, sRGB, gAMA, cHRM); without one they stay as they are.

    Raises:
        MetadataError: the PNG is damaged.

    Source: PNG third edition, 5.6 (order of chunks) and 11.3; XMP part 3, 1.1.5.
    """
    chunks = PngFile(png).chunks
    if not chunks or chunks[0].type != b"IHDR" or chunks[-1].type != b"IEND":
        raise MetadataError("The freshly encoded PNG has no picture in it; encode it again before adding metadata.")
    added, notices = _added(metadata)
    given = {chunk[:4] for chunk in added} & {b"pHYs", b"eXIf", b"iCCP"}
    replaced = given | _COLOURS if b"iCCP" in given else given
    whole = memoryview(png)
    header, *rest = chunks
    parts: list[bytes | memoryview] = [whole[: header.end], *(_coded(chunk) for chunk in added)]
    parts += [whole[chunk.start : chunk.end] for chunk in rest if chunk.type not in replaced]
    return b"".join(parts), notices


def _added(metadata: Metadata) -> tuple[list[bytes], tuple[str, ...]]:
    """The chunks of this metadata, type and payload, in the order of the file; and notices."""
    xmp, notices = merged_xmp(metadata)
    chunks = []
    if metadata.icc:
        chunks.append(b"iCCP" + _profile_name(metadata.icc) + b"\0\0" + zlib.compress(metadata.icc, 9))
    resolution = png_density(metadata.blocks)
    chunks += [resolution] if resolution else []
    if read_exif(metadata.exif) is not None:
        chunks.append(b"eXIf" + (metadata.exif or b""))
    elif metadata.exif:
        notices += (exif_damaged("a PNG"),)
    if xmp:
        packet = xmp.rstrip(b"\0")
        if _is_utf8(packet):
            chunks.append(b"iTXt" + _XMP_KEYWORD.encode() + bytes(5) + packet)
        else:
            notices += (XMP_NOT_UTF8,)
    if metadata.photoshop:
        chunks.append(profile_chunk("iptc", metadata.photoshop))
    for block in metadata.blocks:
        if block.kind is Kind.COMMENT:
            chunks.append(text_chunk("Comment", block.data))
        elif block.kind is Kind.PNG_CHUNK and not block.data.startswith(b"pHYs"):
            chunks.append(block.data)
    return chunks, notices + left_out(metadata, "a PNG", Kind.COMMENT, Kind.PNG_CHUNK, Kind.PHOTOSHOP)


def _coded(chunk: bytes) -> bytes:
    """A chunk, type and payload, with its length and its checksum."""
    return struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return b"\0" not in text


def _profile_name(profile: bytes) -> bytes:
    """The profile's own description where a PNG can name it so, else a name for any."""
    tags = (profile[at : at + 12] for at in range(132, min(132 + 12 * 100, len(profile)), 12))
    tag = next((tag for tag in tags if tag[:4] == b"desc"), b"")
    at, size = int.from_bytes(tag[4:8], "big"), int.from_bytes(tag[8:12], "big")
    text = profile[at : at + size]
    if text[:4] == b"mluc" and len(text) >= 28:
        length, start = struct.unpack_from(">II", text, 20)
        name = text[start : start + length].decode("utf-16-be", "replace")
    else:
        name = text[12:].partition(b"\0")[0].decode("latin-1")
    name = name.rstrip("\0").strip()
    return name.encode("latin-1") if re.fullmatch(r"[!-~]+(?: [!-~]+)*", name) and len(name) < 80 else b"ICC profile"
