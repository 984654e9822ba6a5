"""What every decoder of pixels hands over, and the steps that several of them share."""

from typing import NamedTuple

import numpy as np

from lptn_retouch.metadata import Metadata
from lptn_retouch.picture.samples import Pixels


class DamageError(ValueError):
    """What is wrong with a file, in words of the file that fit into a sentence: "rows are missing"."""


class Decoded(NamedTuple):
    """A picture as its codec gave it.

    Args:
        pixels: (H, W, 3) or (H, W, 4), the fourth being alpha; uint8, uint16, or float32 in [0, 1].
        grey: the file holds one channel, which the pixels repeat.
        upright: the decoder has turned the pixels; what EXIF says of the orientation is done.
        converted: the numbers are sRGB, whatever the file's profile says: it described inks or CIELab.
        subsampling: a JPEG's, of its chroma.
        notices: one sentence each.
        icc: a profile that the decoder found among the coded pixels, or made of what stands there.
        metadata: all that the file carries, where only the decoder could tell; None for what was read before.
    """

    pixels: Pixels
    grey: bool = False
    upright: bool = False
    converted: bool = False
    subsampling: str | None = None
    notices: tuple[str, ...] = ()
    icc: bytes | None = None
    metadata: Metadata | None = None


def from_inks(inks: Pixels, icc: bytes | None) -> Decoded:
    """A picture of four inks, (H, W, 4) with 0 for none, in sRGB; icc is its profile, if it has one."""
    from lptn_retouch.color import cmyk_to_srgb

    colours, notices = cmyk_to_srgb(np.ascontiguousarray(inks), icc)
    return Decoded(colours, converted=True, notices=("Its inks (CMYK) were converted to sRGB.", *notices))


def three_channels(array: Pixels) -> tuple[Pixels, bool]:
    """Grey, grey with alpha, RGB or RGBA as (H, W, 3) or (H, W, 4), and whether it was grey.

    >>> pixels, grey = three_channels(np.array([[7, 9]], np.uint8))
    >>> pixels.tolist(), grey
    ([[[7, 7, 7], [9, 9, 9]]], True)
    """
    if array.ndim == 2:
        array = array[:, :, None]
    if array.shape[2] > 2:
        return array, False
    return np.concatenate([array[:, :, :1]] * 3 + [array[:, :, 1:]], axis=2), True


def widened(values: Pixels, bits: int) -> Pixels:
    """Whole numbers of so many bits as 16-bit ones, white staying white.

    >>> widened(np.array([0, 512, 1023], np.uint16), 10).tolist()
    [0, 32800, 65535]
    """
    top = (1 << bits) - 1
    table = ((np.arange(top + 1, dtype=np.uint64) * 65535 + top // 2) // top).astype(np.uint16)
    return np.take(table, np.minimum(values, top))


def in_range(samples: Pixels, bits: int) -> tuple[Pixels, tuple[str, ...]]:
    """Samples of any type as uint8, uint16, or float32 in [0, 1]; and what had to give way.

    Args:
        samples: of any shape; floats, or whole numbers of so many bits.
        bits: as stored, 8 to 64, or fewer in whole numbers of a larger type.

    >>> in_range(np.array([0.5, 1.5, np.nan, -1]), 64)[0].tolist()
    [0.5, 1.0, 0.0, 0.0]
    >>> in_range(np.array([0, 2**32 - 1], np.uint32), 32)[0].tolist()
    [0, 65535]
    """
    if samples.dtype.kind == "f":
        return _floats(samples)
    if samples.dtype.kind == "i":  # below zero is no light; two's complement leaves half of the range
        negative = float(np.mean(samples < 0))
        notices = (f"{_share(negative)} of its values lay below 0 and were taken as 0.",) if negative else ()
        samples = np.maximum(samples, 0).astype(samples.dtype.str.replace("i", "u"))
        return _whole(samples, bits - 1), notices
    return _whole(samples, bits), ()


def _whole(samples: Pixels, bits: int) -> Pixels:
    """Unsigned whole numbers of so many bits as uint8 or uint16."""
    if bits in (8, 16):
        return samples.astype(np.uint8 if bits == 8 else np.uint16, copy=False)
    if bits < 8:
        return (widened(samples, bits) >> 8).astype(np.uint8)
    if bits < 16:
        return widened(samples, bits)
    if samples.size and int(samples.max()) < 1 << 16:  # 16 bits in a larger type, as some programs store them
        return samples.astype(np.uint16)
    return np.asarray(samples >> np.array(bits - 16, samples.dtype), np.uint16)


def _floats(samples: Pixels) -> tuple[Pixels, tuple[str, ...]]:
    values = np.array(samples, np.float32)
    low, high = values.min(), values.max()
    if low >= 0 and high <= 1:
        return values, ()
    outside = float(np.mean(~((values >= 0) & (values <= 1))))
    np.clip(np.nan_to_num(values, copy=False, nan=0.0, posinf=1.0, neginf=0.0), 0, 1, out=values)
    return values, (f"{_share(outside)} of its values lay outside 0 to 1 and were clipped.",)


def _share(part: float) -> str:
    return f"{100 * part:.1f} %" if part >= 0.001 else "Less than 0.1 %"


def unpremultiplied(pixels: Pixels, full: int | None = None) -> Pixels:
    """Colours that were multiplied by their alpha, the last channel, divided by it again.

    Args:
        pixels: (H, W, 2 or more), of any accepted type.
        full: what opaque is; None for the type's own.

    >>> unpremultiplied(np.array([[[50, 25, 0, 128]]], np.uint8)).tolist()
    [[[100, 50, 0, 128]]]
    """
    result = pixels.copy()
    alpha = pixels[..., -1:]
    if pixels.dtype.kind == "f":
        result[..., :-1] = np.clip(pixels[..., :-1] / np.maximum(alpha, 1e-6), 0, 1)
        return result
    full = full or int(np.iinfo(pixels.dtype).max)
    share = np.maximum(alpha.astype(np.uint32), 1)
    result[..., :-1] = np.minimum((pixels[..., :-1].astype(np.uint64) * full + share // 2) // share, full)
    return result


def several(count: int) -> tuple[str, ...]:
    """A notice where a file holds several pictures."""
    return (f"It holds {count} pictures, of which only the first is taken.",) if count > 1 else ()
