"""A table that repeats what a preset did to one photograph, as far as a table can.

A preset sees the whole photograph, and what it does differs from place to place; a table knows colours alone. So each
sample is fitted to what became of its colour on average, by least squares, while neighbours are kept alike. Of colours
that the photograph does not have nothing is known; there the table departs as little as it can from the grade that the
network itself chose for the photograph, which is a smooth curve of colour and answers for all of them. A published
network has no such grade; there it departs from leaving colours alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lptn_retouch.color.difference import delta_e, lab
from lptn_retouch.model.form import GRADED, depth_for, level_sizes
from lptn_retouch.model.lut import UNIT, Lut, identity
from lptn_retouch.photo import Photo
from lptn_retouch.picture.samples import at_depth
from lptn_retouch.preset import Preset
from lptn_retouch.retoucher import Retoucher

Floats = npt.NDArray[np.floating[Any]]

SIZE = 33  # samples a side of a .cube file, as grading desks write them
_SAMPLES = 300_000  # pixels of the photograph
_BINS = 2  # to a cell's side: pixels of about the same colour count as one, weighted
_DATA = 1e4  # weight of all pixels, beside which those of what follows count
_ROUGH = ((1, 0.1), (2, 0.5))  # of first and second differences: the slope goes on where there is no colour, and levels
_NEAR = 1e-3  # of staying near the grade
_STEPS = 100


class Fit(NamedTuple):
    """A table fitted to a photograph, and how far off it is there, by CIEDE2000.

    Args:
        lut: of sRGB, display-referred.
        mean, most: between its result and the preset's: on average, and what 95 % of the pixels keep within.
        untouched: between the photograph itself and the preset's result, on average.
    """

    lut: Lut
    mean: float
    most: float
    untouched: float


def fit_look(photo: Photo, retoucher: Retoucher, amount: float = 1.0, size: int = SIZE) -> Fit:
    """Fit a table to what a preset does to a photograph.

    Args:
        photo: in any colour space; the table is one of sRGB.
        retoucher: of the preset.
        amount: 0 to 2; what of the preset's change the table makes.
        size: samples a side.

    Returns:
        The table, and how far off it is.

    Raises:
        TooLargeError: the photograph needs more memory than there is.

    Example:
        >>> photo = Photo(np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8))
        >>> fit = fit_look(photo, Retoucher("retouch"), size=9)
        >>> fit.lut.size, fit.mean < fit.untouched
        (9, True)
    """
    pixels = at_depth(photo.to_srgb().pixels, 16)
    result = retoucher(pixels, amount=amount)
    chosen = _seen(pixels)
    before, after = (picture.reshape(-1, picture.shape[2])[chosen, :3] / 65535 for picture in (pixels, result))
    table = fitted(before, after, _prior(retoucher.preset, pixels, amount, size))
    lut = Lut(table.astype(np.float32), UNIT, f"{retoucher.preset.name}, sRGB display-referred")
    levels = 255 if photo.pixels.dtype == np.uint8 else 65535  # of a result that is saved as the photograph is
    colours = (lab(np.rint(x * levels) / levels) for x in (before, after, np.clip(looked_up(lut.table, before), 0, 1)))
    own, wanted, made = colours
    off = delta_e(made, wanted)
    return Fit(lut, float(off.mean()), float(np.percentile(off, 95)), float(delta_e(own, wanted).mean()))


def fitted(before: Floats, after: Floats, prior: Floats) -> Floats:
    """The table, near a prior one and smooth, that takes colours to others.

    Args:
        before, after: (n, 3) in [0, 1].
        prior: (N, N, N, 3) by blue, green, red.

    Returns:
        (N, N, N, 3) in [0, 1].
    """
    size = len(prior)
    before, after, count = _gathered(before, after, _BINS * (size - 1))
    weight = count * (_DATA / count.sum())
    nodes, shares = corners(before, size)

    def spread(values: Floats) -> Floats:
        """What colours (n, 3) ask of the samples that they are made of, (N³, 3)."""
        asked = [np.bincount(nodes.ravel(), (shares * of[:, None]).ravel(), size**3) for of in values.T]
        return np.stack(asked, axis=1)

    def normal(change: Floats) -> Floats:
        """The normal equations' matrix times a change of the table."""
        made = (shares[..., None] * change[nodes]).sum(1)
        rough = _roughness(change.reshape(prior.shape)).reshape(-1, 3)
        return np.asarray(spread(weight[:, None] * made) + rough + _NEAR * change)

    own = np.bincount(nodes.ravel(), (weight[:, None] * shares**2).ravel(), size**3)
    wrong = weight[:, None] * (after - looked_up(prior, before))
    inner = sum(weight * 3 * math.comb(2 * order, order) for order, weight in _ROUGH)
    change = _solved(normal, spread(wrong), own[:, None] + inner + _NEAR)
    return np.clip(prior + change.reshape(prior.shape), 0, 1)


