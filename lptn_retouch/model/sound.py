"""A state dict checked: one of a network of ours, or refused. Torch is imported only where it is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lptn_retouch.model.form import GRADED, Floats, checked, is_graded
from lptn_retouch.model.lut import LUT, checked_lut, is_lut

if TYPE_CHECKING:
    from lptn_retouch.model.weights import Weights


def sound(weights: Weights) -> tuple[Floats, str]:
    """Weights that were found to be those of a network of ours, and the name of its architecture.

    Args:
        weights: a state dict; torch is needed for a published network's, and for one of tensors.

    Returns:
        Arrays of float32 that cannot be written to, and "graded-lptn", "lptn-released", "lptn-paper" or
        "lut".

    Raises:
        InvalidPresetError: one sentence that says what is wrong with them.

    Example:
        >>> from lptn_retouch.model.weights import read_safetensors
        >>> from lptn_retouch.preset import find_preset
        >>> sound(read_safetensors(find_preset("retouch"))[0])[1]
        'graded-lptn'
    """
    arrays = {name: value for name, value in weights.items() if isinstance(value, np.ndarray)}
    if is_graded(weights) and len(arrays) == len(weights):
        return checked(arrays), GRADED
    if is_lut(weights) and len(arrays) == len(weights):
        return checked_lut(arrays), LUT
    from lptn_retouch.model.checkpoint import architecture, as_arrays, build_network
    from lptn_retouch.threads import on_one

    network = on_one(lambda: build_network(weights))
    return as_arrays(network), architecture(network)
