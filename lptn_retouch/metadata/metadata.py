"""`Metadata`: everything a picture carries besides its pixels, as blocks that travel verbatim."""

from collections import Counter
from dataclasses import dataclass, replace

from lptn_retouch.errors import MetadataError
from lptn_retouch.metadata.blocks import (
    Block,
    Kind,
    exif_block,
    icc_blocks,
    joined_extended_xmp,
    joined_icc,
    jpeg_blocks,
    photoshop_block,
    xmp_block,
)
from lptn_retouch.metadata.exif.directories import read_exif
from lptn_retouch.metadata.exif.patch import ThumbnailMaker, declare_srgb, patch_exif
from lptn_retouch.metadata.exif.tags import ORIENTATION
from lptn_retouch.metadata.photoshop import IPTC, patch_photoshop, photoshop_resources
from lptn_retouch.metadata.xmp.correct import CREDENTIALS_DROPPED, GAIN_MAP_DROPPED, TIFF, patch_xmp
from lptn_retouch.structures import Buffer
from lptn_retouch.structures.jpeg import JFIF_LENGTH, jpeg_segments
from lptn_retouch.structures.xml import parse_xmp

MPF_DROPPED = (
    "The multi-picture index (MPF) was left out: the pictures it points at stood behind the photograph "
    "and are not in the result."
)
JFIF_THUMBNAIL_DROPPED = "The JFIF thumbnail was left out: it showed the unretouched photograph."
EXIF_UNREADABLE = (
    "The EXIF block is damaged and was carried as it is; its orientation and size may not match the result."
)

_DROPPED = {Kind.MPF: MPF_DROPPED, Kind.GAIN_MAP: GAIN_MAP_DROPPED, Kind.JUMBF: CREDENTIALS_DROPPED,
            Kind.JFXX: JFIF_THUMBNAIL_DROPPED}  # fmt: skip


