"""How different two colours look: CIE L*a*b* and CIEDE2000, in NumPy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lptn_retouch.color.srgb import Floats, light

# Linear sRGB to XYZ over its white, D65 (IEC 61966-2-1): so that white is 1, 1, 1.
_TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
_TO_XYZ /= _TO_XYZ.sum(axis=1, keepdims=True)
_25_7 = 25.0**7


def lab(colours: npt.ArrayLike) -> Floats:
    """CIE L*a*b*, D65, of sRGB in [0, 1]: (..., 3) to (..., 3), L* from 0 to 100.

    Example:
        >>> lab([[1.0, 1.0, 1.0], [1.0, 0.0, 0.0]]).round(1).tolist()
        [[100.0, 0.0, 0.0], [53.2, 80.1, 67.2]]
    """
    xyz = light(colours) @ _TO_XYZ.T
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz * (29 / 6) ** 2 / 3 + 4 / 29)
    x, y, z = np.moveaxis(f, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def delta_e(one: npt.ArrayLike, other: npt.ArrayLike) -> Floats:
    """The difference of colours in L*a*b*, (..., 3) both, by CIEDE2000; about 1 is just noticeable.

    Example:
        >>> round(float(delta_e([50.0, 2.6772, -79.7751], [50.0, 0.0, -82.7485])), 4)
        2.0425

    References:
        Sharma, Wu & Dalal, "The CIEDE2000 color-difference formula", Color Research and Application 30 (2005).
    """
    (l1, a1, b1), (l2, a2, b2) = (np.moveaxis(np.asarray(colour, np.float64), -1, 0) for colour in (one, other))
    mean = ((np.hypot(a1, b1) + np.hypot(a2, b2)) / 2) ** 7
    stretch = 1.5 - 0.5 * np.sqrt(mean / (mean + _25_7))
    c1, c2 = np.hypot(stretch * a1, b1), np.hypot(stretch * a2, b2)
    h1, h2 = (np.degrees(np.arctan2(b, stretch * a)) % 360 for a, b in ((a1, b1), (a2, b2)))
    colourless = c1 * c2 == 0
    turn = np.where(colourless, 0, (h2 - h1 + 180) % 360 - 180)
    # The mean hue lies on the shorter way between the two.
    hue = np.where(colourless, h1 + h2, (h1 + turn / 2) % 360)
    d_light, d_chroma = l2 - l1, c2 - c1
    d_hue = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2))
    off_middle, chroma = ((l1 + l2) / 2 - 50) ** 2, (c1 + c2) / 2
    cosines = ((-0.17, 1, -30), (0.24, 2, 0), (0.32, 3, 6), (-0.20, 4, -63))
    t = 1 + sum(part * np.cos(np.radians(times * hue + start)) for part, times, start in cosines)
    s_light = 1 + 0.015 * off_middle / np.sqrt(20 + off_middle)
    s_chroma, s_hue = 1 + 0.045 * chroma, 1 + 0.015 * chroma * t
    twist = np.radians(60 * np.exp(-(((hue - 275) / 25) ** 2)))
    rotation = -np.sin(twist) * 2 * np.sqrt(chroma**7 / (chroma**7 + _25_7))
    light_part, chroma_part, hue_part = d_light / s_light, d_chroma / s_chroma, d_hue / s_hue
    square = light_part**2 + chroma_part**2 + hue_part**2 + rotation * chroma_part * hue_part
    return np.asarray(np.sqrt(np.maximum(square, 0)))
