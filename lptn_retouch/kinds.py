"""What a caller may give and gets back, in types: a type checker tells a mistyped word before anything runs.

Nothing is imported for that when the program runs.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    import numpy.typing as npt
    from PIL.Image import Image
    from torch import Tensor

    from lptn_retouch.mask import Mask
    from lptn_retouch.photo import Photo
    from lptn_retouch.preset import Preset

OnePreset: TypeAlias = "str | os.PathLike[str] | Preset"
"""A preset: the name of an installed one, the path of one, or a loaded one."""

PresetLike: TypeAlias = "OnePreset | Sequence[OnePreset | tuple[OnePreset, float]]"
"""A preset, or a stack of them; see :class:`lptn_retouch.Retoucher`."""

PhotoLike: TypeAlias = "str | os.PathLike[str] | Photo"
"""What becomes a photo: a path, or a photo."""

Array = TypeVar("Array", bound="npt.NDArray[Any]")
ImageOrTensor = TypeVar("ImageOrTensor", "Image", "Tensor")

MaskLike: TypeAlias = "npt.ArrayLike | Image | Tensor | str | os.PathLike[str] | Mask | None"
"""Where to apply a retouch: (H, W) in [0, 1], or the path of a grey picture; None for everywhere."""
