# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator"
# ruff: noqa: ARG001, ARG005
"""The full-size levels on a CPU: compiled kernels that go row by row and keep what lies between in the cache.

A picture of whole numbers is read, and a result of whole numbers written; no full-size picture of floats is ever
there. Each kernel does a range of rows, releases the GIL, and is run on several ranges at once by
:mod:`lptn_retouch.engine.cpu`. How the mathematics follows from the network is said in
:mod:`lptn_retouch.engine.coarse`.

Conventions: a picture is (H, W * C) with C 3 or 4, uint8, uint16 or float32. A level is planar, (3, h, w), float32
or, for pictures of 8 bits, int16 in steps of 1 / `STEPS`. A row is worked on in tiles of `TILE` samples of its
coarser level, in a scratch whose rows lie `PITCH` apart: with distances that are constant, the compiler sees that rows
do not overlap, and vectorises. For the same reason loops are short and plain, and an index that is not plainly counted
up from nought is said to be unsigned (`_at`).

All of it is in one file since numba's cache on the disk looks at no other: a kernel whose helper had changed elsewhere
would be taken from it as it was.
"""

from typing import Any, NamedTuple

import numba
import numpy as np
from numba.extending import overload

from lptn_retouch.engine.taps import SPLINE

# Of a level in int16, for each unit of the picture's range: it reaches from -8 to 8, as levels of strong looks do at
# twice their strength, and rounds by an eighth of a thousandth, a thirtieth of an 8-bit step.
STEPS = 4096
TILE = 128  # coarse samples worked on at once; what they need stays in the first-level cache
PITCH = 2 * TILE + 32  # between rows of the scratch

# Rows of the scratch. Three each: the picture, the graded picture (of other levels: the level), the enlarged coarser
# level, the enlarged coarser result; and while one of these two is enlarged, it in y alone.
_X, _G, _U, _K, _V = 0, 3, 6, 9, 12
_LINE = 18 * PITCH  # the field's nine numbers at the coarse columns of a tile, `_ENTRY` apart
_ENTRY = TILE + 8  # where the field comes from the very next level, as many as the tile has and a few
_SCRATCH = _LINE + 9 * _ENTRY

_OPTIONS: Any = {"nogil": True, "fastmath": {"contract", "nsz", "arcp", "reassoc"}, "error_model": "numpy"}
_F = np.float32
_at = np.uintp  # of an index that is never negative: the compiler need not count it from the end, so it can vectorise
# A part of kernels, compiled into them and not called: in the process that compiles a kernel its parts lie about by
# themselves as well, compiled without knowing what calls them, and it would call those; one that takes the kernel from
# the cache would use other code, which multiplies and adds in another order.
_INLINED: Any = {"forceinline": True, **_OPTIONS}
_kernel = numba.njit(**_INLINED)


def _kept(function):
    """A kernel that is called from Python: compiled once for a machine, and kept in numba's cache on the disk."""
    try:
        return numba.njit(cache=True, **_OPTIONS)(function)
    except RuntimeError:  # no folder for a cache can be written to
        return _kernel(function)


@_kept
def average(picture, channels, scale, rows, columns, out, first, end):
    """Average a picture over rectangles; rows `first` to `end` of the result.

    Args: rows (h, 2) and columns (w, 2), from `taps.averaging`; out (3, h, w), in the picture's scale.
    """
    sums = np.empty(picture.shape[1], np.float32)
    for i in range(first, end):
        sums[:] = 0
        for y in range(rows[i, 0], rows[i, 1]):
            row = picture[y]
            for x in range(len(sums)):
                sums[x] += _F(row[x])
        for j in range(len(columns)):
            count = (rows[i, 1] - rows[i, 0]) * (columns[j, 1] - columns[j, 0])
            for c in range(3):
                total = 0.0
                for x in range(columns[j, 0], columns[j, 1]):
                    total += sums[channels * x + c]
                out[c, i, j] = total / count * scale


