# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator"
# ruff: noqa: ARG001, ARG005
"""What a CPU does to a picture's full size, row by row, in compiled code: shrink it, and finish it.

A picture of whole numbers is read, and a result of whole numbers written; of all that lies between, no more than a few
rows are ever there. Each kernel does a range of rows, releases the GIL, and is run on several ranges at once by
:mod:`lptn_retouch.engine.cpu`. How the mathematics follows from the network is said there.

Conventions: a picture is (H, 3 W), uint8, uint16 or float32. A level is planar, (3, h, w), float32. A
row of a level stands in a line with `MARGIN` samples before and after it. Pixels are worked on in tiles of `TILE`, in a
scratch whose rows lie that far apart: with distances that are constant, the compiler sees that rows do not overlap, and
vectorises. For the same reason loops are short and plain, and an index that is not plainly counted up from nought is
said to be unsigned (`_at`).

What several kernels take is a tuple of its parts, since a class of ours would be looked for by numba's cache:

* rows, of a level that is enlarged: the level, (C, h, w); of each row that is made, the first that it is made of, (H,),
  and the weights of that one and those after it, (H, m), as :class:`lptn_retouch.engine.taps.Band` has them; the
  widths, from w to the finest, a doubling each; and the doubling's taps, `BLURRED` or `BILINEAR`.
* cells, 3x3 matrices on the low band, each sample of which is a cell of the picture's pixels: the matrices,
  (h + 2, (w + 2) * 9), column by column, the border once more around; and N, the pixels of a cell in each direction.
  Doubling by bilinear steps is Chaikin's corner cutting: however many there are, a pixel's matrix is that of its cell
  and of the two next to it, and pixel i of the N weighs the one before by ``(N - i) (N - i - 1) / 2 N^2`` and the one
  after by ``i (i + 1) / 2 N^2`` (Chaikin, "An Algorithm for High-Speed Curve Generation", 1974).

All of it is in one file since numba's cache on the disk looks at no other: a kernel whose helper had changed elsewhere
would be taken from it as it was.
"""

from typing import Any

import numba
import numpy as np
from numba.extending import overload

TILE = 256  # pixels worked on at once; what they need stays in the first-level cache
MARGIN = 4
_SPAN = 32  # pixels of a cell multiplied at once, where cells are as large

_X, _G, _K = 0, 3 * TILE, 6 * TILE  # in the scratch: the picture; the graded picture; the result
_SCRATCH = 9 * TILE

# What a doubled sample is made of: the four nearest; and at a border, from there on, the first and the second.
# `taps.enlarging` and `taps.doubling` are the same.
BLURRED = np.array([[1, 21, 35, 7], [50, 14, 0, 0], [41, 22, 1, 0]], np.float32) / np.float32(64)
BILINEAR = np.array([[0, 1, 3, 0], [4, 0, 0, 0], [3, 1, 0, 0]], np.float32) / np.float32(4)

_OPTIONS: Any = {"nogil": True, "fastmath": {"contract", "nsz", "arcp", "reassoc"}, "error_model": "numpy"}
_F = np.float32
_at = np.uintp  # of an index that is never negative: the compiler need not count it from the end, so it can vectorise
# A part of kernels, compiled into them and not called: in the process that compiles a kernel its parts lie about by
# themselves as well, compiled without knowing what calls them, and it would call those; one that takes the kernel from
# the cache would use other code, which multiplies and adds in another order.
_INLINED: Any = {"forceinline": True, **_OPTIONS}
inlined = numba.njit(**_INLINED)


def kept(function):
    """A kernel that is called from Python: compiled once for a machine, and kept in numba's cache on the disk."""
    try:
        return numba.njit(cache=True, **_OPTIONS)(function)
    except RuntimeError:  # no folder for a cache can be written to
        return inlined(function)


