"""Colour management: pictures stay in their own space, and networks see sRGB."""

from lptn_retouch.color.cmyk_lab import cmyk_to_srgb, lab_to_srgb
from lptn_retouch.color.convert import converted, from_srgb, to_srgb
from lptn_retouch.color.profiles import (
    HighDynamicRangeError,
    adobe_rgb_profile,
    matrix_profile,
    profile_from_cicp,
    profile_from_png,
    srgb_profile,
)
from lptn_retouch.color.space import ColorSpace, is_of_grey, read_profile

__all__ = [
    "ColorSpace",
    "HighDynamicRangeError",
    "adobe_rgb_profile",
    "cmyk_to_srgb",
    "converted",
    "from_srgb",
    "is_of_grey",
    "lab_to_srgb",
    "matrix_profile",
    "profile_from_cicp",
    "profile_from_png",
    "read_profile",
    "srgb_profile",
    "to_srgb",
]
