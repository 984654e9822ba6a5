# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, import-untyped, import-not-found"
"""The full-size levels on a GPU: three kernels in Triton, for what :mod:`lptn_retouch.engine.kernels` does on a CPU.

A picture of whole numbers is read, and a result of whole numbers written; no full-size picture of floats is ever
there. How the mathematics follows from the network is said in :mod:`lptn_retouch.engine.coarse`.

Conventions: a picture is (H, W, C) with C 3 or 4, uint8, uint16 or float32. A level is planar, (3, h, w), of floats;
the kernels tell it from a picture by ``channels == 0``. They compute in float32. Indices that lie outside a level are
brought back inside before anything is loaded, so only a store needs a mask. Offsets are int64 from the row on: a large
picture has more samples than an int32 can count. Integers are not specialised, so a new size compiles nothing.
"""

from typing import NamedTuple

import triton
import triton.language as tl
from torch import Tensor

# What one program does.
_SAMPLES = 1024  # of a picture's row, to average
_STRIPS, _STRIP, _COLUMNS = 1, 16, 128  # of a half: strips, of so many rows each, and columns
_QUADS = 256  # samples of a coarser level, each of which makes 2x2 of the level to translate
_WIDE = 32  # of them side by side, at most; a warp then reads whole lines of the cache
_CELL = 16  # from this size on, a tile is made to lie in one cell of the field
_QUADS_PER_WARP = 32  # a thread has one: with two it runs out of registers

_FUSED = {"enable_fp_fusion": True}  # a * b + c in one instruction

_SIZES = ["height", "width", "below_height", "below_width", "field_height", "field_width", "cell"]
_jit = triton.jit(do_not_specialize=_SIZES)


class Below(NamedTuple):
    """What a level stands on: the next coarser level, (3, h, w), and the result there.

    Args:
        level, result: on the coarser level.
        down, across: the weights of enlarging, (h, 2, 5) and (w, 2, 5), from
            :func:`lptn_retouch.engine.gpu_workspace.doubling`.
    """

    level: Tensor
    result: Tensor
    down: Tensor
    across: Tensor


class Field(NamedTuple):
    """The 3x3 matrices that a high band is seen through.

    Args:
        matrices: (9, h, w), column by column, on the coarsest level.
        down, across: weights (3, H) and (3, W) of the sample in whose cell one of the level lies, and of its two
            neighbours, from :func:`lptn_retouch.engine.gpu_workspace.in_cells`.
        cell: samples of the level, in each direction, to one of the coarsest level: a power of two.
        mask: (3, H, W), added to their diagonal, or None.
    """

    matrices: Tensor
    down: Tensor
    across: Tensor
    cell: int
    mask: Tensor | None


def average_rows(picture: Tensor, out: Tensor) -> None:
    """Average a picture over the rows that torch's adaptive average pooling takes for each row of a thumbnail.

    Args:
        picture: (H, W, C).
        out: (3, n, W), in [0, 1].
    """
    height, width, channels = picture.shape
    bins = out.shape[1]
    grid = (triton.cdiv(width * channels, _SAMPLES), bins)
    _average_rows[grid](picture, out, height, width, channels, bins, _SAMPLES, **_FUSED)


def halve(fine: Tensor, curve: Tensor | None, out: Tensor) -> None:
    """Halve a level; or grade a picture and halve it.

    Args:
        fine: a level, (3, H, W), or a picture, (H, W, C).
        curve: the coefficients of a picture's grade, (3, 20); None for a level.
        out: (3, ceil(H / 2), ceil(W / 2)).
    """
    height, width, channels = _shape(fine, curve)
    rows, columns = out.shape[1:]
    grid = (triton.cdiv(columns, _COLUMNS), triton.cdiv(rows, _STRIPS * _STRIP))
    curve = fine if curve is None else curve
    _halve[grid](fine, curve, out, height, width, rows, columns, channels, _STRIPS, _STRIP, _COLUMNS, **_FUSED)