@kept
def shrink(picture, scale, pairs, widths, rows, out, first, end):
    """Halve a picture several times; rows `first` to `end` of what becomes of it.

    Six rows make one of the first half. That is halved on as often as is asked, and what is left of it is added,
    weighted, to the rows that it is part of.

    Args: scale, the inverse of the picture's full range; pairs (H', 6), the six rows for each of the half, from
    `taps.halved_rows`; widths, of the picture and after each halving; rows, of `taps.halvings` from the half on;
    out (3, h, w).
    """
    planes = len(out)
    sums = np.empty(picture.shape[1], np.float32)
    lines = np.empty((2, planes, widths[0] + 2 * MARGIN), np.float32)
    starts, weights = rows
    taps = weights.shape[1]
    out[:, first:end] = 0
    done = first  # rows of the result that are whole
    for y in range(starts[first], starts[end - 1] + taps):
        r = pairs[y]
        _halve_rows(picture[r[0]], picture[r[1]], picture[r[2]], picture[r[3]], picture[r[4]], picture[r[5]], sums)
        _split(sums, widths[0], lines[0])
        here = 0
        for step in range(len(widths) - 1):
            for c in range(planes):
                _halve(lines[here, c], widths[step], lines[1 - here, c])
            here = 1 - here
        while starts[done] + taps <= y:
            done += 1
        j = done
        while j < end and starts[j] <= y:
            for c in range(planes):
                _add(scale * weights[j, y - starts[j]], lines[here, c, MARGIN : MARGIN + out.shape[2]], out[c, j])
            j += 1


@kept
def grade(level, curves, out, first, end):
    """Grade a level; rows `first` to `end`. Args: curves (3, 20), see `_grade`; out (3, h, w), or the level itself."""
    scratch = np.empty(_SCRATCH, np.float32)
    for y in range(first, end):
        for x0 in range(0, level.shape[2], TILE):
            n = min(TILE, level.shape[2] - x0)
            for c in range(len(level)):
                for x in range(n):
                    scratch[_at(_X + c * TILE + x)] = _F(2) * level[c, y, _at(x0 + x)] - _F(1)
            _grade(curves, n, scratch)
            for c in range(len(level)):
                for x in range(n):
                    out[c, y, _at(x0 + x)] = scratch[_at(_G + c * TILE + x)]


@kept
def halve(level, rows, out, first, end):
    """Halve a level; rows `first` to `end` of the half. Args: rows, of `taps.halving`; out (3, h, w)."""
    starts, weights = rows
    width = level.shape[2]
    lines = np.empty((2, width + 2 * MARGIN), np.float32)
    out[:, first:end] = 0
    for j in range(first, end):
        for c in range(len(out)):
            lines[0] = 0
            for tap in range(weights.shape[1]):
                _add(weights[j, tap], level[c, starts[j] + tap], lines[0, MARGIN:])
            _halve(lines[0], width, lines[1])
            _add(_F(1), lines[1, MARGIN : MARGIN + out.shape[2]], out[c, j])


@kept
def translate(fine, rows, last, out, first, end):
    """Translate a high band and put it on the enlarged result: ``up(result) + (field + mask) (fine - up(coarse))``.

    Args: fine (3, H, W), a level; rows, four times: of the level beneath it, of the result there, of the mask, and of
    the field, nine numbers, column by column; last, whether ``field fine`` is taken off: what is left is no result but
    the change that the field does not make; out (3, H, W).
    """
    planes = len(out)
    lines = np.empty((len(rows), 2, 3 * planes, rows[3][3][-1] + 2 * MARGIN), np.float32)  # the field's are the longest
    whole = _F(0) if last else _F(1)
    for y in range(first, end):
        for i in range(len(rows)):
            _enlarge(rows[i], y, lines[i])
        below, above, mask, field = (
            lines[0, 1],
            lines[1, 1],
            lines[2, (len(rows[2][3]) - 1) % 2],
            lines[3, (len(rows[3][3]) - 1) % 2],
        )
        for c in range(planes):
            _add_high(whole, fine[c, y], mask[c], below[c], above[c])
        for c in range(planes):
            _multiply_line(field, below, above[c], c, out[c, y])


