"""Pictures of high dynamic range (PQ, HLG) in the standard range that presets know: white at 203 cd/m2, in 16 bits.

What is darker than the knee keeps its light; above it the curve of ITU-R BT.2390 leads the picture's brightest light to
white. A pixel's three channels are scaled alike, so its hue stays, and so do the file's primaries.

Source: ITU-R BT.2100-2 (PQ, HLG and its system gamma), BT.2408-7 (reference white), BT.2390-11, 5.4.1 (the curve).
"""

import numpy as np
import numpy.typing as npt

from lptn_retouch.color.srgb import coded
from lptn_retouch.picture.samples import Pixels, at_depth

Floats = npt.NDArray[np.float64]

PQ, HLG = 16, 18
"""Transfer functions, by their numbers in ITU-T H.273."""
NAMES = {PQ: "PQ", HLG: "HLG"}

WHITE = 203.0
"""Light of diffuse white in pictures of high dynamic range, and of all white in what comes out, in cd/m2."""

_M1, _M2 = 2610 / 16384, 2523 / 32
_C1, _C2, _C3 = 3424 / 4096, 2413 / 128, 2392 / 128
_A, _B, _C = 0.17883277, 0.28466892, 0.55991073
_HLG_PEAK, _HLG_GAMMA = 1000.0, 1.2
_LUMA = np.array([0.2627, 0.6780, 0.0593])  # of BT.2020
_ROWS = 128
_SAMPLES = 1 << 16  # of the picture's pixels, or a little more, by which its brightest light is found
_GLINTS = 0.9999  # the share of pixels of which none is brighter than what becomes white


def standard_range(pixels: Pixels, transfer: int) -> npt.NDArray[np.uint16]:
    """A picture of high dynamic range in the standard one, coded by sRGB's curve over the same primaries.

    Args:
        pixels: (H, W, 3) or (H, W, 4), the fourth being alpha; uint8 or uint16, coded as PQ or HLG.
        transfer: PQ or HLG.

    Returns:
        The same shape, uint16; alpha as it was.

    Example:
        >>> grey = np.full((1, 1, 3), round(0.5807 * 65535), np.uint16)  # 203 cd/m2 in PQ
        >>> bool((standard_range(grey, PQ) > 65500).all())
        True
    """
    result = at_depth(pixels, 16).copy()
    every = max(1, int((pixels.shape[0] * pixels.shape[1] / _SAMPLES) ** 0.5))
    peak = float(np.quantile(_light(result[::every, ::every, :3], transfer).max(axis=2), _GLINTS))
    for top in range(0, len(result), _ROWS):
        rows = result[top : top + _ROWS, :, :3]
        light = _light(rows, transfer)
        brightest = light.max(axis=2, keepdims=True)
        light *= _mapped(brightest, peak) / np.maximum(brightest, 1e-6)
        rows[:] = np.rint(coded(np.clip(light / WHITE, 0, 1)) * 65535)
    return result


def _light(pixels: npt.NDArray[np.uint16], transfer: int) -> Floats:
    """Display light in cd/m2."""
    code = np.arange(65536) / 65535
    if transfer == PQ:
        root = code ** (1 / _M2)
        return np.asarray((10000 * (np.maximum(root - _C1, 0) / (_C2 - _C3 * root)) ** (1 / _M1))[pixels])
    scene = np.where(code <= 0.5, code**2 / 3, (np.exp((code - _C) / _A) + _B) / 12)[pixels]
    return np.asarray(_HLG_PEAK * (scene @ _LUMA)[..., None] ** (_HLG_GAMMA - 1) * scene)


def _mapped(light: Floats, peak: float) -> Floats:
    """The light (cd/m2, at most `WHITE`) that takes the place of this one in a picture that goes up to `peak`."""
    if peak <= WHITE:
        return np.minimum(light, WHITE)
    top = _perceived(np.float64(peak))
    most = float(_perceived(np.float64(WHITE)) / top)
    knee = 1.5 * most - 0.5
    at = np.minimum(_perceived(light) / top, 1)
    t = np.maximum(at - knee, 0) / (1 - knee)
    spline = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (3 * t**2 - 2 * t**3) * most
    root = (spline * top) ** (1 / _M2)
    bent = 10000 * (np.maximum(root - _C1, 0) / (_C2 - _C3 * root)) ** (1 / _M1)
    return np.asarray(np.where(at <= knee, light, bent))


def _perceived(light: npt.NDArray[np.float64] | np.float64) -> Floats:
    """PQ's code, in [0, 1], of light in cd/m2."""
    power = (np.asarray(light) / 10000) ** _M1
    return np.asarray(((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2)
