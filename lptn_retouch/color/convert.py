"""A picture to sRGB for the network, and what the network made of it back to the picture's own space.

The network sees colours clipped to sRGB, and may change them. What it was not shown, the part of a colour beyond sRGB,
is put back on the changed colour in gamma-coded sRGB without bounds, which then goes to the picture's own space and is
clipped there only. Where the network changes nothing, the original sample stands, to the bit.

Where the network takes a colour away, what lies beyond sRGB goes with it in proportion; else a bright leaf that it
makes grey or white would stay green (with a mean difference of 17 dE2000 to the same change made in the wide space for
colours of Adobe RGB outside sRGB; so it is below 2).
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from lptn_retouch.color.space import ColorSpace, Grid, Matrix
from lptn_retouch.errors import UnsupportedPhotoError, UsageError, reason
from lptn_retouch.notices import compiling
from lptn_retouch.threads import in_strips

Pixels = npt.NDArray[Any]
_TYPES = (np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.float32))
_lock = threading.Lock()


def to_srgb(pixels: Pixels, space: ColorSpace) -> Pixels:
    """A picture as the network shall see it: in sRGB, clipped.

    Args:
        pixels: (H, W, 3) or (H, W, 4), the fourth being alpha; uint8, uint16, or float32 in [0, 1].
        space: what they mean.

    Returns:
        The pixels themselves where they are sRGB already. Else a new array, uint16 for whole numbers, so that no level
        of 8 bits is lost on the way, and float32 for floats.

    Raises:
        UsageError: the array is not of such a shape or type.

    References:
        ICC.1:2022, media-relative colorimetric intent; IEC 61966-2-1.

    Example:
        >>> from lptn_retouch.color import adobe_rgb_profile, read_profile
        >>> adobe, _ = read_profile(adobe_rgb_profile())
        >>> (to_srgb(np.array([[[100, 150, 100]]], np.uint8), adobe) / 257).round().tolist()
        [[[66.0, 151.0, 97.0]]]
    """
    if space.transform is None:
        return pixels
    return _narrow(pixels, space.transform, np.dtype(np.float32 if pixels.dtype == np.float32 else np.uint16))


def from_srgb(original: Pixels, after: Pixels, space: ColorSpace, out: Pixels | None = None) -> Pixels:
    """The change that a network made to a picture, made to the picture in its own space.

    Args:
        original: (H, W, 3) or (H, W, 4), the picture in its own space.
        after: what ``to_srgb(original, space)`` has become, of that shape and type.
        space: the picture's own.
        out: where to write the result, as original; or original itself.

    Returns:
        The result, of the original's type, with its alpha. Where `after` is ``to_srgb(original, space)`` still, it is
        the original, bit for bit. Where the space is sRGB, it is `after`, and `out` is left as it is.

    Raises:
        UsageError: the arrays do not go together.

    Example:
        >>> from lptn_retouch.color import adobe_rgb_profile, read_profile
        >>> adobe, _ = read_profile(adobe_rgb_profile())
        >>> leaf = np.array([[[20, 200, 20]]], np.uint8)
        >>> seen = to_srgb(leaf, adobe)
        >>> from_srgb(leaf, seen, adobe).tolist(), from_srgb(leaf, seen // 2, adobe).tolist()
        ([[[20, 200, 20]]], [[[0, 101, 0]]])
    """
    transform = space.transform
    if transform is None:
        return after
    flat, channels = _rows(original)
    shown = np.float32 if original.dtype == np.float32 else np.uint16
    if after.shape != original.shape or after.dtype != shown:
        raise UsageError(f"the changed picture is {original.shape} of {np.dtype(shown)}, as to_srgb made it.")
    if out is None:
        out = np.empty(original.shape, original.dtype)
    elif out.shape != original.shape or out.dtype != original.dtype or not out.flags.c_contiguous:
        raise UsageError("the result goes to a contiguous array of the original's shape and type.")
    kernels = _kernels()
    changed, _ = _rows(after)
    result = out.reshape(flat.shape)
    curves = _curves(transform, original.dtype)
    if isinstance(transform, Matrix):
        _run(
            kernels.widen_matrix,
            flat,
            changed,
            channels,
            curves,
            transform.forward,
            transform.back,
            transform.codes,
            result,
        )
    else:
        _run(kernels.widen_grid, flat, changed, channels, curves, transform.nodes, transform.codes, result)
    return out


def converted(pixels: Pixels, space: ColorSpace) -> Pixels:
    """A picture in sRGB, clipped, of the same type: what is saved where sRGB is asked for.

    Args:
        pixels: (H, W, 3) or (H, W, 4), the fourth being alpha; uint8, uint16, or float32 in [0, 1].
        space: what they mean.

    Returns:
        The pixels themselves where they are sRGB already, else a new array.

    Raises:
        UsageError: the array is not of such a shape or type.

    References:
        ICC.1:2022, media-relative colorimetric intent, black as it is; IEC 61966-2-1.

    Example:
        >>> from lptn_retouch.color import adobe_rgb_profile, read_profile
        >>> converted(np.array([[[100, 150, 100]]], np.uint8), read_profile(adobe_rgb_profile())[0]).tolist()
        [[[66, 151, 97]]]
    """
    return pixels if space.transform is None else _narrow(pixels, space.transform, pixels.dtype)


def _narrow(pixels: Pixels, transform: Matrix | Grid, dtype: np.dtype[Any]) -> Pixels:
    kernels = _kernels()
    flat, channels = _rows(pixels)
    out = np.empty(pixels.shape, dtype)
    curves = _curves(transform, pixels.dtype)
    if isinstance(transform, Matrix):
        _run(kernels.narrow_matrix, flat, channels, curves, transform.forward, out.reshape(flat.shape))
    else:
        _run(kernels.narrow_grid, flat, channels, curves, transform.nodes, out.reshape(flat.shape))
    return out


def _kernels() -> Any:
    """The compiled loops; asked for late, since compilers are slow to load and most pictures are sRGB."""
    try:
        from lptn_retouch.color import kernels
    except Exception as error:  # not installed, or not for this processor: numba raises many kinds
        raise UnsupportedPhotoError(
            f"its colours are not sRGB, and numba, which converts them, cannot run here ({reason(error)}); "
            "pip install --upgrade numba, or convert the picture to sRGB first."
        ) from error
    return kernels


def _rows(pixels: Pixels) -> tuple[Pixels, int]:
    """A picture as (H, W * C), read-only: an array of another kind would be compiled for once more."""
    if pixels.dtype not in _TYPES or pixels.ndim != 3 or pixels.shape[2] not in (3, 4):
        raise UsageError("a picture is (H, W, 3) or (H, W, 4) of uint8, uint16 or float32.")
    height, width, channels = pixels.shape
    flat = np.ascontiguousarray(pixels).reshape(height, width * channels)
    flat.flags.writeable = False
    return flat, channels


def _curves(transform: Matrix | Grid, dtype: np.dtype[Any]) -> Pixels:
    return np.ascontiguousarray(transform.curves[:, ::257]) if dtype == np.uint8 else transform.curves


def _run(kernel: Callable[..., object], picture: Pixels, *arguments: object) -> None:
    """Run a kernel on all rows, on all threads; compiled or fetched from its cache before."""
    work = partial(kernel, picture, *arguments)
    with _lock, compiling(), suppress(OSError):  # compiled, but the disk is full and does not keep it
        work(0, 0)
    in_strips(work, picture.shape[0])