@kept
def finish(picture, scale, curves, change, cells, rest, where, out, first, end):
    """Grade a picture, multiply, add: rows `first` to `end` of the result.

    Args: picture, scale, as for `shrink`; curves (3, 20), see `_grade`; change, rows of what is enlarged and added;
    cells; rest, the share of the picture itself that is added; where (H, W), the share of the result that replaces the
    picture, or (0, 0); out as `picture`, or `picture` itself.
    """
    planes, width = len(curves), picture.shape[1] // 3
    scratch = np.empty(_SCRATCH, np.float32)
    lines = np.empty((2, planes, width + 2 * MARGIN), np.float32)
    matrices = np.empty(cells[0].shape[1], np.float32)
    powers = np.empty((3, len(matrices) - 18), np.float32)
    starts, weights = change[1], change[2]
    across = np.empty((3, planes, width), np.float32)  # rows of the change, enlarged across; row j in place j % 3
    made = starts[first]
    for y in range(first, end):
        while made < starts[y] + 3:
            _enlarge_across(change, made, lines, across[made % 3])
            made += 1
        _row_of_cells(cells, y, matrices, powers)
        for x0 in range(0, width, TILE):
            n = min(TILE, width - x0)
            _load(picture, y, x0, n, _F(2) * scale, _F(-1), scratch)
            _grade(curves, n, scratch)
            a, b, c = across[starts[y] % 3], across[(starts[y] + 1) % 3], across[(starts[y] + 2) % 3]
            for plane in range(planes):
                _sum_up(a[plane], b[plane], c[plane], weights[y], x0, n, scratch, _K + plane * TILE)
            if cells[1] % _SPAN == 0:
                _multiply(powers, cells[1], x0, n, planes, _SPAN, scratch)  # a constant: a loop without loose ends
            else:
                _multiply(powers, cells[1], x0, n, planes, min(cells[1], TILE), scratch)
            if rest != 0 or where.shape[0] > 0:
                _load(picture, y, x0, n, scale, _F(0), scratch)
                _add(rest, scratch[_X : _X + 3 * TILE], scratch[_K:])
            if where.shape[0] > 0:
                _blend(where, y, x0, n, planes, scratch)
            _save(scratch, x0, n, out, y)


@inlined
def _sum_up(a, b, c, weights, x0, n, scratch, to):
    """Three rows, weighted, `n` samples from x0 on."""
    p, q, r = weights[0], weights[1], weights[2]
    for x in range(n):
        scratch[_at(to + x)] = p * a[_at(x0 + x)] + q * b[_at(x0 + x)] + r * c[_at(x0 + x)]


@inlined
def _halve_rows(a, b, c, d, e, f, out):
    """Thirty-two times the half of six rows."""
    for x in range(len(out)):
        out[x] = _F(a[x]) + _F(f[x]) + _F(5) * (_F(b[x]) + _F(e[x])) + _F(10) * (_F(c[x]) + _F(d[x]))


@inlined
def _split(row, n, lines):
    """The planes of a row of `n` pixels."""
    for x in range(n):
        lines[0, _at(MARGIN + x)] = row[_at(3 * x)]
        lines[1, _at(MARGIN + x)] = row[_at(3 * x + 1)]
        lines[2, _at(MARGIN + x)] = row[_at(3 * x + 2)]


@inlined
def _load(picture, y, first, n, scale, offset, scratch):
    """Pixels `first` to `first + n` of a picture's row, scaled and offset, as planes of floats."""
    for x in range(n):
        scratch[_at(_X + x)] = _F(picture[y, _at(3 * first + 3 * x)]) * scale + offset
        scratch[_at(_X + TILE + x)] = _F(picture[y, _at(3 * first + 3 * x + 1)]) * scale + offset
        scratch[_at(_X + 2 * TILE + x)] = _F(picture[y, _at(3 * first + 3 * x + 2)]) * scale + offset


@inlined
def _grade(curves, n, scratch):
    """The global grade of `n` pixels from -1 to 1: cubics in Horner's form, in the order of `cpu._HORNER`."""
    for c in range(len(curves)):
        k, to = curves[c], _G + c * TILE
        for x in range(n):
            r, g, b = scratch[_at(_X + x)], scratch[_at(_X + TILE + x)], scratch[_at(_X + 2 * TILE + x)]
            p0 = k[0] + b * (k[1] + b * (k[2] + b * k[3]))
            p0 += g * (k[4] + b * (k[5] + b * k[6]) + g * (k[7] + b * k[8] + g * k[9]))
            p1 = k[10] + b * (k[11] + b * k[12]) + g * (k[13] + b * k[14] + g * k[15])
            p2 = k[16] + b * k[17] + g * k[18]
            scratch[_at(to + x)] = p0 + r * (p1 + r * (p2 + r * k[19]))


