"""PIL images, given as arrays and given back as they came."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lptn_retouch.errors import UnreadablePhotoError, UsageError

if TYPE_CHECKING:
    import numpy.typing as npt
    from PIL.Image import Image

_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA")


def load(image: Image) -> None:
    """Have an image decode its pixels.

    Raises:
        UnreadablePhotoError: it is closed, cut short or damaged.
    """
    try:
        image.load()
    except MemoryError:
        raise
    except Exception as error:  # each plugin of Pillow's has errors of its own
        raise UnreadablePhotoError("this PIL image cannot be read; give one that is open and whole.") from error


def array_of(image: Image) -> npt.NDArray[np.uint8]:
    """The pixels of an image of 8 bits, (H, W, 3), or (H, W, 4) where it has transparency.

    Raises:
        UsageError: it has more bits, or colours that are none.

    Example:
        >>> import PIL.Image
        >>> array_of(PIL.Image.new("LA", (3, 2))).shape
        (2, 3, 4)
    """
    if image.mode.startswith(("I", "F")):  # Pillow's way to RGB would cut them off at 255
        raise UsageError(
            f"a PIL image of mode {image.mode} holds more than 8 bits, which Pillow would not convert; give the "
            "path of its file instead, or an array (H, W, 3) of uint16 or float32."
        )
    if image.mode not in _MODES:
        raise UsageError(f"a PIL image of mode {image.mode} cannot be retouched; convert it to RGB first.")
    clear = image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info
    return np.asarray(image.convert("RGBA" if clear else "RGB"))


def like(image: Image, pixels: npt.NDArray[np.uint8]) -> Image:
    """An image of other pixels: grey where the first was, with all that its `info` holds but a transparent colour."""
    import PIL.Image

    result = PIL.Image.fromarray(pixels)
    if image.mode in ("L", "LA"):
        result = result.convert(image.mode)
    result.info = {key: value for key, value in image.info.items() if key != "transparency"}
    return result
