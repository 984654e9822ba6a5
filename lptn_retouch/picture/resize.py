"""Pixels made smaller, for the web above all."""

import math
from collections.abc import Callable

import numpy as np

from lptn_retouch.picture.samples import Pixels

_LUMA = np.array((0.299, 0.587, 0.114), np.float32)  # ITU-R BT.601
_STRENGTH = 0.8  # of the sharpening, where a side becomes a quarter or less
_GRAIN = 0.008  # of white: detail of less than that is grain, and sharpened by less than half
_HALO = 0.015  # of white: how far beyond its neighbours a sample may be brought


def fitted(pixels: Pixels, long_edge: int, *, sharpen: bool = True) -> Pixels:
    """A picture whose longer side is `long_edge` px at most; a smaller one is returned as it is.

    Lanczos' filter over all samples that a new one stands for, so fine patterns make no moiré. It is done in the
    picture's own numbers, at its own depth. What an average of many samples takes from the finest detail, a modest
    unsharp mask gives back: of the luma alone, so that edges get no colour, and the more, the smaller it becomes. No
    sample leaves the range of its neighbours by more than can hardly be seen, so edges get no halo; grain is
    sharpened less than what stands out of it.

    Args:
        pixels: (H, W, 3) or (H, W, 4); uint8, uint16 or float32.
        long_edge: px, 1 or more.
        sharpen: whether it is sharpened for a screen.

    Example:
        >>> pixels = np.zeros((300, 400, 3), np.uint16)
        >>> fitted(pixels, 200).shape, fitted(pixels, 400) is pixels
        ((150, 200, 3), True)

    References:
        Turkowski, "Filters for Common Resampling Tasks", Graphics Gems, 1990. Schewe & Fraser, "Real World Image
        Sharpening", 2nd ed., 2009 (output sharpening).
    """
    height, width = pixels.shape[:2]
    scale = long_edge / max(width, height)
    if scale >= 1:
        return pixels
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if pixels.dtype == np.uint8 and pixels.shape[2] == 3:
        small = _reduced(pixels, size)
    else:  # alpha is resized with the colours it lets through, so that hidden ones do not show at its edges
        planes = pixels.astype(np.float32)
        top = 1.0 if pixels.dtype == np.float32 else float(np.iinfo(pixels.dtype).max)
        if pixels.shape[2] == 4:
            planes[..., :3] *= planes[..., 3:] / top
        small = np.stack([_reduced(planes[..., channel], size) for channel in range(pixels.shape[2])], axis=2)
        if pixels.shape[2] == 4:
            small[..., :3] *= top / np.maximum(small[..., 3:], top * 1e-6)
        if pixels.dtype != np.float32:
            small = np.rint(np.clip(small, 0, top)).astype(pixels.dtype)
    return _sharpened(small, _STRENGTH * min(1.0, math.log2(1 / scale) / 2)) if sharpen else small


def _sharpened(pixels: Pixels, strength: float) -> Pixels:
    """Pixels with `strength` times what a small blur takes from their luma added to it, within bounds."""
    top = 1.0 if pixels.dtype == np.float32 else float(np.iinfo(pixels.dtype).max)
    luma: Pixels = sum(pixels[..., channel] * weight for channel, weight in enumerate(_LUMA))
    blurred = _over_three(lambda a, b, c: (a + 2 * b + c) / 4, luma)
    least = _over_three(lambda a, b, c: np.minimum(np.minimum(a, b), c), luma) - _HALO * top
    most = _over_three(lambda a, b, c: np.maximum(np.maximum(a, b), c), luma) + _HALO * top
    detail = luma - blurred
    square = np.square(detail)
    detail *= square / (square + np.square(np.float32(_GRAIN * top)))
    wanted = np.clip(luma + strength * detail, least, most)
    change = (wanted - luma)[..., None]
    if pixels.shape[2] == 4:
        change = change * (pixels[..., 3:] / np.float32(top))
    colours = pixels[..., :3] + change
    sharp = pixels.copy()
    sharp[..., :3] = colours if pixels.dtype == np.float32 else np.rint(np.clip(colours, 0, top))
    return sharp


def _over_three(combine: Callable[[Pixels, Pixels, Pixels], Pixels], plane: Pixels) -> Pixels:
    """A plane (H, W) combined with its neighbours, up and down and then to both sides; borders are repeated."""
    high = np.pad(plane, ((1, 1), (0, 0)), mode="edge")
    wide = np.pad(combine(high[:-2], high[1:-1], high[2:]), ((0, 0), (1, 1)), mode="edge")
    return combine(wide[:, :-2], wide[:, 1:-1], wide[:, 2:])


def _reduced(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(pixels))
    return np.asarray(image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0))