@inlined
def _halve(line, n, half):
    """Halve a line of `n` samples: an odd one is completed by its last, then what lies outside is mirrored."""
    end = n + n % 2
    line[MARGIN + end - 1] = line[MARGIN + n - 1]
    for x in range(2):
        line[MARGIN + end + x] = line[MARGIN + max(end - 2 - x, 0)]
        line[MARGIN - 1 - x] = line[MARGIN + min(1 + x, end - 1)]
    for x in range(end // 2):
        outer = line[_at(2 * x + MARGIN - 2)] + line[_at(2 * x + MARGIN + 3)]
        middle = line[_at(2 * x + MARGIN - 1)] + line[_at(2 * x + MARGIN + 2)]
        inner = line[_at(2 * x + MARGIN)] + line[_at(2 * x + MARGIN + 1)]
        half[_at(MARGIN + x)] = (outer + _F(5) * middle + _F(10) * inner) * _F(1 / 32)


@inlined
def _enlarge(rows, y, lines):
    """Row `y` of an enlarged level, in two sets of lines (2, C, w) by turns; at the end in the last doubling's."""
    level, first, weights, widths, taps = rows
    for c in range(len(level)):
        lines[0, c, MARGIN : MARGIN + widths[0]] = 0
        for tap in range(weights.shape[1]):
            _add(weights[y, tap], level[c, first[y] + tap], lines[0, c, MARGIN:])
    for step in range(len(widths) - 1):
        for c in range(len(level)):
            _double(lines[step % 2, c], widths[step], taps, lines[1 - step % 2, c])


@inlined
def _enlarge_across(rows, j, lines, out):
    """Row `j` of a level, enlarged across its columns alone: (C, W)."""
    level, widths, taps = rows[0], rows[3], rows[4]
    for c in range(len(level)):
        lines[0, c, MARGIN : MARGIN + widths[0]] = level[c, min(j, level.shape[1] - 1)]
        for step in range(len(widths) - 1):
            _double(lines[step % 2, c], widths[step], taps, lines[1 - step % 2, c])
        out[c] = lines[(len(widths) - 1) % 2, c, MARGIN : MARGIN + out.shape[1]]


@inlined
def _double(line, n, taps, doubled):
    """Double a line of `n` samples."""
    for x in range(2):
        line[MARGIN - 1 - x] = line[MARGIN]
        line[MARGIN + n + x] = line[MARGIN + n - 1]
    t, u, v, w = taps[0, 0], taps[0, 1], taps[0, 2], taps[0, 3]
    for x in range(n):
        a, b, c = line[_at(MARGIN - 2 + x)], line[_at(MARGIN - 1 + x)], line[_at(MARGIN + x)]
        d, e = line[_at(MARGIN + 1 + x)], line[_at(MARGIN + 2 + x)]
        doubled[_at(MARGIN + 2 * x)] = t * a + u * b + v * c + w * d
        doubled[_at(MARGIN + 2 * x + 1)] = w * b + v * c + u * d + t * e
    for end in range(2):  # the two samples at a border, and at the other
        inward = 1 - 2 * end
        border = MARGIN + end * (n - 1)
        p, q, r = line[border], line[border + inward * (n > 1)], line[border + inward * ((n > 1) + (n > 2))]
        for x in range(2 if n > 1 else 1 - end):
            at = MARGIN + end * (2 * n - 1) + inward * x
            doubled[at] = taps[1 + x, 0] * p + taps[1 + x, 1] * q + taps[1 + x, 2] * r


@inlined
def _add(weight, row, to):
    for x in range(len(row)):
        to[x] += weight * row[x]


@inlined
def _row_of_cells(cells, y, matrices, powers):
    """The matrices at a row of the picture, for each cell as polynomials of a pixel's place in it: (3, w * 9)."""
    of_cells, size = cells
    cell, place = y // size, y % size
    before = _F((size - place) * (size - place - 1) / (2 * size * size))
    after = _F(place * (place + 1) / (2 * size * size))
    matrices[:] = 0
    _add(before, of_cells[cell], matrices)
    _add(_F(1) - before - after, of_cells[cell + 1], matrices)
    _add(after, of_cells[cell + 2], matrices)
    step = _F(1) / _F(size)
    constant, linear, square = powers[0], powers[1], powers[2]
    for i in range(len(constant)):
        own = matrices[_at(i + 9)]
        left, right = matrices[_at(i)] - own, matrices[_at(i + 18)] - own
        bend = _F(0.5) * step * step * (left + right)
        constant[i] = own + _F(0.5) * (_F(1) - step) * left
        linear[i] = bend - step * left
        square[i] = bend


@inlined
def _multiply(powers, size, x0, n, planes, span, scratch):
    """Add the matrices times the graded picture, `n` pixels from x0 on and in spans of a cell, to the result."""
    p, q, s = powers[0], powers[1], powers[2]
    for x in range(0, n, span):
        cell = (x0 + x) // size
        first = _F(x0 + x - cell * size)
        for c in range(planes):
            r, g, b = _at(9 * cell + c), _at(9 * cell + 3 + c), _at(9 * cell + 6 + c)
            r0, r1, r2, g0, g1, g2, b0, b1, b2 = p[r], q[r], s[r], p[g], q[g], s[g], p[b], q[b], s[b]
            red, green, blue, to = _G + x, _G + TILE + x, _G + 2 * TILE + x, _K + c * TILE + x
            for i in range(span):
                t = first + _F(np.int32(i))
                scratch[_at(to + i)] += (
                    (r0 + t * (r1 + t * r2)) * scratch[_at(red + i)]
                    + (g0 + t * (g1 + t * g2)) * scratch[_at(green + i)]
                    + (b0 + t * (b1 + t * b2)) * scratch[_at(blue + i)]
                )


@inlined
def _add_high(whole, fine, by, below, to):
    """Add a high band's product with the mask; and make of `below` the high band, or without the whole its rest."""
    for x in range(len(fine)):
        at = _at(MARGIN + x)
        to[at] += by[at] * (fine[x] - below[at])
        below[at] = whole * fine[x] - below[at]


@inlined
def _multiply_line(matrices, colours, added, c, out):
    """One of the three colours that matrices make of others, added to what is there."""
    red, green, blue = matrices[c], matrices[c + 3], matrices[c + 6]
    r, g, b = colours[0], colours[1], colours[2]
    for x in range(len(out)):
        at = _at(MARGIN + x)
        out[x] = added[at] + red[at] * r[at] + green[at] * g[at] + blue[at] * b[at]


@inlined
def _clipped(value):
    value = value if value > 0 else _F(0)
    return value if value < 1 else _F(1)


@inlined
def _blend(where, y, x0, n, planes, scratch):
    """Replace the picture by the result where the user's mask says so."""
    for c in range(planes):
        own, to = _X + c * TILE, _K + c * TILE
        for x in range(n):
            share, before, after = where[y, _at(x0 + x)], scratch[_at(own + x)], _clipped(scratch[_at(to + x)])
            scratch[_at(to + x)] = before + share * (after - before) if share < 1 else after


@inlined
def _save(scratch, first, n, out, y):
    """Results, clipped, as pixels `first` to `first + n` of a row."""
    for x in range(n):
        out[y, _at(3 * first + 3 * x)] = _sample(_clipped(scratch[_K + x]), out)
        out[y, _at(3 * first + 3 * x + 1)] = _sample(_clipped(scratch[_K + TILE + x]), out)
        out[y, _at(3 * first + 3 * x + 2)] = _sample(_clipped(scratch[_K + 2 * TILE + x]), out)


def _sample(value, like):
    """A number in [0, 1] as the picture's row `like` stores it."""


@overload(_sample, jit_options=_INLINED)
def _sample_compiled(value, like):
    if like.dtype == numba.uint8:
        return lambda value, like: np.uint8(np.int32(value * _F(255) + _F(0.5)))
    if like.dtype == numba.uint16:
        return lambda value, like: np.uint16(np.int32(value * _F(65535) + _F(0.5)))
    return lambda value, like: value
