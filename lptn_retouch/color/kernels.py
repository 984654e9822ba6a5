# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator"
# ruff: noqa: ARG001, ARG005
"""Colour conversion of rows of pixels: compiled, with no full-size picture of floats.

Each kernel does a range of rows, releases the GIL, and is run on several ranges at once. Arithmetic is plain IEEE 754,
with no fast-math of any kind: what `narrow_*` gave the network once must come out the same to the bit when `widen_*`
computes it again, and that whatever the compiler vectorises.

Conventions: a picture is (H, W * C) with C 3 or 4, uint8, uint16 or float32. Wide numbers are gamma-coded sRGB
without bounds, negative ones coded as their positive mirror images. A row is worked on in tiles, as planes in a scratch
whose rows lie `TILE` apart: loops that are short and plain are vectorised. All of it is in one file since numba's cache
on the disk looks at no other.
"""

from typing import Any

import numba
import numpy as np
from numba.extending import overload

TILE = 256
LIMIT = 4.0
"""Linear light beyond which wide numbers end, either side of 0: twice the widest space in use, ProPhoto RGB."""

STEPS = 40
"""On the way back through a grid, at most."""

HOLD = 1e-3
"""How much a place on a grid counts, beside what is seen there, on the way back through it."""

_options: Any = {"nogil": True, "error_model": "numpy"}
_F = np.float32
_at = np.uintp  # of an index that is never negative: the compiler need not count it from the end, so it can vectorise
_part = numba.njit(**_options)


def _kept(function):
    """A kernel that is called from Python: compiled once for a machine, and kept in numba's cache on the disk."""
    try:
        return numba.njit(cache=True, **_options)(function)
    except RuntimeError:  # no folder for a cache can be written to
        return _part(function)


# IEC 61966-2-1. The curve is coded by a polynomial of the fourth root, within 0.07 of a 16-bit level, and decoded by
# one of the square root. They are Chebyshev fits of 1.055 s ** (5 / 3) - 0.055, for light from the knee to `LIMIT`, and
# of v ** 4.8, for codes from the knee to `_LAST`; written out, since kernels compiled on different days must agree.
_KNEE, _KNEE_CODED, _LAST = 0.0031308, 0.04045, 1.9
_P_SLOPE, _P_OFFSET = _F(1.69827068), _F(-1.40171754)
_P = tuple(map(_F, (
    0.711199462, 0.911029041, 0.21663709, -0.0172320269, 0.00414189417,
    -0.00116411073, 0.000390890607, -0.000459069648, 0.000253582781,
)))  # fmt: skip
_Q_SLOPE, _Q_OFFSET = _F(1.88592041), _F(-1.56726384)
_Q = tuple(map(_F, (
    0.411310732, 1.25970578, 1.52714646, 0.909444094, 0.261122674,
    0.0266527608, -0.000565123861, 6.8382491e-05, -1.28687834e-05,
)))  # fmt: skip


@_part
def coded(x):
    """sRGB's coding of linear light, mirrored below 0 and ended at `LIMIT`."""
    light = min(abs(x), _F(LIMIT))
    z = np.sqrt(np.sqrt(light)) * _P_SLOPE + _P_OFFSET
    p = _P[4] + z * (_P[5] + z * (_P[6] + z * (_P[7] + z * _P[8])))
    p = _P[0] + z * (_P[1] + z * (_P[2] + z * (_P[3] + z * p)))
    p = _F(12.92) * light if light <= _F(_KNEE) else p
    return -p if x < 0 else p


@_part
def light(x):
    """Linear light of coded sRGB, the inverse of `coded`."""
    code = min(abs(x), _F(_LAST))
    z = np.sqrt((code + _F(0.055)) * _F(1 / 1.055)) * _Q_SLOPE + _Q_OFFSET
    q = _Q[4] + z * (_Q[5] + z * (_Q[6] + z * (_Q[7] + z * _Q[8])))
    q = _Q[0] + z * (_Q[1] + z * (_Q[2] + z * (_Q[3] + z * q)))
    q = code * _F(1 / 12.92) if code <= _F(_KNEE_CODED) else q
    return -q if x < 0 else q


@_part
def _clipped(x):
    x = x if x > 0 else _F(0)  # which no NaN passes
    return x if x < 1 else _F(1)


