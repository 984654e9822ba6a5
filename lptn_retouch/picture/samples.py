"""The same picture with other bits a channel, or without its transparency."""

from typing import Any

import numpy as np
import numpy.typing as npt

from lptn_retouch.color import read_profile

Pixels = npt.NDArray[Any]
_SEEN = 2 / 255  # of the range: a difference of channels that is more than rounding
_ROWS = 64  # at a time, where there are many numbers a pixel


def at_depth(pixels: Pixels, bits: int) -> Pixels:
    """Pixels with so many bits a channel, rounded to the nearest; 32 is floating point in [0, 1]."""
    if bits == 8 * pixels.itemsize:
        return pixels
    if bits == 8:
        return eight_bits(pixels)
    if pixels.dtype == np.float32:
        return np.asarray(_clean(pixels) * np.float32(65535) + np.float32(0.5), np.uint16)
    if bits == 16:
        return pixels.astype(np.uint16) * np.uint16(257)
    return pixels.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)


def eight_bits(pixels: Pixels) -> npt.NDArray[np.uint8]:
    """Pixels of any accepted type as uint8, rounded to the nearest."""
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype == np.uint16:
        table = ((np.arange(65536, dtype=np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
        return np.take(table, pixels)
    return np.asarray(_clean(pixels) * np.float32(255) + np.float32(0.5), np.uint8)


def _clean(pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return np.clip(np.nan_to_num(pixels, nan=0.0, posinf=1.0, neginf=0.0), 0, 1)


def on_white(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    alpha = pixels[:, :, 3:].astype(np.uint32)
    return np.asarray((pixels[:, :, :3] * alpha + 255 * (255 - alpha) + 127) // 255, np.uint8)


def made_grey(pixels: Pixels) -> bool:
    """Give a picture, (H, W, 3 or 4), its luma in place of its colours, in place.

    Returns:
        Whether it had colours that can be seen: more than rounding leaves.

    >>> made_grey(np.full((1, 1, 3), 7, np.uint8))
    False
    """
    seen = False
    full = 1 if pixels.dtype == np.float32 else int(np.iinfo(pixels.dtype).max)
    for top in range(0, len(pixels), _ROWS):
        colours = pixels[top : top + _ROWS, :, :3]
        if (colours == colours[..., :1]).all():
            continue
        grey = one_channel(colours)[..., None]
        seen = seen or bool((np.abs(colours - grey.astype(np.float64)) > _SEEN * full).any())
        colours[...] = grey
    return seen


def as_stored(pixels: Pixels, icc: bytes | None, *, grey: bool) -> Pixels:
    """Pixels as a file holds them: one channel of a picture that was grey, unless its profile is one of RGB."""
    space, _ = read_profile(icc, grey=grey)
    return one_channel(pixels) if grey and (space.is_srgb or space.model == "GRAY") else pixels


def one_channel(pixels: Pixels) -> Pixels:
    """The luma of a picture that was grey, (H, W), or (H, W, 2) with its alpha (ITU-R BT.601).

    >>> one_channel(np.full((1, 1, 3), 7, np.uint8)).tolist()
    [[7]]
    """
    red, green, blue = (pixels[:, :, channel].astype(np.float64) for channel in range(3))
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    grey = np.asarray(luma if pixels.dtype == np.float32 else np.rint(luma), pixels.dtype)
    return grey if pixels.shape[2] == 3 else np.stack([grey, pixels[:, :, 3]], axis=2)
