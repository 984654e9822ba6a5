"""Profiles that are tables rather than formulas: LittleCMS says once, on a grid, what they mean."""

import imagecodecs
import numpy as np

from lptn_retouch.color.srgb import FROM_XYZ, Floats, coded

NODES = 49
"""Along each axis; LittleCMS itself takes 33 or, at high precision, 49."""

_LIMIT = 4.0  # of light, as in the kernels


def through_cms(icc: bytes, colours: Floats) -> Floats | None:
    """What the RGB colours of a profile look like, as sRGB without bounds; None where LittleCMS cannot tell.

    Args:
        icc: the profile.
        colours: (n, 3) in [0, 1].

    Returns:
        (n, 3), gamma-coded and mirrored below 0; media-relative colorimetric.

    Example:
        >>> from lptn_retouch.color.profiles import srgb_profile
        >>> through_cms(srgb_profile(), np.array([[0.2, 0.4, 0.6]])).round(3)
        array([[0.2, 0.4, 0.6]])
    """
    try:
        xyz = imagecodecs.cms_transform(
            np.ascontiguousarray(colours)[None],
            icc,
            imagecodecs.cms_profile("xyz"),
            colorspace="rgb",
            outcolorspace="xyz",
            outdtype=np.float64,
            intent=imagecodecs.CMS.INTENT.RELATIVE_COLORIMETRIC,
            flags=imagecodecs.CMS.FLAGS.NOOPTIMIZE,
        )[0]
    except Exception:  # whatever it raises: of a damaged profile it has no more to say
        return None
    light = np.clip(xyz @ FROM_XYZ.T, -_LIMIT, _LIMIT)
    return coded(light) if np.isfinite(light).all() else None


def grid(icc: bytes, axis: Floats) -> Floats | None:
    """`through_cms` at all combinations of the places on an axis, (n, n, n, 3)."""
    places = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1)
    wide = through_cms(icc, places.reshape(-1, 3))
    return None if wide is None else wide.reshape(places.shape)