def translate(
    fine: Tensor, curve: Tensor | None, below: Below, field: Field, rest: float, where: Tensor | None, out: Tensor
) -> None:
    """Translate a high band and put it on the enlarged result: ``up(result) + field @ (fine - up(level))``.

    A picture is graded first; `rest` times the picture itself is added, and the sum is clipped.

    Args:
        fine, curve: as for :func:`halve`.
        below: the level beneath it.
        field: its matrices.
        rest: the share of the picture itself that is added; not of a level.
        where: (H, W), float32, the share of the result that replaces the picture; None for all. Not for a level.
        out: as `fine`; a picture, not a level, may be translated in place.
    """
    height, width, channels = _shape(fine, curve)
    rows, columns = below.level.shape[1:]
    one_cell = field.cell >= _CELL
    side = field.cell // 2 if one_cell else _QUADS
    wide = min(_WIDE, side)
    high = min(_QUADS // wide, side)
    grid = (triton.cdiv(columns, wide), triton.cdiv(rows, high))
    _translate[grid](
        fine,
        fine if curve is None else curve,
        *below,
        *field[:3],
        fine if field.mask is None else field.mask,
        float(rest),  # whole numbers would be compiled for anew
        fine if where is None else where,
        out,
        *(height, width, rows, columns, *field.matrices.shape[1:], field.cell),
        *(channels, one_cell, field.mask is not None, where is not None, high, wide),
        num_warps=max(1, high * wide // _QUADS_PER_WARP),
        **_FUSED,
    )


def _shape(fine: Tensor, curve: Tensor | None) -> tuple[int, int, int]:
    """Height, width and channels; 0 channels for a level."""
    if curve is None:
        return fine.shape[1], fine.shape[2], 0
    return fine.shape[0], fine.shape[1], fine.shape[2]


@_jit
def _average_rows(picture, out, height, width, channels: tl.constexpr, bins: tl.constexpr, samples: tl.constexpr):
    at = tl.program_id(0) * samples + tl.arange(0, samples)
    row = tl.program_id(1)
    inside = at < width * channels
    first, end = row * height // bins, ((row + 1) * height + bins - 1) // bins
    line = picture + first.to(tl.int64) * (width * channels)
    total = tl.full([samples], 0, tl.float32)
    for _ in range(first, end):
        total += _unit(tl.load(line + at, mask=inside, other=0))
        line += width * channels
    channel = at % channels
    to = out + (channel * bins + row).to(tl.int64) * width + at // channels
    tl.store(to, total / (end - first).to(tl.float32), mask=inside & (channel < 3))


@_jit
def _halve(
    fine,
    curve,
    out,
    height,
    width,
    below_height,
    below_width,
    channels: tl.constexpr,
    strips: tl.constexpr,
    strip: tl.constexpr,
    columns: tl.constexpr,
):
    x = tl.program_id(0) * columns + tl.arange(0, columns)[None, :]
    top = (tl.program_id(1) * strips + tl.arange(0, strips)[:, None]) * strip
    pitch = below_width.to(tl.int64)
    plane = below_height * pitch
    # A pair of rows goes into three rows of the half: above its own with weights [5 1], its own, [10 10], and below
    # it, [1 5]. So two rows are under way: `above`, which this pair completes, and `own`.
    nothing = tl.full([strips, columns], 0, tl.float32)
    above_r, above_g, above_b = nothing, nothing, nothing
    own_r, own_g, own_b = nothing, nothing, nothing
    for step in range(strip + 2):
        pair = top + (step - 1)
        r0, g0, b0 = _halve_row(fine, curve, 2 * pair, x, height, width, channels)
        r1, g1, b1 = _halve_row(fine, curve, 2 * pair + 1, x, height, width, channels)
        complete = (x < below_width) & (pair > top) & (pair <= below_height)
        to = out + (pair - 1) * pitch + x
        tl.store(to, above_r + (5 * r0 + r1), mask=complete)
        tl.store(to + plane, above_g + (5 * g0 + g1), mask=complete)
        tl.store(to + 2 * plane, above_b + (5 * b0 + b1), mask=complete)
        above_r, above_g, above_b = own_r + 10 * (r0 + r1), own_g + 10 * (g0 + g1), own_b + 10 * (b0 + b1)
        own_r, own_g, own_b = r0 + 5 * r1, g0 + 5 * g1, b0 + 5 * b1


@_jit
def _halve_row(fine, curve, y, x, height, width, channels: tl.constexpr):
    """A row halved in x alone, at the half's columns `x`; divided by 32 for the other direction as well."""
    row = _mirrored(y, height)
    r, g, b = 0.0, 0.0, 0.0
    for k in tl.static_range(6):
        fine_r, fine_g, fine_b = _load(fine, curve, row, _mirrored(2 * x + (k - 2), width), height, width, channels)
        tap = (10 if k == 2 or k == 3 else (5 if k == 1 or k == 4 else 1)) / 1024
        r += tap * fine_r
        g += tap * fine_g
        b += tap * fine_b
    return r, g, b


@_jit
def _mirrored(at, size):
    """Where a sample comes from that may lie outside: an odd size is completed by its last, then mirrored."""
    last = size + size % 2 - 1
    at = tl.abs(at)
    at = tl.where(at > last, tl.abs(2 * last - at), at)
    return tl.minimum(at, size - 1)


@_jit
def _load(fine, curve, y, x, height, width, channels: tl.constexpr):
    """Red, green and blue: of a level, or of a picture and graded."""
    at = y.to(tl.int64) * width + x
    if channels == 0:
        plane = height.to(tl.int64) * width
        r = tl.load(fine + at).to(tl.float32)
        g = tl.load(fine + plane + at).to(tl.float32)
        b = tl.load(fine + 2 * plane + at).to(tl.float32)
    else:
        r = _unit(tl.load(fine + at * channels))
        g = _unit(tl.load(fine + at * channels + 1))
        b = _unit(tl.load(fine + at * channels + 2))
        red, green, blue = 2 * r - 1, 2 * g - 1, 2 * b - 1
        r += _polynomial(curve, red, green, blue)
        g += _polynomial(curve + 20, red, green, blue)
        b += _polynomial(curve + 40, red, green, blue)
    return r, g, b


@_jit
def _polynomial(k, r, g, b):
    """A cubic of the terms of `cubic_terms` in Horner's form: powers of blue in those of green in those of red."""
    p0 = tl.load(k) + b * (tl.load(k + 3) + b * (tl.load(k + 6) + b * tl.load(k + 12)))
    p0 += g * (tl.load(k + 2) + b * (tl.load(k + 8) + b * tl.load(k + 18)))
    p0 += g * g * (tl.load(k + 5) + b * tl.load(k + 16) + g * tl.load(k + 11))
    p1 = tl.load(k + 1) + b * (tl.load(k + 9) + b * tl.load(k + 17))
    p1 += g * (tl.load(k + 7) + b * tl.load(k + 19) + g * tl.load(k + 15))
    p2 = tl.load(k + 4) + b * tl.load(k + 14) + g * tl.load(k + 13)
    return p0 + r * (p1 + r * (p2 + r * tl.load(k + 10)))


@_jit
def _unit(sample):
    """A picture's samples as floats in [0, 1]."""
    value = sample.to(tl.float32)
    if sample.dtype == tl.uint8:
        value *= 1 / 255
    elif sample.dtype == tl.uint16:
        value *= 1 / 65535
    return value


@_jit
def _translate(
    fine,
    curve,
    level,
    result,
    down,
    across,
    field,
    field_down,
    field_across,
    mask,
    rest,
    where,
    out,
    height,
    width,
    below_height,
    below_width,
    field_height,
    field_width,
    cell,
    channels: tl.constexpr,
    one_cell: tl.constexpr,
    masked: tl.constexpr,
    partly: tl.constexpr,
    high: tl.constexpr,
    wide: tl.constexpr,
):
    top, left = tl.program_id(1) * high, tl.program_id(0) * wide
    y = 2 * top + tl.arange(0, 2 * high)[:, None]
    x = 2 * left + tl.arange(0, 2 * wide)[None, :]
    inside = (y < height) & (x < width)
    y, x = tl.minimum(y, height - 1), tl.minimum(x, width - 1)
    at = y.to(tl.int64) * width + x
    h0, h1, h2 = _load(fine, curve, y, x, height, width, channels)
    below = below_height.to(tl.int64) * below_width
    h0 -= _enlarge(level, down, across, top, left, below_height, below_width, high, wide)
    h1 -= _enlarge(level + below, down, across, top, left, below_height, below_width, high, wide)
    h2 -= _enlarge(level + 2 * below, down, across, top, left, below_height, below_width, high, wide)
    k0 = _enlarge(result, down, across, top, left, below_height, below_width, high, wide)
    k1 = _enlarge(result + below, down, across, top, left, below_height, below_width, high, wide)
    k2 = _enlarge(result + 2 * below, down, across, top, left, below_height, below_width, high, wide)
    plane = height.to(tl.int64) * width
    if masked:
        k0 += h0 * tl.load(mask + at)
        k1 += h1 * tl.load(mask + plane + at)
        k2 += h2 * tl.load(mask + 2 * plane + at)
    if one_cell:  # so what is loaded serves the whole tile
        i, j = 2 * top // cell, 2 * left // cell
    else:
        i, j = y // cell, x // cell
    to_y, to_x = field_down + y, field_across + x
    numbers = field_height * field_width
    for column in tl.static_range(3):
        h = h0 if column == 0 else (h1 if column == 1 else h2)
        red = field + 3 * column * numbers
        k0 += h * _in_cell(red, to_y, to_x, i, j, height, width, field_height, field_width)
        k1 += h * _in_cell(red + numbers, to_y, to_x, i, j, height, width, field_height, field_width)
        k2 += h * _in_cell(red + 2 * numbers, to_y, to_x, i, j, height, width, field_height, field_width)
    if channels == 0:
        tl.store(out + at, k0, mask=inside)
        tl.store(out + plane + at, k1, mask=inside)
        tl.store(out + 2 * plane + at, k2, mask=inside)
    else:
        weight = tl.load(where + at) if partly else 1.0
        pixel = fine + at * channels
        k0 = _sample(k0, tl.load(pixel), rest, weight, partly)
        k1 = _sample(k1, tl.load(pixel + 1), rest, weight, partly)
        k2 = _sample(k2, tl.load(pixel + 2), rest, weight, partly)
        to = out + at * channels
        if channels == 4:
            tl.store(to + 3, tl.load(pixel + 3), mask=inside)
        tl.store(to, k0, mask=inside)
        tl.store(to + 1, k1, mask=inside)
        tl.store(to + 2, k2, mask=inside)


@_jit
def _enlarge(level, down, across, top, left, height, width, high: tl.constexpr, wide: tl.constexpr):
    """A tile of the enlarged level, (2 high, 2 wide), from `top` and `left` of the level on."""
    i = tl.minimum(top + tl.arange(0, high)[:, None], height - 1)
    j = tl.minimum(left + tl.arange(0, wide)[None, :], width - 1)
    a, b, c, d = 0.0, 0.0, 0.0, 0.0  # of each sample's quad: a b above c d
    for dx in tl.static_range(5):
        column = tl.minimum(tl.maximum(j + (dx - 2), 0), width - 1)
        upper, lower = 0.0, 0.0
        for dy in tl.static_range(5):
            row = tl.minimum(tl.maximum(i + (dy - 2), 0), height - 1)
            sample = tl.load(level + row.to(tl.int64) * width + column).to(tl.float32)
            upper += sample * tl.load(down + 10 * i + dy)
            lower += sample * tl.load(down + 10 * i + (5 + dy))
        even, odd = tl.load(across + 10 * j + dx), tl.load(across + 10 * j + (5 + dx))
        a += even * upper
        b += odd * upper
        c += even * lower
        d += odd * lower
    quads = tl.join(tl.join(a, c), tl.join(b, d))  # (high, wide, 2 in y, 2 in x)
    return tl.reshape(tl.permute(quads, 0, 2, 1, 3), 2 * high, 2 * wide)


@_jit
def _in_cell(number, down, across, i, j, height, width, field_height, field_width):
    """One of the field's nine numbers, of what the cells (i, j) and their neighbours say."""
    total = 0.0
    for dy in tl.static_range(3):
        row = tl.minimum(tl.maximum(i + (dy - 1), 0), field_height - 1)
        line = 0.0
        for dx in tl.static_range(3):
            column = tl.minimum(tl.maximum(j + (dx - 1), 0), field_width - 1)
            line += tl.load(across + dx * width) * tl.load(number + row * field_width + column)
        total += tl.load(down + dy * height) * line
    return total


@_jit
def _sample(value, before, rest, weight, partly: tl.constexpr):
    """A result as the picture stores it, blended with the picture's own sample."""
    own = _unit(before)
    value = tl.minimum(tl.maximum(value + rest * own, 0.0), 1.0)
    if partly:
        value = own + weight * (value - own)
    if before.dtype == tl.uint8:
        value = (value * 255 + 0.5).to(tl.int32)
    elif before.dtype == tl.uint16:
        value = (value * 65535 + 0.5).to(tl.int32)
    return value.to(before.dtype)


INTERPRETED = not isinstance(_translate, triton.JITFunction)  # as TRITON_INTERPRET=1 asks for: on the CPU, for tests
