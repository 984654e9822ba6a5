# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, import-untyped, import-not-found"
"""What is done at full size on a GPU, as kernels in Triton: a picture is shrunk, and graded and finished.

A picture of whole numbers is read, and a result of whole numbers written; no full-size picture of floats is ever
there. How the mathematics follows from the network is said in :mod:`lptn_retouch.engine.coarse`.

All halvings that lie between the picture and its level k are done at once, and so are all doublings back: the filters
are linear and separable, so they compose to one filter of few taps in each direction. Down the rows that is done where
the picture is read or written: a thread keeps to its columns and holds what several rows share in registers. Across, it
is done on the level's few rows by small kernels of their own. The level with the rows of k and the picture's columns is
all that goes through memory.

Conventions: a picture is (H, W, C) with C 3 or 4, uint8, uint16 or float32. A level is planar, (3, h, w), of floats.
The kernels compute in float32. A cell is the 2**doublings samples of the fine size that lie under one of the coarse,
and a table says what a fine sample has to do with that and with its neighbours (:mod:`lptn_retouch.engine.cells`).
Indices that lie outside are brought back inside before anything is loaded: there the tables are zero. Offsets are
int64 from the row on: a large picture has more samples than an int32 can count. Integers are not specialised, so a new
size compiles nothing, but the rows of a cell are: there are three kinds.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from lptn_retouch.engine.triton_pixels import grade, load, stored, unit

Pair = tuple[Tensor, Tensor]  # down the rows, across the columns; or of a level, and of the field

# What one program does; constants of the kernels.
_SAMPLES = tl.constexpr(512)  # of a picture's rows that are shrunk; a thread has four of them
_COLUMNS = tl.constexpr(128)  # of a picture or level otherwise; a thread has one of them
_STRIP = tl.constexpr(16)  # rows of a shrunk picture; the rows of four more are read for them
_LINES = tl.constexpr(4)  # rows of a level that is graded, or shrunk or enlarged across
_ROWS = 4  # of a picture at once, at most: in one cell; a thread has all of them, and of 8 it has no registers for two

_WARP = 64 if torch.version.hip else 32  # threads
_FUSED = {"enable_fp_fusion": True, "num_warps": 128 // _WARP}  # fusion: a * b + c in one instruction

_SIZES = ["height", "width", "coarse", "field_height", "doublings", "field_doublings"]
_jit = triton.jit(do_not_specialize=_SIZES)


def shrink(picture: Tensor, tables: Pair, doublings: int, wide: Tensor, out: Tensor) -> None:
    """Halve a picture, several times at once.

    Args:
        picture: (H, W, C).
        tables: (5, H) and (5, W), from :func:`lptn_retouch.engine.cells.shrinking`.
        doublings: k.
        wide: (3, h, W), for what is shrunk down the rows alone.
        out: (3, h, w), level k.
    """
    height, width, channels = picture.shape
    _, rows, columns = out.shape
    grid, sizes = _grid(rows, width * channels, _STRIP.value, _SAMPLES.value), (height, width, rows, doublings)
    _shrink_down[grid](picture, tables[0], wide, *sizes, channels, min(1 << doublings, _ROWS), **_FUSED)
    grid = _grid(3 * rows, columns, _LINES.value, _COLUMNS.value)
    _shrink_across[grid](wide, tables[1], out, 3 * rows, width, columns, doublings, **_FUSED)


def grade_level(level: Tensor, curve: Tensor, out: Tensor) -> None:
    """Grade a level, (3, h, w), by coefficients, (3, 20), as :func:`finish` grades the picture.

    In one launch: torch would take over a hundred.
    """
    _, height, width = level.shape
    _grade_level[_grid(height, width, _LINES.value, _COLUMNS.value)](level, curve, out, height, width, **_FUSED)


def enlarge_across(level: Tensor, table: Tensor, doublings: int, out: Tensor) -> None:
    """Enlarge a level across its columns alone, (c, h, w) to (c, h, W).

    Args:
        level: of three planes, or a field's nine.
        table: (3, W), from :func:`lptn_retouch.engine.cells.interpolating`.
        doublings: from w to W.
        out: not `level` itself.
    """
    lines, width = level.shape[0] * level.shape[1], out.shape[2]
    sizes = (lines, width, level.shape[2], doublings)
    _enlarge_across[_grid(lines, width, _LINES.value, _COLUMNS.value)](level, table, out, *sizes, **_FUSED)


def finish(
    picture: Tensor,
    curve: Tensor,
    share: Tensor,
    levels: Pair,
    tables: Pair,
    doublings: tuple[int, int],
    strength: float,
    where: Tensor | None,
    out: Tensor,
) -> None:
    """Make each pixel ``field @ graded + left + (1 - share * strength) * picture``, clipped.

    Args:
        picture: (H, W, C).
        curve: the coefficients of its grade, (3, 20).
        share: a single number, of the look that the picture gets; `left` and `field` have it already.
        levels: `left` and `field`, enlarged across: (3, h, W), and (9, h', W), matrices column by column.
        tables: (3, H) each, by which they are enlarged down.
        doublings: from h, and from h', to H; not fewer for the field.
        strength: p, the share of the picture that a whole look replaces; above 1 for more than that.
        where: (H, W), float32, the share of the result that replaces the picture; None for all.
        out: like the picture, or itself.
    """
    height, width, channels = picture.shape
    rows = min(1 << doublings[0], _ROWS)
    _finish[_grid(height, width, rows, _COLUMNS.value)](
        picture,
        curve,
        share,
        *levels,
        *tables,
        float(strength),  # whole numbers would be compiled for anew
        picture if where is None else where,
        out,
        *(height, width, levels[0].shape[1], levels[1].shape[1], *doublings),
        *(channels, where is not None, rows),
        **_FUSED,
    )


def _grid(height: int, width: int, rows: int, columns: int) -> tuple[int]:
    """Of tiles, in one dimension: CUDA's second ends at 65535."""
    return (triton.cdiv(height, rows) * triton.cdiv(width, columns),)


@_jit
def _tile(height, width, rows: tl.constexpr, columns: tl.constexpr):
    """Where a program is: its first row, rows and columns brought inside, and which of them were."""
    across = (width + (columns - 1)) // columns
    top = tl.program_id(0) // across * rows
    y, x = top + tl.arange(0, rows)[:, None], tl.program_id(0) % across * columns + tl.arange(0, columns)[None, :]
    return top, tl.minimum(y, height - 1), tl.minimum(x, width - 1), (y < height) & (x < width)


@_jit
def _shrink_down(picture, table, out, height, width, coarse, doublings, channels: tl.constexpr, rows: tl.constexpr):
    samples = width * channels
    first, _, x, _ = _tile(coarse, samples, _STRIP, _SAMPLES)  # what is outside repeats the last sample
    channel = x % channels
    # A cell's rows go into five rows of the result: two above its own, its own, and two below it. So five are under
    # way, and the cell completes the first of them.
    nothing = tl.full([1, _SAMPLES], 0, tl.float32)
    sum0, sum1, sum2, sum3, sum4 = nothing, nothing, nothing, nothing, nothing
    for step in range(_STRIP + 4):
        top = (first + (step - 2)) << doublings
        for part in range(0, 1 << doublings, rows):
            y = top + part + tl.arange(0, rows)[:, None]
            there = (y >= 0) & (y < height)
            y = _inside(y, height)
            value = unit(tl.load(picture + y.to(tl.int64) * samples + x))
            sum0 += _weighed(table + y, there, value)
            sum1 += _weighed(table + height + y, there, value)
            sum2 += _weighed(table + 2 * height + y, there, value)
            sum3 += _weighed(table + 3 * height + y, there, value)
            sum4 += _weighed(table + 4 * height + y, there, value)
        row = first + (step - 4)
        if (row >= first) & (row < coarse):
            to = out + (channel * coarse + row).to(tl.int64) * width + x // channels
            tl.store(to, sum0, mask=channel < 3)
        sum0, sum1, sum2, sum3, sum4 = sum1, sum2, sum3, sum4, nothing


@_jit
def _weighed(weights, there, value):
    """Some rows' share of a row of the result."""
    return tl.sum(tl.load(weights, mask=there, other=0) * value, 0, keep_dims=True)


@_jit
def _shrink_across(level, table, out, height, width, coarse, doublings):
    _, line, cell, inside = _tile(height, coarse, _LINES, _COLUMNS)
    line = line.to(tl.int64)
    total = tl.full([_LINES, _COLUMNS], 0, tl.float32)
    for away in tl.static_range(5):  # a cell two before counts as one two after it does for that
        for part in range(1 << doublings):
            x = ((cell + (away - 2)) << doublings) + part
            there = (x >= 0) & (x < width)
            x = tl.minimum(tl.maximum(x, 0), width - 1)
            share = tl.load(table + (4 - away) * width + x, mask=there, other=0)
            total += share * tl.load(level + line * width + x)
    tl.store(out + line * coarse + cell, total, mask=inside)


@_jit
def _grade_level(level, curve, out, height, width):
    _, y, x, inside = _tile(height, width, _LINES, _COLUMNS)
    plane = height.to(tl.int64) * width
    at = y.to(tl.int64) * width + x
    r, g, b = tl.load(level + at), tl.load(level + plane + at), tl.load(level + 2 * plane + at)
    r, g, b = grade(curve, r, g, b)
    tl.store(out + at, r, mask=inside)
    tl.store(out + plane + at, g, mask=inside)
    tl.store(out + 2 * plane + at, b, mask=inside)


@_jit
def _enlarge_across(level, table, out, height, width, coarse, doublings):
    _, line, x, inside = _tile(height, width, _LINES, _COLUMNS)
    line = line.to(tl.int64)
    total = tl.full([_LINES, _COLUMNS], 0, tl.float32)
    for away in tl.static_range(3):
        cell = _inside((x >> doublings) + (away - 1), coarse)
        total += tl.load(table + away * width + x) * tl.load(level + line * coarse + cell)
    tl.store(out + line * width + x, total, mask=inside)


@_jit
def _finish(
    picture,
    curve,
    share,
    left,
    field,
    table,
    field_table,
    strength,
    where,
    out,
    height,
    width,
    coarse,
    field_height,
    doublings,
    field_doublings,
    channels: tl.constexpr,
    partly: tl.constexpr,
    rows: tl.constexpr,
):
    top, y, x, inside = _tile(height, width, rows, _COLUMNS)
    own_r, own_g, own_b = load(picture, y, x, width, channels)
    r, g, b = grade(curve, own_r, own_g, own_b)
    rest = 1 - tl.load(share) * strength
    k0, k1, k2 = rest * own_r, rest * own_g, rest * own_b
    plane = coarse.to(tl.int64) * width
    for away in tl.static_range(3):
        cell = _inside((top >> doublings) + (away - 1), coarse)
        at = left + cell.to(tl.int64) * width + x
        weight = tl.load(table + away * height + y)
        k0 += weight * tl.load(at)
        k1 += weight * tl.load(at + plane)
        k2 += weight * tl.load(at + 2 * plane)
    plane = field_height.to(tl.int64) * width
    for away in tl.static_range(3):
        cell = _inside((top >> field_doublings) + (away - 1), field_height)
        at = field + cell.to(tl.int64) * width + x
        weight = tl.load(field_table + away * height + y)
        part_r, part_g, part_b = weight * r, weight * g, weight * b
        k0 += part_r * tl.load(at) + part_g * tl.load(at + 3 * plane) + part_b * tl.load(at + 6 * plane)
        k1 += part_r * tl.load(at + plane) + part_g * tl.load(at + 4 * plane) + part_b * tl.load(at + 7 * plane)
        k2 += part_r * tl.load(at + 2 * plane) + part_g * tl.load(at + 5 * plane) + part_b * tl.load(at + 8 * plane)
    at = y.to(tl.int64) * width + x
    here = tl.load(where + at) if partly else 1.0
    pixel, to = picture + at * channels, out + at * channels
    if channels == 4:
        tl.store(to + 3, tl.load(pixel + 3), mask=inside)
    sort = out.dtype.element_ty
    tl.store(to, stored(k0, own_r, here, partly, sort), mask=inside)
    tl.store(to + 1, stored(k1, own_g, here, partly, sort), mask=inside)
    tl.store(to + 2, stored(k2, own_b, here, partly, sort), mask=inside)


@_jit
def _inside(at, size):
    return tl.minimum(tl.maximum(at, 0), size - 1)


INTERPRETED = not isinstance(_finish, triton.JITFunction)  # as TRITON_INTERPRET=1 asks for: on the CPU, for tests