@_kept
def half_of_picture(picture, channels, scale, curve, rows, out, first, end):
    """Grade a picture and halve it; rows `first` to `end` of the half.

    Args: scale, the inverse of the picture's full range; curve (60,), see `_polynomial`; rows (h, 6), from
    `taps.halving`; out (3, h, w).
    """
    scratch = np.empty(_SCRATCH, np.float32)
    ring = np.empty((6, 3, out.shape[2]), np.float32)
    width = picture.shape[1] // channels
    for j in range(first, end):
        for k in range(0 if j == first else 4, 6):  # four of the six rows served the row before
            for x0 in range(0, out.shape[2], TILE):
                n = min(TILE, out.shape[2] - x0)
                left, right = max(2 * x0 - 2, 0), min(2 * (x0 + n) + 2, width)
                margin = left - (2 * x0 - 2)
                _load(picture, rows[j, k], channels, left, right - left, scale, scratch, margin)
                _grade(curve, right - left, scratch, margin)
                _half_row(scratch, x0, n, width, ring[(2 * j + k) % 6])
        _half_column(ring, j, out)


@_kept
def half(level, scale, rows, out, first, end):
    """Halve a level; rows `first` to `end` of the half. `scale` is the inverse of the level's steps."""
    scratch = np.empty(_SCRATCH, np.float32)
    ring = np.empty((6, 3, out.shape[2]), np.float32)
    width = level.shape[2]
    for j in range(first, end):
        for k in range(0 if j == first else 4, 6):
            for x0 in range(0, out.shape[2], TILE):
                n = min(TILE, out.shape[2] - x0)
                left, right = max(2 * x0 - 2, 0), min(2 * (x0 + n) + 2, width)
                _load_level(level, rows[j, k], left, right - left, scale, scratch, left - (2 * x0 - 2))
                _half_row(scratch, x0, n, width, ring[(2 * j + k) % 6])
        _half_column(ring, j, out)


class Below(NamedTuple):
    """What a level stands on: the next coarser level, (3, h, w), and the result there.

    Args: level, result; steps, the inverse of their steps; rows and weights (2h, 4), from `taps.enlarging`.
    """

    level: Any
    result: Any
    steps: Any
    rows: Any
    weights: Any


class Field(NamedTuple):
    """The 3x3 matrices that a high band is seen through.

    Args: matrices (9, h, w), column by column, on the coarsest level, its last row and column twice more; down and
    across, `taps.Spline` from there to the level where they are used; mask (3, H, W), added to their diagonal, or
    (0, 0, 0).
    """

    matrices: Any
    down: Any
    across: Any
    mask: Any


@_kept
def translate_picture(picture, channels, scale, curve, below, field, rest, where, out, first, end):
    """The finest level: what `translate_level` does, of a picture and into a picture; clipped.

    Args: picture, channels, scale, curve as for `half_of_picture`; below, field as for `translate_level`; rest, the
    share of the picture itself that is added; where (H, W), the share of the result that replaces the picture, or
    (0, 0); out as `picture`, or `picture` itself.
    """
    scratch = np.empty(_SCRATCH, np.float32)
    width = picture.shape[1] // channels
    height = picture.shape[0]
    for y in range(2 * first, min(2 * end, height)):
        for x0 in range(0, below.level.shape[2], TILE):
            n = min(TILE, below.level.shape[2] - x0)
            wide = min(2 * n, width - 2 * x0)
            _enlarge(below.level, below, y, x0, n, scratch, _U)
            _enlarge(below.result, below, y, x0, n, scratch, _K)
            _load(picture, y, channels, 2 * x0, wide, scale, scratch, 0)
            _grade(curve, wide, scratch, 0)
            _follow(field, y, 2 * x0, wide, scratch)
            if rest != 0:
                for c in range(3):
                    for x in range(wide):
                        scratch[(_K + c) * PITCH + x] += rest * scratch[(_X + c) * PITCH + x]
            _clip(wide, scratch)
            if where.shape[0] > 0:
                _blend(where, y, 2 * x0, wide, scratch)
            _save(scratch, channels, 2 * x0, wide, picture, out, y)


@_kept
def translate_level(fine, below, field, out, first, end):
    """Translate a high band and put it on the enlarged result; rows `2 first` to `2 end` of the level.

    The high band is ``fine - up(level)``; the new level is ``up(result) + field @ (fine - up(level))``.

    Args: fine (3, H, W); below, the level beneath it; field; out (3, H, W).
    """
    scratch = np.empty(_SCRATCH, np.float32)
    height, width = fine.shape[1:]
    for y in range(2 * first, min(2 * end, height)):
        for x0 in range(0, below.level.shape[2], TILE):
            n = min(TILE, below.level.shape[2] - x0)
            wide = min(2 * n, width - 2 * x0)
            _enlarge(below.level, below, y, x0, n, scratch, _U)
            _enlarge(below.result, below, y, x0, n, scratch, _K)
            _load_level(fine, y, 2 * x0, wide, below.steps, scratch, 0)
            _follow(field, y, 2 * x0, wide, scratch)
            for c in range(3):
                for x in range(wide):
                    out[c, y, _at(2 * x0 + x)] = _stored(scratch[(_K + c) * PITCH + x], out)


