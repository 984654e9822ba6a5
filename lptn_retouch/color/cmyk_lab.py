"""Pictures whose numbers are not RGB: converted to sRGB when they are opened."""

from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt

from lptn_retouch.color.icc import parse
from lptn_retouch.color.profiles import srgb_profile
from lptn_retouch.color.space import MAX_PROFILE
from lptn_retouch.color.srgb import FROM_XYZ, coded, xyz_from_lab
from lptn_retouch.errors import UsageError
from lptn_retouch.threads import in_strips

Pixels = npt.NDArray[Any]
_ROWS = 16  # worked on at once in double precision
_FULL = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535}


def cmyk_to_srgb(pixels: Pixels, icc: bytes | None) -> tuple[Pixels, tuple[str, ...]]:
    """Inks as sRGB.

    Args:
        pixels: (H, W, 4), uint8 or uint16; 0 is no ink. JPEGs by Photoshop hold them the other way round.
        icc: the profile of the press, or None.

    Returns:
        (H, W, 3) of the same type, by the profile: media-relative colorimetric with black point compensation, as
        pictures for print are commonly viewed. Without one, or with one that is of no use: inks that filter light
        perfectly, which looks gaudy. And notices, one sentence each.

    Raises:
        UsageError: the array is not of such a shape or type.

    Example:
        >>> colours, notices = cmyk_to_srgb(np.array([[[0, 255, 255, 0]]], np.uint8), None)
        >>> colours.tolist(), notices
        ([[[255, 0, 0]]], ('Its inks have no colour profile, so its colours are a guess.',))
    """
    if pixels.dtype not in _FULL or pixels.ndim != 3 or pixels.shape[2] != 4:
        raise UsageError("a picture of inks is (H, W, 4) of uint8 or uint16.")
    out = np.empty((*pixels.shape[:2], 3), pixels.dtype)
    if icc:
        profile = parse(icc) if len(icc) <= MAX_PROFILE else None
        if profile is not None and profile.model == "CMYK" and _printed(pixels, icc, out):
            return out, ()
    full = _FULL[pixels.dtype]

    def mix(first: int, end: int) -> None:
        for row in range(first, end, _ROWS):
            inks = pixels[row : min(row + _ROWS, end)] / full
            out[row : row + len(inks)] = np.rint((1 - inks[..., :3]) * (1 - inks[..., 3:]) * full)

    in_strips(mix, len(pixels))
    doubt = "no colour profile" if not icc else "a colour profile that cannot be used"
    return out, (f"Its inks have {doubt}, so its colours are a guess.",)


def _printed(pixels: Pixels, icc: bytes, out: Pixels) -> bool:
    srgb = srgb_profile()
    cms = imagecodecs.CMS

    def convert(first: int, end: int) -> None:
        out[first:end] = imagecodecs.cms_transform(
            np.ascontiguousarray(pixels[first:end]),
            icc,
            srgb,
            colorspace="cmyk",
            outcolorspace="rgb",
            intent=cms.INTENT.RELATIVE_COLORIMETRIC,
            flags=cms.FLAGS.BLACKPOINTCOMPENSATION,
        )

    try:
        in_strips(convert, len(pixels))
    except Exception:  # whatever LittleCMS raises: the profile is damaged
        return False
    return True


def lab_to_srgb(pixels: Pixels, *, signed: bool = True) -> Pixels:
    """CIELab, seen from D50, as sRGB, clipped.

    Args:
        pixels: (H, W, 3) or (H, W, 4), the fourth being alpha; uint8 or uint16, as a TIFF holds them.
        signed: a and b are in two's complement, as in TIFFs of photometric interpretation 8; else they are offset by
            half their range (9, "ICCLab", where in 16 bits L of 100 is 0xff00).

    Returns:
        The picture, of the same shape and type.

    Raises:
        UsageError: the array is not of such a shape or type.

    References:
        TIFF 6.0, section 23; TIFF Technical Note for ICCLab (Adobe Photoshop TIFF Technical Notes, 2002).

    Example:
        >>> lab_to_srgb(np.array([[[255, 0, 0], [136, 0, 0]]], np.uint8)).tolist()
        [[[255, 255, 255], [127, 127, 127]]]
    """
    if pixels.dtype not in _FULL or pixels.ndim != 3 or pixels.shape[2] not in (3, 4):
        raise UsageError("a CIELab picture is (H, W, 3) or (H, W, 4) of uint8 or uint16.")
    out = np.empty(pixels.shape, pixels.dtype)
    full = _FULL[pixels.dtype]
    unit = 1 if full == 255 else 256
    white = full if signed or full == 255 else 0xFF00
    half = 128 * unit

    def convert(first: int, end: int) -> None:
        for row in range(first, end, _ROWS):
            some = pixels[row : min(row + _ROWS, end)]
            lab = some[..., :3].astype(np.float64)
            lab[..., 0] *= 100 / white
            opponents = lab[..., 1:]
            opponents -= np.where(opponents >= half, 2 * half, 0) if signed else half
            opponents /= unit
            linear = xyz_from_lab(lab) @ FROM_XYZ.T
            out[row : row + len(some), :, :3] = np.rint(np.clip(coded(linear), 0, 1) * full)
            out[row : row + len(some), :, 3:] = some[..., 3:]

    in_strips(convert, len(pixels))
    return out