def looked_up(table: npt.NDArray[Any], colours: Floats) -> Floats:
    """What a cube of the domain 0 to 1 makes of colours, (n, 3); as the engines do."""
    nodes, shares = corners(colours, len(table))
    return np.asarray((shares[..., None] * table.reshape(-1, 3)[nodes]).sum(1))


def corners(colours: Floats, size: int) -> tuple[npt.NDArray[np.int64], Floats]:
    """The four corners, (n, 4), of the tetrahedron that each colour lies in, and what each has of it.

    See :class:`lptn_retouch.model.lut_network.LutNetwork`.
    """
    place = np.clip(colours, 0, 1) * (size - 1)
    cell = np.minimum(np.floor(place), size - 2)
    within = place - cell
    order = np.argsort(-within, axis=1, kind="stable")
    edges = np.array([1, size, size * size])[order]  # to the next red, green or blue
    first = cell.astype(np.int64) @ np.array([1, size, size * size])
    nodes = np.concatenate([first[:, None], first[:, None] + np.cumsum(edges, axis=1)], axis=1)
    falling = np.take_along_axis(within, order, 1)
    ends = np.pad(falling, ((0, 0), (1, 1)), constant_values=(0, 0))
    ends[:, 0] = 1
    return nodes, ends[:, :-1] - ends[:, 1:]


def _prior(preset: Preset, pixels: npt.NDArray[Any], amount: float, size: int) -> Floats:
    """What the grade that a network chooses for a picture makes of all colours; or the colours, where it has none."""
    table: Floats = identity(size).table
    with suppress(ImportError):  # without numba there are no kernels
        if preset.architecture == GRADED:
            table = table + np.float32(amount) * _graded_change(preset, pixels, table)
    return np.clip(table.astype(np.float64), 0, 1)


def _graded_change(preset: Preset, pixels: npt.NDArray[Any], table: Floats) -> Floats:
    """What the grade chosen for a picture of 16 bits adds to colours (N, N, N, 3)."""
    from lptn_retouch.engine import inference, kernels, passes

    height, width = pixels.shape[:2]
    flat = np.ascontiguousarray(pixels[..., :3]).reshape(height, 3 * width)
    flat.flags.writeable = False
    seen = passes.shrunk(flat, np.float32(1 / 65535), level_sizes(height, width, depth_for(height, width)))
    choice = inference.choose(preset.weights, passes.thumbnail_of(seen))
    planes = np.ascontiguousarray(table.reshape(len(table), -1, 3).transpose(2, 0, 1))
    graded = np.empty_like(planes)
    kernels.grade(planes, passes.curve_of(choice.curve), graded, 0, planes.shape[1])
    graded += np.float32(choice.grey) * (inference.luma_of(graded) - graded)  # a picture without colour stays so
    change = np.float32(choice.share) * (graded - planes)
    return np.asarray(change.transpose(1, 2, 0).reshape(table.shape))


def _seen(pixels: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Some of a picture's pixels, by number, of those that are not transparent."""
    count = pixels.shape[0] * pixels.shape[1]
    chosen = np.arange(count)
    if count > _SAMPLES:
        chosen = np.random.default_rng(0).integers(count, size=_SAMPLES)
    if pixels.shape[2] == 4 and (opaque := pixels.reshape(-1, 4)[chosen, 3] > 0).any():
        chosen = chosen[opaque]
    return chosen


def _gathered(before: Floats, after: Floats, bins: int) -> tuple[Floats, Floats, Floats]:
    """The means of pixels of about the same colour, and how many they are."""
    place = np.rint(before * bins).astype(np.int64)
    code = (place[:, 0] * (bins + 1) + place[:, 1]) * (bins + 1) + place[:, 2]
    _, group, count = np.unique(code, return_inverse=True, return_counts=True)
    means = [
        np.stack([np.bincount(group, channel) for channel in colours.T], axis=1) / count[:, None]
        for colours in (before, after)
    ]
    return means[0], means[1], count.astype(np.float64)


def _roughness(change: Floats) -> Floats:
    """The gradient of the weighted sum of all squared differences along the axes, halved."""
    total = np.zeros_like(change)
    for axis in range(3):
        for order, weight in _ROUGH:
            around = [(0, 0)] * 4
            around[axis] = (order, order)
            differences = np.diff(change, order, axis=axis)
            total += (-1) ** order * weight * np.diff(np.pad(differences, around), order, axis=axis)
    return total


def _solved(matrix: Callable[[Floats], Floats], right: Floats, diagonal: Floats) -> Floats:
    """The solution of linear equations by conjugate gradients, preconditioned by about the matrix's diagonal."""
    found, rest = np.zeros_like(right), right.copy()
    eased = rest / diagonal
    direction, size = eased.copy(), float((rest * eased).sum())
    enough = 1e-8 * size
    for _ in range(_STEPS):
        if size <= enough:
            break
        ahead = matrix(direction)
        step = size / float((direction * ahead).sum())
        found += step * direction
        rest -= step * ahead
        eased = rest / diagonal
        before, size = size, float((rest * eased).sum())
        direction = eased + size / before * direction
    return found
