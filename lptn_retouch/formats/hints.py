"""What a file says of its colours elsewhere than in an ICC profile, as a profile."""

from lptn_retouch.color import (
    HighDynamicRangeError,
    adobe_rgb_profile,
    profile_from_cicp,
    profile_from_png,
    srgb_profile,
)
from lptn_retouch.errors import MetadataError, UnsupportedPhotoError
from lptn_retouch.metadata import Metadata
from lptn_retouch.metadata.heif import nclx
from lptn_retouch.metadata.png import png_chunks
from lptn_retouch.metadata.tiff import EXIF_POINTER, INTEROP_POINTER, Buffer, Tiff

_COLOR_SPACE, _INTEROP_INDEX, _SRGB = 0xA001, 0x0001, 1
_SRGB_POINTS = (1, 13)  # ITU-T H.273: primaries and transfer


def declared(metadata: Metadata, data: Buffer, kind: str, name: str) -> Metadata:
    """The metadata with a profile that says what the file says otherwise; as it is where that is sRGB, or nothing.

    A PNG says it in its cICP chunk, which goes before a profile, or in gAMA and cHRM; AVIF and HEIC in an nclx box; a
    camera's JPEG in DCF's mark for Adobe RGB.

    Args:
        metadata: of the file.
        data: the file.
        kind: its format.
        name: the file as messages name it.

    Raises:
        UnsupportedPhotoError: it is of high dynamic range (PQ or HLG), which a retouch for screens would crush.

    Source: PNG third edition, 4.3 (precedence); ISO/IEC 14496-12 12.1.5; DCF 2.0 (CIPA DC-009), R03.
    """
    try:
        profile = _profile(metadata, data, kind)
    except HighDynamicRangeError as error:
        raise UnsupportedPhotoError(
            f"{name}: it is of high dynamic range ({error}), which presets do not know; save it as standard first."
        ) from None
    return metadata if profile is None else metadata.with_icc(profile)


def _profile(metadata: Metadata, data: Buffer, kind: str) -> bytes | None:
    if kind == "PNG":
        chunks: dict[bytes, bytes] = {}
        for chunk in png_chunks(data):
            if chunk.type == b"IDAT":
                break
            chunks.setdefault(chunk.type, bytes(data[chunk.start + 8 : min(chunk.end - 4, chunk.start + 64)]))
        cicp = chunks.get(b"cICP", b"")
        if len(cicp) == 4:
            is_srgb = metadata.icc is not None and (cicp[0], cicp[1]) == _SRGB_POINTS
            return srgb_profile() if is_srgb else profile_from_cicp(cicp[0], cicp[1])
        if metadata.icc is None and b"sRGB" not in chunks:
            return profile_from_png(chunks.get(b"gAMA"), chunks.get(b"cHRM"))
    elif kind in ("AVIF", "HEIC"):
        points = nclx(data)
        if points is not None and (metadata.icc is None or points[1] in (16, 18)):
            return profile_from_cicp(points[0], points[1])
    if metadata.icc is None and _is_adobe_rgb(metadata):
        return adobe_rgb_profile()
    return None


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
