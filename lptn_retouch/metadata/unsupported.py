"""What other containers have no place for, of all that a JPEG or PNG can carry."""

from typing import NamedTuple

from lptn_retouch.metadata.blocks import Kind
from lptn_retouch.metadata.exif.build import build_exif
from lptn_retouch.metadata.exif.directories import read_exif
from lptn_retouch.metadata.metadata import Metadata
from lptn_retouch.metadata.photoshop import IPTC, IPTC_DIGEST, photoshop_resources
from lptn_retouch.metadata.resolution import resolution_fields


def left_out(metadata: Metadata, container: str, *held: Kind) -> tuple[str, ...]:
    """One sentence that names the blocks which a container has no place for; none if it holds them all.

    EXIF, XMP and ICC are held everywhere, IPTC in XMP if nowhere else, and `resolution_fields` keeps the resolution.

    Args:
        metadata: all blocks of the picture.
        container: its name with an article, such as "a TIFF".
        held: kinds beyond those that it does hold.

    >>> from lptn_retouch.metadata.blocks import COMMENT, Block
    >>> left_out(Metadata((Block(COMMENT, b"hi"), Block(0xE4, b"?"))), "a TIFF")
    ('Left out, as a TIFF has no place for it: the comment, application data APP4.',)
    """
    names: dict[str, None] = {}
    resources = photoshop_resources(metadata.photoshop)
    has_more = any(resource.id not in (IPTC, IPTC_DIGEST) for resource in resources)
    for block in metadata.blocks:
        if block.kind in held:
            continue
        if block.kind is Kind.COMMENT:
            names["the comment"] = None
        elif block.kind is Kind.PNG_CHUNK and not block.data.startswith(b"pHYs"):
            names["the texts of a PNG"] = None
        elif block.kind is Kind.OTHER:
            names[f"application data APP{block.marker & 15}"] = None
        elif block.kind is Kind.PHOTOSHOP and has_more:
            names["Photoshop's resources"] = None
    return (f"Left out, as {container} has no place for it: {', '.join(names)}.",) if names else ()


def exif_damaged(container: str) -> str:
    """The notice for an EXIF block that is not sound.

    Args:
        container: its name with an article, such as "a TIFF".
    """
    return f"The EXIF was left out: it is damaged, and {container} with it would not open everywhere."


class Boxed(NamedTuple):
    """What AVIF and JPEG XL hold of a picture's metadata, besides its colour profile."""

    exif: bytes | None
    xmp: bytes | None
    notices: tuple[str, ...]


def boxed(metadata: Metadata, container: str) -> Boxed:
    """EXIF and one packet of XMP, with IPTC in it; a resolution that stood elsewhere becomes an EXIF of its own.

    Args:
        metadata: all blocks of the picture.
        container: its name with an article, such as "an AVIF".

    >>> from lptn_retouch.metadata.blocks import COMMENT, Block
    >>> boxed(Metadata((Block(COMMENT, b"hi"),)), "an AVIF").notices
    ('Left out, as an AVIF has no place for it: the comment.',)
    """
    from lptn_retouch.metadata.xmp.extended import merged_xmp
    from lptn_retouch.metadata.xmp.iptc import with_iptc_in_xmp

    metadata, moved = with_iptc_in_xmp(metadata)
    xmp, merged = merged_xmp(metadata)
    notices = (*moved, *merged, *left_out(metadata, container))
    resolution = resolution_fields(metadata, "<")
    if metadata.exif is not None and read_exif(metadata.exif) is None:
        notices += (exif_damaged(container),)
        return Boxed(None, xmp, notices)
    if metadata.exif is None:
        return Boxed(build_exif("<", resolution) if resolution else None, xmp, notices)
    if resolution:
        notices += (f"The resolution was left out: {container} has it in its EXIF, and that was carried as it is.",)
    return Boxed(metadata.exif, xmp, notices)