@_kept
def narrow_matrix(picture, channels, curves, matrix, out, first, end):
    """Rows of a picture in sRGB, clipped.

    Args: curves (3, 256 or 65536), a picture's sample to light; matrix (3, 3), light to linear sRGB; out as picture,
    of any type.
    """
    planes = np.empty((3, TILE), _F)
    for y in range(first, end):
        for x0 in range(0, picture.shape[1], TILE * channels):
            n = min(TILE, (picture.shape[1] - x0) // channels)
            _decode(picture[y, x0:], channels, n, curves, planes)
            _wide(matrix, n, planes)
            _save(picture[y, x0:], channels, n, planes, out[y, x0:])


@_kept
def widen_matrix(original, after, channels, curves, matrix, back, codes, out, first, end):
    """Rows of the result in the picture's own space; see :func:`lptn_retouch.color.from_srgb`.

    Args: after, as `narrow_matrix` made it of the original, then changed; back, the inverse of matrix; codes
    the inverse of the curves, as in `space.Matrix`; out as original, or original itself.
    """
    planes, shown, changed = np.empty((3, TILE), _F), np.empty((3, TILE), _F), np.empty((3, TILE), _F)
    moved = np.empty(TILE, np.uint8)
    for y in range(first, end):
        for x0 in range(0, original.shape[1], TILE * channels):
            n = min(TILE, (original.shape[1] - x0) // channels)
            _decode(original[y, x0:], channels, n, curves, planes)
            _wide(matrix, n, planes)
            _load(after[y, x0:], channels, n, planes, shown, changed, moved)
            _restore_gamut(n, planes, shown, changed)
            _light(back, n, changed, planes)
            _encode(original[y, x0:], channels, n, codes, planes, moved, out[y, x0:])


@_kept
def narrow_grid(picture, channels, curves, nodes, out, first, end):
    """As `narrow_matrix`, through a grid (N, N, N, 3) of wide numbers."""
    planes = np.empty((3, TILE), _F)
    for y in range(first, end):
        for x0 in range(0, picture.shape[1], TILE * channels):
            n = min(TILE, (picture.shape[1] - x0) // channels)
            _decode(picture[y, x0:], channels, n, curves, planes)
            _through(nodes, n, planes)
            _save(picture[y, x0:], channels, n, planes, out[y, x0:])


@_kept
def widen_grid(original, after, channels, curves, nodes, codes, out, first, end):
    """As `widen_matrix`, through a grid (N, N, N, 3) of wide numbers."""
    planes, shown, changed = np.empty((3, TILE), _F), np.empty((3, TILE), _F), np.empty((3, TILE), _F)
    moved = np.empty(TILE, np.uint8)
    start = np.empty((3, TILE), _F)
    for y in range(first, end):
        for x0 in range(0, original.shape[1], TILE * channels):
            n = min(TILE, (original.shape[1] - x0) // channels)
            _decode(original[y, x0:], channels, n, curves, start)
            planes[:] = start
            _through(nodes, n, planes)
            _load(after[y, x0:], channels, n, planes, shown, changed, moved)
            _restore_gamut(n, planes, shown, changed)
            _invert_grid(nodes, n, planes, changed, moved, start)
            _encode(original[y, x0:], channels, n, codes, start, moved, out[y, x0:])


@_part
def _wide(m, n, planes):
    """Light to wide numbers, in place."""
    rr, rg, rb, gr, gg, gb, br, bg, bb = m[0, 0], m[0, 1], m[0, 2], m[1, 0], m[1, 1], m[1, 2], m[2, 0], m[2, 1], m[2, 2]
    for x in range(n):
        r, g, b = planes[0, x], planes[1, x], planes[2, x]
        planes[0, x] = coded(rr * r + rg * g + rb * b)
        planes[1, x] = coded(gr * r + gg * g + gb * b)
        planes[2, x] = coded(br * r + bg * g + bb * b)


@_part
def _light(m, n, changed, planes):
    """Wide numbers to light, clipped to what the space holds."""
    rr, rg, rb, gr, gg, gb, br, bg, bb = m[0, 0], m[0, 1], m[0, 2], m[1, 0], m[1, 1], m[1, 2], m[2, 0], m[2, 1], m[2, 2]
    for x in range(n):
        r, g, b = light(changed[0, x]), light(changed[1, x]), light(changed[2, x])
        planes[0, x] = _clipped(rr * r + rg * g + rb * b)
        planes[1, x] = _clipped(gr * r + gg * g + gb * b)
        planes[2, x] = _clipped(br * r + bg * g + bb * b)


@_part
def _restore_gamut(n, wide, shown, changed):
    """Give the changed colours what the network was not shown: what the wide ones have beyond sRGB.

    That shrinks with the colour that the network takes away, measured along the colour that it saw: a leaf that is made
    grey or orange does not stay half green.
    """
    for x in range(n):
        r, g, b = shown[0, x], shown[1, x], shown[2, x]
        grey = (r + g + b) * _F(1 / 3)
        p, q, s = r - grey, g - grey, b - grey
        kept = p * changed[0, x] + q * changed[1, x] + s * changed[2, x]  # p + q + s is 0, so no mean need go off
        share = _clipped((kept + _F(1e-4)) / (p * p + q * q + s * s + _F(1e-4)))
        changed[0, x] += share * (wide[0, x] - r)
        changed[1, x] += share * (wide[1, x] - g)
        changed[2, x] += share * (wide[2, x] - b)


@_part
def _cell(position, size):
    """The cell of a grid in which a position from 0 to 1 lies, and how far in."""
    scaled = position * _F(size - 1)
    cell = min(int(scaled), size - 2)
    return cell, scaled - _F(cell)


@_part
def _through(nodes, n, planes):
    """Trilinear interpolation in a grid, in place."""
    size = nodes.shape[0]
    for x in range(n):
        i, u = _cell(planes[0, x], size)
        j, v = _cell(planes[1, x], size)
        k, w = _cell(planes[2, x], size)
        for c in range(3):
            near = (_F(1) - w) * nodes[i, j, k, c] + w * nodes[i, j, k + 1, c]
            far = (_F(1) - w) * nodes[i, j + 1, k, c] + w * nodes[i, j + 1, k + 1, c]
            left = (_F(1) - v) * near + v * far
            near = (_F(1) - w) * nodes[i + 1, j, k, c] + w * nodes[i + 1, j, k + 1, c]
            far = (_F(1) - w) * nodes[i + 1, j + 1, k, c] + w * nodes[i + 1, j + 1, k + 1, c]
            planes[c, x] = (_F(1) - u) * left + u * ((_F(1) - v) * near + v * far)


@_part
def _invert_grid(nodes, n, wide, aim, moved, start):
    """Move from the original to where the grid gives `aim`, or nearest to it, by Levenberg and Marquardt's steps.

    They set out from where the original would be if the device were like sRGB, and are held to it a little: where the
    grid is level, as where a table was clipped, many places would do, and neighbours shall not part.
    """
    size = nodes.shape[0]
    value, slope = np.empty(3, _F), np.empty((3, 3), _F)
    for x in range(n):
        if not moved[x]:
            continue
        p0 = p = _clipped(start[0, x] + aim[0, x] - wide[0, x])
        q0 = q = _clipped(start[1, x] + aim[1, x] - wide[1, x])
        s0 = s = _clipped(start[2, x] + aim[2, x] - wide[2, x])
        a, b, c = p, q, s
        best, damping = _F(np.inf), _F(1e-3)
        for _ in range(STEPS):
            _tangent(nodes, size, p, q, s, value, slope)
            d, e, f = aim[0, x] - value[0], aim[1, x] - value[1], aim[2, x] - value[2]
            off = d * d + e * e + f * f + _F(HOLD) * ((p0 - p) ** 2 + (q0 - q) ** 2 + (s0 - s) ** 2)
            if off < best:
                best, a, b, c = off, p, q, s
                damping *= _F(0.3)
            else:
                damping *= _F(10)
                _tangent(nodes, size, a, b, c, value, slope)
                d, e, f = aim[0, x] - value[0], aim[1, x] - value[1], aim[2, x] - value[2]
            p, q, s = _step(slope, damping, d, e, f, p0 - a, q0 - b, s0 - c)
            p, q, s = _clipped(a + p), _clipped(b + q), _clipped(c + s)
            if abs(p - a) + abs(q - b) + abs(s - c) < _F(1e-5):
                break
        start[0, x], start[1, x], start[2, x] = a, b, c


@_part
def _tangent(nodes, size, a, b, c, value, slope):
    """What the grid gives at a place, and how that changes along its three axes."""
    i, u = _cell(a, size)
    j, v = _cell(b, size)
    k, w = _cell(c, size)
    steps = _F(size - 1)
    for t in range(3):
        n00 = (_F(1) - w) * nodes[i, j, k, t] + w * nodes[i, j, k + 1, t]
        n01 = (_F(1) - w) * nodes[i, j + 1, k, t] + w * nodes[i, j + 1, k + 1, t]
        n10 = (_F(1) - w) * nodes[i + 1, j, k, t] + w * nodes[i + 1, j, k + 1, t]
        n11 = (_F(1) - w) * nodes[i + 1, j + 1, k, t] + w * nodes[i + 1, j + 1, k + 1, t]
        left, right = (_F(1) - v) * n00 + v * n01, (_F(1) - v) * n10 + v * n11
        value[t] = (_F(1) - u) * left + u * right
        slope[t, 0] = steps * (right - left)
        slope[t, 1] = steps * ((_F(1) - u) * (n01 - n00) + u * (n11 - n10))
        d00, d01 = nodes[i, j, k + 1, t] - nodes[i, j, k, t], nodes[i, j + 1, k + 1, t] - nodes[i, j + 1, k, t]
        d10 = nodes[i + 1, j, k + 1, t] - nodes[i + 1, j, k, t]
        d11 = nodes[i + 1, j + 1, k + 1, t] - nodes[i + 1, j + 1, k, t]
        slope[t, 2] = steps * ((_F(1) - u) * ((_F(1) - v) * d00 + v * d01) + u * ((_F(1) - v) * d10 + v * d11))


@_part
def _step(m, damping, d, e, f, u, v, w):
    """The damped least-squares solution of ``m step = (d, e, f)`` and, at a weight of `HOLD`, ``step = (u, v, w)``."""
    hold = _F(HOLD)
    xx = m[0, 0] * m[0, 0] + m[1, 0] * m[1, 0] + m[2, 0] * m[2, 0] + hold + damping
    yy = m[0, 1] * m[0, 1] + m[1, 1] * m[1, 1] + m[2, 1] * m[2, 1] + hold + damping
    zz = m[0, 2] * m[0, 2] + m[1, 2] * m[1, 2] + m[2, 2] * m[2, 2] + hold + damping
    xy = m[0, 0] * m[0, 1] + m[1, 0] * m[1, 1] + m[2, 0] * m[2, 1]
    xz = m[0, 0] * m[0, 2] + m[1, 0] * m[1, 2] + m[2, 0] * m[2, 2]
    yz = m[0, 1] * m[0, 2] + m[1, 1] * m[1, 2] + m[2, 1] * m[2, 2]
    px = m[0, 0] * d + m[1, 0] * e + m[2, 0] * f + hold * u
    py = m[0, 1] * d + m[1, 1] * e + m[2, 1] * f + hold * v
    pz = m[0, 2] * d + m[1, 2] * e + m[2, 2] * f + hold * w
    a, b, c = yy * zz - yz * yz, xz * yz - xy * zz, xy * yz - xz * yy
    g, h, i = xx * zz - xz * xz, xy * xz - xx * yz, xx * yy - xy * xy
    scale = _F(1) / (xx * a + xy * b + xz * c)  # which `hold` keeps above 0
    return scale * (a * px + b * py + c * pz), scale * (b * px + g * py + h * pz), scale * (c * px + h * py + i * pz)


@_part
def _decode(row, channels, n, curves, planes):
    """Samples to light, as planes."""
    if channels == 3:  # here and below: a stride that is constant lets the loop be vectorised
        for x in range(n):
            planes[0, x] = _looked_up(curves[0], row[_at(3 * x)])
            planes[1, x] = _looked_up(curves[1], row[_at(3 * x + 1)])
            planes[2, x] = _looked_up(curves[2], row[_at(3 * x + 2)])
    else:
        for x in range(n):
            planes[0, x] = _looked_up(curves[0], row[_at(4 * x)])
            planes[1, x] = _looked_up(curves[1], row[_at(4 * x + 1)])
            planes[2, x] = _looked_up(curves[2], row[_at(4 * x + 2)])


@_part
def _load(row, channels, n, wide, shown, changed, moved):
    """What the network was given, what it made of that, as numbers from 0 to 1, and where the two differ."""
    if channels == 3:
        for x in range(n):
            r, p = row[_at(3 * x)], _sample(_clipped(wide[0, x]), row)
            g, q = row[_at(3 * x + 1)], _sample(_clipped(wide[1, x]), row)
            b, s = row[_at(3 * x + 2)], _sample(_clipped(wide[2, x]), row)
            shown[0, x], shown[1, x], shown[2, x] = _number(p), _number(q), _number(s)
            changed[0, x], changed[1, x], changed[2, x] = _number(r), _number(g), _number(b)
            moved[x] = (r != p) | (g != q) | (b != s)
    else:
        for x in range(n):
            r, p = row[_at(4 * x)], _sample(_clipped(wide[0, x]), row)
            g, q = row[_at(4 * x + 1)], _sample(_clipped(wide[1, x]), row)
            b, s = row[_at(4 * x + 2)], _sample(_clipped(wide[2, x]), row)
            shown[0, x], shown[1, x], shown[2, x] = _number(p), _number(q), _number(s)
            changed[0, x], changed[1, x], changed[2, x] = _number(r), _number(g), _number(b)
            moved[x] = (r != p) | (g != q) | (b != s)


@_part
def _save(row, channels, n, planes, out):
    """Wide numbers as samples, clipped; alpha is the picture's."""
    if channels == 3:
        for x in range(n):
            out[_at(3 * x)] = _sample(_clipped(planes[0, x]), out)
            out[_at(3 * x + 1)] = _sample(_clipped(planes[1, x]), out)
            out[_at(3 * x + 2)] = _sample(_clipped(planes[2, x]), out)
    else:
        for x in range(n):
            out[_at(4 * x)] = _sample(_clipped(planes[0, x]), out)
            out[_at(4 * x + 1)] = _sample(_clipped(planes[1, x]), out)
            out[_at(4 * x + 2)] = _sample(_clipped(planes[2, x]), out)
            out[_at(4 * x + 3)] = _sample(_number(row[_at(4 * x + 3)]), out)


@_part
def _encode(original, channels, n, codes, planes, moved, out):
    """Light as samples where something has moved, else the original."""
    last = _F(codes.shape[1] - 2)
    for c in range(3):
        for x in range(n):
            planes[c, x] = np.sqrt(planes[c, x]) * last
        for x in range(n):
            place = planes[c, x]
            entry = np.int32(place)
            low, high = codes[c, _at(entry)], codes[c, _at(entry + 1)]
            planes[c, x] = low + (place - _F(entry)) * (high - low)
    if channels == 3:
        for x in range(n):
            r, g, b = _at(3 * x), _at(3 * x + 1), _at(3 * x + 2)
            out[r] = _sample(planes[0, x], out) if moved[x] else original[r]
            out[g] = _sample(planes[1, x], out) if moved[x] else original[g]
            out[b] = _sample(planes[2, x], out) if moved[x] else original[b]
    else:
        for x in range(n):
            r, g, b, alpha = _at(4 * x), _at(4 * x + 1), _at(4 * x + 2), _at(4 * x + 3)
            out[r] = _sample(planes[0, x], out) if moved[x] else original[r]
            out[g] = _sample(planes[1, x], out) if moved[x] else original[g]
            out[b] = _sample(planes[2, x], out) if moved[x] else original[b]
            out[alpha] = original[alpha]


def _looked_up(curve, sample):
    """The entry of a curve that belongs to a sample; between entries for floats."""


@overload(_looked_up, jit_options=_options)
def _looked_up_compiled(curve, sample):
    if isinstance(sample, numba.types.Integer):
        return lambda curve, sample: curve[_at(sample)]

    def between(curve, sample):
        place = _clipped(sample) * _F(len(curve) - 1)
        entry = min(int(place), len(curve) - 2)
        return curve[_at(entry)] + (place - _F(entry)) * (curve[_at(entry + 1)] - curve[_at(entry)])

    return between


def _number(sample):
    """A sample as a number from 0 to 1."""


@overload(_number, jit_options=_options)
def _number_compiled(sample):
    if sample == numba.uint8:
        return lambda sample: _F(sample) * _F(1 / 255)
    if sample == numba.uint16:
        return lambda sample: _F(sample) * _F(1 / 65535)
    return lambda sample: sample


def _sample(value, like):
    """A number from 0 to 1 as the row `like` stores it."""


@overload(_sample, jit_options=_options)
def _sample_compiled(value, like):
    if like.dtype == numba.uint8:
        return lambda value, like: np.uint8(np.int32(value * _F(255) + _F(0.5)))
    if like.dtype == numba.uint16:
        return lambda value, like: np.uint16(np.int32(value * _F(65535) + _F(0.5)))
    return lambda value, like: value