@_kernel
def _load(picture, y, channels, first, n, scale, scratch, at):
    """Pixels `first` to `first + n` of a picture's row, as planes of floats from `at` on."""
    r, g, b = _X * PITCH + at, (_X + 1) * PITCH + at, (_X + 2) * PITCH + at
    if channels == 3:
        base = 3 * first
        for x in range(n):
            scratch[_at(r + x)] = _F(picture[y, _at(base + 3 * x)]) * scale
            scratch[_at(g + x)] = _F(picture[y, _at(base + 3 * x + 1)]) * scale
            scratch[_at(b + x)] = _F(picture[y, _at(base + 3 * x + 2)]) * scale
    else:
        base = 4 * first
        for x in range(n):
            scratch[_at(r + x)] = _F(picture[y, _at(base + 4 * x)]) * scale
            scratch[_at(g + x)] = _F(picture[y, _at(base + 4 * x + 1)]) * scale
            scratch[_at(b + x)] = _F(picture[y, _at(base + 4 * x + 2)]) * scale


@_kernel
def _load_level(level, y, first, n, scale, scratch, at):
    for c in range(3):
        to = (_G + c) * PITCH + at
        for x in range(n):
            scratch[_at(to + x)] = _F(level[c, y, _at(first + x)]) * scale


@_kernel
def _grade(curve, n, scratch, at):
    """The global grade of `n` pixels."""
    for x in range(n):
        r = _F(2) * scratch[_at(_X * PITCH + at + x)] - _F(1)
        g = _F(2) * scratch[_at((_X + 1) * PITCH + at + x)] - _F(1)
        b = _F(2) * scratch[_at((_X + 2) * PITCH + at + x)] - _F(1)
        scratch[_at(_G * PITCH + at + x)] = _polynomial(curve, 0, r, g, b)
        scratch[_at((_G + 1) * PITCH + at + x)] = _polynomial(curve, 20, r, g, b)
        scratch[_at((_G + 2) * PITCH + at + x)] = _polynomial(curve, 40, r, g, b)


@_kernel
def _polynomial(k, o, r, g, b):
    """A cubic of three variables in Horner's form; the 20 coefficients from `o` on in the order of `cpu._HORNER`."""
    p0 = k[o] + b * (k[o + 1] + b * (k[o + 2] + b * k[o + 3]))
    p0 += g * (k[o + 4] + b * (k[o + 5] + b * k[o + 6]) + g * (k[o + 7] + b * k[o + 8] + g * k[o + 9]))
    p1 = k[o + 10] + b * (k[o + 11] + b * k[o + 12]) + g * (k[o + 13] + b * k[o + 14] + g * k[o + 15])
    p2 = k[o + 16] + b * k[o + 17] + g * k[o + 18]
    return p0 + r * (p1 + r * (p2 + r * k[o + 19]))


@_kernel
def _half_row(scratch, x0, n, width, halved):
    """Halve the graded row in x: `n` samples from x0 on, into `halved` (3, w)."""
    begin, end, even = 2 * x0 - 2, 2 * (x0 + n) + 2, width + width % 2
    for c in range(3):
        base = (_G + c) * PITCH
        for x in range(width, end):  # what lies outside is mirrored, after an odd row was completed by its last
            mirrored = abs(2 * (even - 1) - x) if x >= even else x
            scratch[base + x - begin] = scratch[base + min(mirrored, width - 1) - begin]
        if x0 == 0:
            scratch[base + 1] = scratch[base + 2 + min(1, width - 1)]
            scratch[base] = scratch[base + 2 + (2 if width > 2 else 0)]
        _halve(scratch[base : base + PITCH], halved[c, x0 : x0 + n])


@_kernel
def _halve(row, half):
    for x in range(len(half)):
        outer = row[2 * x] + row[2 * x + 5]
        middle = row[2 * x + 1] + row[2 * x + 4]
        inner = row[2 * x + 2] + row[2 * x + 3]
        half[x] = (outer + _F(5) * middle + _F(10) * inner) * _F(1 / 32)


