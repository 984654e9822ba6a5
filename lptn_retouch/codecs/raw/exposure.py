"""How bright a developed RAW shall be: one exposure gain in linear light, with a shoulder that spares the highlights.

LibRaw's own brightening clips about one percent of every picture, and its plain output is a stop or more darker than
what the photographer saw on the camera. The embedded preview is what was seen, so its mid-tones decide.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

KNEE = 0.6
"""Linear output above which the shoulder begins: about 80 % of the way up in sRGB."""

MIDDLE_GREY = 0.18
"""Linear reflectance of a grey card; where the log-average luminance goes when there is no preview to ask."""

_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)  # Rec. 709, linear light
_MIDTONES = (0.3, 0.4, 0.5, 0.6, 0.7)
_DARKEST = 2e-3  # a preview whose mid-tones lie below this is black, or not a picture
_GAINS = (1 / 16, 64.0)


def linear_from_srgb(values: npt.NDArray[Any]) -> FloatArray:
    """Linear light in [0, 1] of 8-bit sRGB values, by IEC 61966-2-1.

    >>> float(linear_from_srgb(np.array([188], np.uint8))[0].round(2))
    0.5
    """
    code = np.arange(256, dtype=np.float32) / 255
    table = np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4).astype(np.float32)
    return np.asarray(table[values], np.float32)


def curve(linear: FloatArray, gain: float) -> FloatArray:
    """Expose by `gain`, up to the knee in proportion, from there in an arc that reaches 1 where the sensor does.

    Black stays black and full well stays white whatever the gain is; the slope is continuous, and the arc rises
    everywhere, so whatever differs in the file differs in the result.

    Args:
        linear: linear light in [0, 1], 1 being the sensor's white; any shape.
        gain: factor on the mid-tones, above 0.

    Example:
        >>> curve(np.array([0, 0.1, 0.5, 1], np.float32), 2.0).round(3).tolist()
        [0.0, 0.20000000298023224, 0.8330000042915344, 1.0]
    """
    linear64 = linear.astype(np.float64)  # in single precision the order of neighbours can turn at high gains
    knee = KNEE * min(1.0, gain)
    start = knee / gain
    slope = gain * (1 - start) / (1 - knee)
    along = np.clip((linear64 - start) / (1 - start), 0, 1)
    arc = knee + (1 - knee) * slope * along / (1 + (slope - 1) * along)
    return np.where(linear64 <= start, linear64 * gain, arc).astype(np.float32)


def srgb16_table(gain: float) -> npt.NDArray[np.uint16]:
    """For each 16-bit linear value, the exposed 16-bit sRGB value (IEC 61966-2-1).

    Returns:
        65536 entries that never fall.
    """
    exposed = curve(np.linspace(0, 1, 65536, dtype=np.float32), gain).astype(np.float64)
    coded = np.where(exposed <= 0.0031308, 12.92 * exposed, 1.055 * exposed ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(coded * 65535), np.uint16)


def shrink(pixels: npt.NDArray[Any], longest: int) -> npt.NDArray[Any]:
    """Pick pixels on a regular grid so that the longest side has about `longest`.

    Args:
        pixels: (H, W, 3), any type.
        longest: pixels.
    """
    step = max(1, max(pixels.shape[:2]) // longest)
    return pixels[step // 2 :: step, step // 2 :: step]


def midtones(linear: FloatArray) -> npt.NDArray[np.float64]:
    """Luminances that 30, 40, 50, 60 and 70 % of a linear (..., 3) picture lie below."""
    return np.quantile((linear @ _LUMA).astype(np.float64), _MIDTONES)


def gain_from_preview(developed: FloatArray, preview: FloatArray) -> float | None:
    """The gain with which the mid-tones of a developed picture lie as bright as the preview's.

    Quantiles are compared and not places, so crops and lens corrections of the preview don't matter; of the five
    ratios the median counts, so a tone curve that bends one end does not.

    Args:
        developed: linear, (..., 3) in [0, 1], shrunk.
        preview: linear, (..., 3) in [0, 1], shrunk.

    Returns:
        The gain, or None when the preview is black, blown out, or cannot be matched.
    """
    aim, have = midtones(preview), midtones(developed)
    if aim[2] < _DARKEST or aim[2] > 0.97 or have[2] <= 0:
        return None
    low, high = _GAINS
    for _ in range(30):  # the median ratio rises with the gain, so halve the range, on the log scale of exposure
        gain = (low * high) ** 0.5
        ratio = np.median((midtones(curve(developed, gain)) + 1e-6) / (aim + 1e-6))
        low, high = (gain, high) if ratio < 1 else (low, gain)
    gain = float((low * high) ** 0.5)
    return gain if _GAINS[0] * 1.01 < gain < _GAINS[1] * 0.99 else None


def default_gain(developed: FloatArray) -> float:
    """The gain for a RAW without preview: log-average luminance to middle grey, by two stops at most.

    The bound keeps nights dark. Log-average and key value: Reinhard et al., SIGGRAPH 2002, section 3.

    Args:
        developed: linear, (..., 3) in [0, 1], shrunk.
    """
    average = float(np.exp(np.mean(np.log(developed @ _LUMA + 1e-4))))
    return float(np.clip(MIDDLE_GREY / average, 0.25, 4.0))
