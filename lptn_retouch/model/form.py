"""The form of a :class:`~lptn_retouch.model.graded.GradedLPTN`: its constants, and the shapes of its tensors.

All that is known of the network without torch, so that its weights can be checked, and a picture planned, before torch
is imported, or without that it ever is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from lptn_retouch.errors import InvalidPresetError

GRADED = "graded-lptn"  # what a preset's header calls the architecture
THUMBNAIL = 96  # px, the square that the grade looks at
TERMS = 20  # of a cubic polynomial in three colours
CURVE = 3 * TERMS  # numbers of a grade: a polynomial for red, green and blue
STRETCH = 1.4  # of the share's sigmoid about its middle: so that it comes to 0 and to 1, and is cut there
LUMA = (0.2126, 0.7152, 0.0722)  # of linear light by ITU-R BT.709; here of the numbers as they are
EMPTY, FILLED = 4 / 255, 16 / 255  # most that a channel varies over a thumbnail: of an empty frame; of a scene
COLOURLESS, COLOURED = 2 / 255, 8 / 255  # most that a thumbnail's colours differ: a picture without colour; one with
LOW_SPAN = 48  # px, sqrt(H W) of the smallest low band of a deep pyramid; it stays below twice that
MASKED_LEVELS = 3  # high bands above the low band that the mask reaches; finer ones follow the transform alone
EYE = (3, 16, 32, 48, 64, 96)  # channels between the convs that look at the thumbnail
STATISTICS = 40  # of a thumbnail's tones
CHOOSING = 128  # features from which the curve is chosen
TRANSFORM = 12  # numbers of an affine colour transform: nine of the 3x3 matrix A, row by row, three of the offset b
INWARD = 24  # channels of the translator's first conv

Shape = tuple[int, ...]
Floats = dict[str, npt.NDArray[np.float32]]


class Shaped(Protocol):
    """An array or a tensor."""

    @property
    def shape(self) -> Shape: ...


class Form(NamedTuple):
    """Hyper-parameters; see :class:`~lptn_retouch.model.graded.GradedLPTN`."""

    width: int
    blocks: int
    mask_width: int
    gated: bool = False


def depth_for(height: int, width: int) -> int:
    """How many levels make the low band span about the same number of samples at every size.

    Args:
        height, width: of the picture, px, 1 or more.

    Returns:
        Depth such that ``sqrt(height * width) / 2**depth`` lies in [48, 96), or 0 for pictures smaller than that.

    Example:
        >>> depth_for(640, 960), depth_for(2560, 3840), depth_for(4000, 6000)
        (4, 6, 6)
    """
    return max(0, math.floor(math.log2(math.sqrt(height * width) / LOW_SPAN)))


def level_sizes(height: int, width: int, depth: int) -> tuple[tuple[int, int], ...]:
    """Heights and widths of a pyramid's levels, the picture's own first.

    Example:
        >>> level_sizes(5, 9, 2)
        ((5, 9), (3, 5), (2, 3))
    """
    return tuple((-(-height // 2**level), -(-width // 2**level)) for level in range(depth + 1))


def seen_level(depth: int) -> int:
    """The level at which the network looks at a picture, counted from the picture, 0: the finest with a mask.

    All that the network decides it decides from there on downwards; finer than that, the picture follows.

    Example:
        >>> seen_level(6), seen_level(2)
        (3, 0)
    """
    return max(depth - MASKED_LEVELS, 0)


def is_graded(names: Iterable[str]) -> bool:
    """Whether tensors of these names are a graded LPTN's, and not a published one's."""
    return any(name.startswith("grade.") for name in names)


def read_form(weights: Mapping[str, Shaped]) -> Form:
    """The hyper-parameters that names and shapes tell.

    Raises:
        InvalidPresetError: they are not those of a graded LPTN, or of one that is larger than any.

    Example:
        >>> read_form({name: np.empty(shape) for name, shape in shapes_of(Form(8, 1, 4)).items()})
        Form(width=8, blocks=1, mask_width=4, gated=False)
    """
    try:
        width = weights["low.inward.2.weight"].shape[0]
        mask_width = weights["high.model.0.weight"].shape[0]
    except (KeyError, IndexError):
        raise InvalidPresetError("these weights are not a graded LPTN's.") from None
    blocks = sum(name.startswith("low.body.") and name.endswith(".block.0.weight") for name in weights)
    if not (1 <= width <= 512 and 1 <= mask_width <= 512 and blocks <= 64):
        raise InvalidPresetError("these weights describe a network larger than any graded LPTN, or an empty one.")
    return Form(width, blocks, mask_width, any(name.startswith("gate.") for name in weights))


def shapes_of(form: Form) -> dict[str, Shape]:
    """The shape of every tensor of a graded LPTN, by name.

    Example:
        >>> shapes_of(Form(8, 1, 4))["low.out.weight"]
        (12, 16, 1, 1)
    """
    width, blocks, mask_width, gated = form
    # Shapes of weights; each comes with a bias as long as its first axis.
    weights: dict[str, Shape] = {}
    for glance, outputs in (("grade", CURVE), *([("gate", 1)] if gated else [])):
        for i, (before, after) in enumerate(pairwise(EYE)):
            weights[f"{glance}.eye.{2 * i}"] = (after, before, 3, 3)
        weights[f"{glance}.choose.0"] = (CHOOSING, 2 * EYE[-1] + STATISTICS)
        weights[f"{glance}.choose.3"] = (outputs, CHOOSING)
    weights["low.inward.0"] = (INWARD, 6, 3, 3)
    weights["low.inward.2"] = (width, INWARD, 3, 3)
    weights["low.inward.4"] = (width, width, 3, 3)
    for i in range(blocks):
        weights[f"low.body.{i}.block.0"] = weights[f"low.body.{i}.block.2"] = (width, width, 3, 3)
    weights["low.out"] = (TRANSFORM, 2 * width, 1, 1)
    weights["high.model.0"] = (mask_width, 9, 3, 3)
    weights["high.model.2"] = (mask_width, mask_width, 3, 3)
    weights["high.model.4"] = (3, mask_width, 3, 3)
    shapes: dict[str, Shape] = {"high.gain": (MASKED_LEVELS,)}
    for name, shape in weights.items():
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = shape, shape[:1]
    return shapes


def check_shapes(weights: Mapping[str, Shaped], expected: Mapping[str, Shape]) -> None:
    """Refuse weights whose names and shapes are not exactly those of a network.

    Raises:
        InvalidPresetError: says which tensor is missing, unknown or of another shape.
    """
    if missing := sorted(expected.keys() - weights.keys()):
        raise InvalidPresetError(f"the weights lack {missing[0]!r} ({len(missing)} tensors in all).")
    if unknown := sorted(weights.keys() - expected.keys()):
        raise InvalidPresetError(f"the weights hold an unknown tensor {unknown[0][:60]!r} ({len(unknown)} in all).")
    for name, tensor in weights.items():
        if tuple(tensor.shape) != expected[name]:
            raise InvalidPresetError(
                f"tensor {name!r} has shape {tuple(tensor.shape)} where {expected[name]} is expected."
            )


def not_finite(name: str) -> InvalidPresetError:
    """What to raise of a tensor that holds anything else than finite floats."""
    return InvalidPresetError(f"tensor {name!r} is not made of finite floating-point numbers.")


def checked(weights: Mapping[str, npt.NDArray[Any]]) -> Floats:
    """The weights of a graded LPTN as arrays of float32 of their own, which cannot be written to.

    Raises:
        InvalidPresetError: says what is wrong with names, shapes, types or values.
    """
    check_shapes(weights, shapes_of(read_form(weights)))
    found: Floats = {}
    for name, array in weights.items():
        if array.dtype.kind != "f":
            raise not_finite(name)
        with np.errstate(over="ignore"):  # what float32 does not hold is not finite in it
            found[name] = np.array(array, np.float32, order="C")
        if not np.isfinite(found[name]).all():
            raise not_finite(name)
        found[name].flags.writeable = False
    return found