@_kernel
def _double(half, row, n):
    for x in range(n):
        even = half[x] + _F(21) * half[x + 1] + _F(35) * half[x + 2] + _F(7) * half[x + 3]
        odd = _F(7) * half[x + 1] + _F(35) * half[x + 2] + _F(21) * half[x + 3] + half[x + 4]
        row[2 * x] = even * _F(1 / 64)
        row[2 * x + 1] = odd * _F(1 / 64)


@_kernel
def _half_column(ring, j, out):
    """Row j of the half, of the six rows in the ring."""
    r0, r1, r2 = (2 * j) % 6, (2 * j + 1) % 6, (2 * j + 2) % 6
    r3, r4, r5 = (2 * j + 3) % 6, (2 * j + 4) % 6, (2 * j + 5) % 6
    for c in range(3):
        for x in range(out.shape[2]):
            outer = ring[r0, c, x] + ring[r5, c, x]
            middle = ring[r1, c, x] + ring[r4, c, x]
            inner = ring[r2, c, x] + ring[r3, c, x]
            out[c, j, x] = _stored((outer + _F(5) * middle + _F(10) * inner) * _F(1 / 32), out)


@_kernel
def _enlarge(level, below, y, x0, n, scratch, to):
    """Row `y` of the enlarged level: 2 n samples from 2 x0 on, into three rows from `to` on."""
    width = level.shape[2]
    left, right = max(x0 - 2, 0), min(x0 + n + 2, width)
    a, b = below.weights[y, 0] * below.steps, below.weights[y, 1] * below.steps
    c, d = below.weights[y, 2] * below.steps, below.weights[y, 3] * below.steps
    y0, y1, y2, y3 = below.rows[y, 0], below.rows[y, 1], below.rows[y, 2], below.rows[y, 3]
    for channel in range(3):
        v = (_V + channel) * PITCH
        shift = v + left - (x0 - 2)
        for x in range(right - left):
            scratch[_at(shift + x)] = (
                a * _F(level[channel, y0, _at(left + x)])
                + b * _F(level[channel, y1, _at(left + x)])
                + c * _F(level[channel, y2, _at(left + x)])
                + d * _F(level[channel, y3, _at(left + x)])
            )
        for x in range(x0 - 2, left):
            scratch[v + x - (x0 - 2)] = scratch[v + 2]
        for x in range(right, x0 + n + 2):
            scratch[v + x - (x0 - 2)] = scratch[v + right - 1 - (x0 - 2)]
        u = (to + channel) * PITCH
        _double(scratch[v : v + PITCH], scratch[u : u + PITCH], n)
        if left == 0 and x0 == 0:  # the doubled picture is mirrored at its borders, so these two weigh otherwise
            p, q, r = scratch[v + 2], scratch[v + 3], scratch[v + 4]
            scratch[u] = (_F(50) * p + _F(14) * q) * _F(1 / 64)
            scratch[u + 1] = (_F(41) * p + _F(22) * q + r) * _F(1 / 64)
        if x0 + n == width:
            p, q, r = scratch[v + n + 1], scratch[v + n], scratch[v + n - 1]
            scratch[u + 2 * n - 1] = (_F(50) * p + _F(14) * q) * _F(1 / 64)
            if width > 1:
                scratch[u + 2 * n - 2] = (_F(41) * p + _F(22) * q + r) * _F(1 / 64)


@_kernel
def _follow(field, y, x0, n, scratch):
    """Add the high band of a row, seen through the field, to the enlarged result: `n` samples from x0 on."""
    _high(n, scratch)
    if field.mask.shape[0] > 0:
        for c in range(3):
            to, high = (_K + c) * PITCH, (_G + c) * PITCH
            for x in range(n):
                scratch[_at(to + x)] += field.mask[c, y, _at(x0 + x)] * scratch[_at(high + x)]
    across = field.across
    left = across.first[x0]
    _field_row(field.matrices, field.down, y, left, across.first[x0 + n - 1] - left + SPLINE, scratch)
    x = x0
    run = np.searchsorted(across.runs, x0, "right")
    while x < x0 + n:
        end = min(across.runs[run], x0 + n)
        _follow_run(across, across.first[x] - left, x, end, x - x0, scratch)
        x = end
        run += 1


@_kernel
def _high(n, scratch):
    """The high band, in place of the level."""
    for c in range(3):
        g, u = (_G + c) * PITCH, (_U + c) * PITCH
        for x in range(n):
            scratch[_at(g + x)] -= scratch[_at(u + x)]