@dataclass(frozen=True)
class Metadata:
    """What a picture carries besides its pixels: blocks in the order of their file, never taken apart and rebuilt.

    Args:
        blocks: JPEG's APPn and COM segments; blocks of other containers wrapped the same way.

    >>> Metadata.build(xmp=b"<x/>").xmp
    b'<x/>'
    >>> Metadata.build(xmp=b"<x/>", icc=b"profile")
    Metadata(XMP 33 bytes, ICC 21 bytes)

    Source: Exif 3.0 (CIPA DC-008) 4.7; XMP part 3; ICC.1:2022 annex B.
    """

    blocks: tuple[Block, ...] = ()

    def __repr__(self) -> str:
        """What there is, and how much of it; the bytes are in `blocks`."""
        sizes: Counter[str] = Counter()
        for block in self.blocks:
            sizes[block.kind.name.replace("_", " ")] += len(block.data)
        return f"Metadata({', '.join(f'{kind} {size:,} bytes' for kind, size in sizes.items())})"

    @classmethod
    def from_jpeg(cls, data: Buffer) -> "Metadata":
        """The blocks of a JPEG file. Never raises: of a damaged file it takes the segments that are sound.

        >>> Metadata.from_jpeg(bytes.fromhex("ffd8 fffe 0004 6869 ffd9")).blocks
        (Block(marker=254, data=b'hi'),)
        """
        return cls(jpeg_blocks(jpeg_segments(data)))

    @classmethod
    def build(
        cls,
        *,
        exif: bytes | None = None,
        xmp: bytes | None = None,
        icc: bytes | None = None,
        photoshop: bytes | None = None,
    ) -> "Metadata":
        """Metadata from the parts that other containers hold.

        Args:
            exif: TIFF structure starting II or MM; an `Exif\\0\\0` prefix is tolerated.
            xmp: an XMP packet.
            icc: an ICC profile of any length.
            photoshop: image resources, from the first 8BIM on.

        >>> Metadata.build(exif=b"II*\\0", icc=b"profile").icc
        b'profile'
        """
        blocks = [exif_block(exif)] if exif else []
        if xmp:
            blocks.append(xmp_block(xmp))
        if photoshop:
            blocks.append(photoshop_block(photoshop))
        return cls((*blocks, *(icc_blocks(icc) if icc else ())))

    @property
    def exif(self) -> bytes | None:
        """The EXIF TIFF structure, without prefix; None where there is none."""
        return next((block.content for block in self.blocks if block.kind is Kind.EXIF), None)

    @property
    def xmp(self) -> bytes | None:
        """The main XMP packet, without prefix; None where there is none."""
        return next((block.content for block in self.blocks if block.kind is Kind.XMP), None)

    @property
    def icc(self) -> bytes | None:
        """The ICC profile, joined from its parts; None where there is none or a part is missing."""
        return joined_icc(self.blocks)

    @property
    def extended_xmp(self) -> tuple[bytes, ...]:
        """The extended XMP packets that a JPEG's main packet points at, each put together from its parts."""
        return joined_extended_xmp(self.blocks)

    @property
    def photoshop(self) -> bytes:
        """Photoshop's image resources, joined from all APP13 blocks, without prefix."""
        return b"".join(block.content for block in self.blocks if block.kind is Kind.PHOTOSHOP)

    @property
    def iptc(self) -> bytes:
        """The IPTC-IIM records that stand among Photoshop's resources."""
        return b"".join(r.data for r in photoshop_resources(self.photoshop) if r.id == IPTC)

    @property
    def orientation(self) -> int:
        """How the stored pixels must be turned to stand upright, 1..8 (Exif 3.0, 4.6.5.1); 1 if absent or nonsense.

        EXIF decides; XMP's tiff:Orientation is asked only where EXIF says nothing, as Pillow does.

        >>> Metadata().orientation
        1
        """
        found = self._exif_orientation()
        if found is None:
            found = self._xmp_orientation()
        return found if found is not None and 1 <= found <= 8 else 1

    @property
    def byte_order(self) -> str:
        """The byte order of the EXIF, "<" or ">"; that of most programs where there is none or it is damaged.

        >>> Metadata().byte_order
        '<'
        """
        found = read_exif(self.exif)
        return found.tiff.order if found is not None else "<"

    def _exif_orientation(self) -> int | None:
        found = read_exif(self.exif)
        entry = found.main.get(ORIENTATION) if found is not None else None
        return (found.tiff.number(entry) or 0) if found is not None and entry is not None else None

    def _xmp_orientation(self) -> int | None:
        try:
            root = parse_xmp(self.xmp or b"")
        except MetadataError:
            return None
        for element in root.walk():
            text = element.text if (element.space, element.name) == (TIFF, "Orientation") else None
            text = text or element.attribute(TIFF, "Orientation")
            if text is not None:
                return int(text) if text.strip() in set("12345678") else 0
        return None

    def with_icc(self, icc: bytes | None) -> "Metadata":
        """The same blocks with this ICC profile, or none, in place of the one they had.

        Args:
            icc: the profile that the result's pixels are in.

        >>> Metadata.build(icc=b"wide").with_icc(b"narrow").icc
        b'narrow'
        """
        return replace(self, blocks=self._without(Kind.ICC) + (icc_blocks(icc) if icc else ()))

    def declared_srgb(self, profile: bytes) -> "Metadata":
        """The same blocks, saying everywhere that the pixels are sRGB now.

        Args:
            profile: an ICC profile of sRGB.

        >>> Metadata.build(icc=b"wide").declared_srgb(b"narrow").icc
        b'narrow'
        """
        said = (b.holding(declare_srgb(b.content)) if b.kind is Kind.EXIF else b for b in self.blocks)
        return Metadata(tuple(said)).with_icc(profile)

    def with_xmp(self, packet: bytes) -> "Metadata":
        """The same blocks with this main XMP packet in place of the one they had, or behind them.

        >>> Metadata.build(xmp=b"<x/>").with_xmp(b"<y/>").xmp
        b'<y/>'
        """
        at = next((i for i, block in enumerate(self.blocks) if block.kind is Kind.XMP), len(self.blocks))
        return replace(self, blocks=(*self.blocks[:at], xmp_block(packet), *self.blocks[at + 1 :]))

    def _without(self, *kinds: Kind) -> tuple[Block, ...]:
        return tuple(block for block in self.blocks if block.kind not in kinds)

    def for_result(
        self, *, width: int, height: int, turned: bool, make_thumbnail: ThumbnailMaker
    ) -> tuple["Metadata", tuple[str, ...]]:
        """The metadata of the retouched picture: true about its size and its way up, free of what no longer holds.

        Args:
            width: of the result as saved, in pixels.
            height: of the result as saved, in pixels.
            turned: the pixels were turned upright by `orientation`. If not, and the source was not upright, the
                orientation stays as it is, because viewers still need it.
            make_thumbnail: called with the box (width, height) and the most bytes that fit the old thumbnail's
                place; returns a JPEG or None.

        Returns:
            The new metadata, and one sentence for each thing that was left out. Never raises on damaged blocks:
            they are carried as they are, and a sentence says so.

        >>> data, notices = Metadata((Block(0xE2, b"MPF\\0II*\\0"),)).for_result(
        ...     width=4, height=3, turned=False, make_thumbnail=lambda box, most: None)
        >>> data.blocks, len(notices)
        ((), 1)

        Source: Exif 3.0 (CIPA DC-008) 4.6.5; CIPA DC-007 (MPF); C2PA 2.1; XMP part 2.
        """
        upright = turned or self.orientation == 1
        blocks: list[Block] = []
        notices: dict[str, None] = {}
        for block in self.blocks:
            if block.kind in _DROPPED:
                notices[_DROPPED[block.kind]] = None
                continue
            block, said = _patched(block, width, height, upright, make_thumbnail)
            blocks.append(block)
            notices.update(dict.fromkeys(said))
        return Metadata(tuple(blocks)), tuple(notices)


def _patched(
    block: Block, width: int, height: int, upright: bool, make_thumbnail: ThumbnailMaker
) -> tuple[Block, tuple[str, ...]]:
    """A block that stays, corrected, and notices."""
    content = block.content
    if block.kind is Kind.EXIF:
        try:
            exif = patch_exif(content, width=width, height=height, upright=upright, make_thumbnail=make_thumbnail)
        except MetadataError:
            return block, (EXIF_UNREADABLE,)
        return block.holding(exif.data), exif.notices
    if block.kind is Kind.XMP:
        xmp = patch_xmp(content, width=width, height=height, upright=upright)
        return block.holding(xmp.data), xmp.notices
    if block.kind is Kind.PHOTOSHOP:
        resources, notices = patch_photoshop(content, make_thumbnail)
        return block.holding(resources), notices
    if block.kind is Kind.JFIF and any(content[JFIF_LENGTH - 2 : JFIF_LENGTH]):
        return block.holding(content[: JFIF_LENGTH - 2] + b"\0\0"), (JFIF_THUMBNAIL_DROPPED,)
    return block, ()
