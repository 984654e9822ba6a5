# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, import-untyped, import-not-found"
"""Pixels in the kernels for a GPU: how they are read, graded and stored. Called by :mod:`.triton_kernels` alone."""

import triton
import triton.language as tl


@triton.jit
def load(picture, y, x, width, channels: tl.constexpr):
    """Red, green and blue in [0, 1]."""
    at = picture + (y.to(tl.int64) * width + x) * channels
    return unit(tl.load(at)), unit(tl.load(at + 1)), unit(tl.load(at + 2))


@triton.jit
def grade(curve, r, g, b):
    red, green, blue = 2 * r - 1, 2 * g - 1, 2 * b - 1
    r += _polynomial(curve, red, green, blue)
    g += _polynomial(curve + 20, red, green, blue)
    b += _polynomial(curve + 40, red, green, blue)
    return r, g, b


@triton.jit
def _polynomial(k, r, g, b):
    """A cubic of the terms of `cubic_terms` in Horner's form: powers of blue in those of green in those of red."""
    p0 = tl.load(k) + b * (tl.load(k + 3) + b * (tl.load(k + 6) + b * tl.load(k + 12)))
    p0 += g * (tl.load(k + 2) + b * (tl.load(k + 8) + b * tl.load(k + 18)))
    p0 += g * g * (tl.load(k + 5) + b * tl.load(k + 16) + g * tl.load(k + 11))
    p1 = tl.load(k + 1) + b * (tl.load(k + 9) + b * tl.load(k + 17))
    p1 += g * (tl.load(k + 7) + b * tl.load(k + 19) + g * tl.load(k + 15))
    p2 = tl.load(k + 4) + b * tl.load(k + 14) + g * tl.load(k + 13)
    return p0 + r * (p1 + r * (p2 + r * tl.load(k + 10)))


@triton.jit
def unit(sample):
    """A picture's samples as floats in [0, 1]."""
    value = sample.to(tl.float32)
    if sample.dtype == tl.uint8:
        value *= 1 / 255
    elif sample.dtype == tl.uint16:
        value *= 1 / 65535
    return value


@triton.jit
def stored(value, own, weight, partly: tl.constexpr, sort: tl.constexpr):
    """A result as the picture stores it, blended with the picture's own sample."""
    value = tl.minimum(tl.maximum(value, 0.0), 1.0)
    if partly:
        value = own + weight * (value - own)
    if sort == tl.uint8:
        value = (value * 255 + 0.5).to(tl.int32)
    elif sort == tl.uint16:
        value = (value * 65535 + 0.5).to(tl.int32)
    return value.to(sort)