@_kernel
def _field_row(matrices, down, y, left, n, scratch):
    """The field at a fine row, but still at `n` coarse columns from `left` on."""
    top = down.first[y]
    a, b, c = down.weights[0, y], down.weights[1, y], down.weights[2, y]
    for entry in range(9):
        for x in range(n):
            at = left + x
            total = a * matrices[entry, top, at] + b * matrices[entry, top + 1, at] + c * matrices[entry, top + 2, at]
            scratch[_at(_LINE + entry * _ENTRY + x)] = total


@_kernel
def _follow_run(across, first, begin, end, at, scratch):
    """`_follow` from column `begin` to `end`, where the same three coarse samples decide."""
    q = across.weights
    k0, k1, k2 = _K * PITCH + at, (_K + 1) * PITCH + at, (_K + 2) * PITCH + at
    for k in range(3):
        red = _LINE + 3 * k * _ENTRY + first
        green, blue = red + _ENTRY, red + 2 * _ENTRY
        r, g, b = scratch[red + 1], scratch[green + 1], scratch[blue + 1]
        r0, g0, b0 = scratch[red] - r, scratch[green] - g, scratch[blue] - b  # the weights add up to one, so the
        r2, g2, b2 = scratch[red + 2] - r, scratch[green + 2] - g, scratch[blue + 2] - b  # middle one is not needed
        high = (_G + k) * PITCH + at
        for x in range(end - begin):
            h = scratch[_at(high + x)]
            q0, q2 = q[0, _at(begin + x)], q[2, _at(begin + x)]
            scratch[_at(k0 + x)] += (r + r0 * q0 + r2 * q2) * h
            scratch[_at(k1 + x)] += (g + g0 * q0 + g2 * q2) * h
            scratch[_at(k2 + x)] += (b + b0 * q0 + b2 * q2) * h


@_kernel
def _clip(n, scratch):
    for c in range(3):
        at = (_K + c) * PITCH
        for x in range(n):
            scratch[at + x] = min(max(scratch[at + x], _F(0)), _F(1))


@_kernel
def _blend(where, y, x0, n, scratch):
    """Replace the picture by the result where the user's mask says so."""
    for c in range(3):
        for x in range(n):
            before = scratch[(_X + c) * PITCH + x]
            scratch[(_K + c) * PITCH + x] = before + where[y, _at(x0 + x)] * (scratch[(_K + c) * PITCH + x] - before)


@_kernel
def _save(scratch, channels, first, n, picture, out, y):
    """Results as pixels `first` to `first + n` of a row; alpha is the picture's."""
    if channels == 3:
        base = 3 * first
        for x in range(n):
            out[y, _at(base + 3 * x)] = _sample(scratch[_K * PITCH + x], out)
            out[y, _at(base + 3 * x + 1)] = _sample(scratch[(_K + 1) * PITCH + x], out)
            out[y, _at(base + 3 * x + 2)] = _sample(scratch[(_K + 2) * PITCH + x], out)
    else:
        base = 4 * first
        for x in range(n):
            out[y, _at(base + 4 * x)] = _sample(scratch[_K * PITCH + x], out)
            out[y, _at(base + 4 * x + 1)] = _sample(scratch[(_K + 1) * PITCH + x], out)
            out[y, _at(base + 4 * x + 2)] = _sample(scratch[(_K + 2) * PITCH + x], out)
            out[y, _at(base + 4 * x + 3)] = picture[y, _at(base + 4 * x + 3)]


def _stored(value, like):
    """A number as the level `like` stores it."""


@overload(_stored, jit_options=_INLINED)
def _stored_compiled(value, like):
    if like.dtype == numba.int16:
        return lambda value, like: np.int16(
            np.int32(min(max(value * _F(STEPS), _F(-32768)), _F(32767)) + _F(32768.5)) - 32768
        )
    return lambda value, like: value


def _sample(value, like):
    """A number in [0, 1] as the picture's row `like` stores it."""


@overload(_sample, jit_options=_INLINED)
def _sample_compiled(value, like):
    if like.dtype == numba.uint8:
        return lambda value, like: np.uint8(np.int32(value * _F(255) + _F(0.5)))
    if like.dtype == numba.uint16:
        return lambda value, like: np.uint16(np.int32(value * _F(65535) + _F(0.5)))
    return lambda value, like: value
