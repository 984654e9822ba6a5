"""What a file says of its colours elsewhere than in an ICC profile, as a profile."""

from typing import NamedTuple

from lptn_retouch.codecs.hdr import HLG, PQ
from lptn_retouch.codecs.heif.blocks import nclx
from lptn_retouch.color import adobe_rgb_profile, profile_from_cicp, profile_from_png, srgb_profile
from lptn_retouch.errors import MetadataError
from lptn_retouch.metadata import Metadata
from lptn_retouch.structures import Buffer
from lptn_retouch.structures.png import png_chunks
from lptn_retouch.structures.tiff import EXIF_POINTER, INTEROP_POINTER, Tiff

_COLOR_SPACE, _INTEROP_INDEX, _SRGB = 0xA001, 0x0001, 1
_SRGB_POINTS = (1, 13)  # ITU-T H.273: primaries and transfer
_UNSPECIFIED, _BT2020 = 2, 9  # primaries; BT.2100 has those of BT.2020


class Declared(NamedTuple):
    """What a file says of its colours.

    Args:
        metadata: the file's, with a profile of that; as it is where that is sRGB, or nothing.
        transfer: PQ or HLG where the picture is of high dynamic range; the profile is of what becomes of it.
    """

    metadata: Metadata
    transfer: int | None = None


def declared(metadata: Metadata, data: Buffer, kind: str) -> Declared:
    """What a file says of its colours, as a profile in its metadata.

    A PNG says it in its cICP chunk, which goes before a profile, or in gAMA and cHRM; AVIF and HEIC in an nclx box; a
    camera's JPEG in DCF's mark for Adobe RGB.

    Args:
        metadata: of the file.
        data: the file.
        kind: its format.

    Source: PNG third edition, 4.3 (precedence); ISO/IEC 14496-12 12.1.5; DCF 2.0 (CIPA DC-009), R03.
    """
    points = _points(data, kind)
    if points is not None and points[1] in (PQ, HLG):
        primaries = _BT2020 if points[0] == _UNSPECIFIED else points[0]
        return Declared(metadata.with_icc(profile_from_cicp(primaries, _SRGB_POINTS[1])), points[1])
    profile = _profile(metadata, data, kind, points)
    return Declared(metadata if profile is None else metadata.with_icc(profile))


def _points(data: Buffer, kind: str) -> tuple[int, int] | None:
    """Primaries and transfer, by their numbers in ITU-T H.273."""
    if kind == "PNG":
        cicp = _chunks(data).get(b"cICP", b"")
        return (cicp[0], cicp[1]) if len(cicp) == 4 else None
    found = nclx(data) if kind in ("AVIF", "HEIC") else None
    return None if found is None else found[:2]


def _profile(metadata: Metadata, data: Buffer, kind: str, points: tuple[int, int] | None) -> bytes | None:
    if kind == "PNG" and points is not None:
        is_srgb = metadata.icc is not None and points == _SRGB_POINTS
        return srgb_profile() if is_srgb else profile_from_cicp(*points)
    if metadata.icc is not None:
        return None
    if points is not None:
        return profile_from_cicp(*points)
    if kind == "PNG" and b"sRGB" not in (chunks := _chunks(data)):
        return profile_from_png(chunks.get(b"gAMA"), chunks.get(b"cHRM"))
    return adobe_rgb_profile() if _is_adobe_rgb(metadata) else None


def _chunks(data: Buffer) -> dict[bytes, bytes]:
    """The first bytes of each kind of chunk that stands before a PNG's rows."""
    chunks: dict[bytes, bytes] = {}
    for chunk in png_chunks(data):
        if chunk.type == b"IDAT":
            break
        chunks.setdefault(chunk.type, bytes(data[chunk.start + 8 : min(chunk.end - 4, chunk.start + 64)]))
    return chunks


def _is_adobe_rgb(metadata: Metadata) -> bool:
    try:
        tiff = Tiff(metadata.exif or b"")
    except MetadataError:
        return False
    exif = tiff.pointed(tiff.ifd(tiff.first), EXIF_POINTER)
    interop = tiff.pointed(exif, INTEROP_POINTER)
    index = interop.get(_INTEROP_INDEX) if interop is not None else None
    space = exif.get(_COLOR_SPACE) if exif is not None else None
    return index is not None and tiff.raw(index)[:3] == b"R03" and tiff.number(space) != _SRGB
