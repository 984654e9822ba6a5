"""WebP out, through libwebp in Pillow; in, Pillow reads it with the others of 8 bits."""

import io

import numpy as np
from PIL import Image

from lptn_retouch.picture.samples import Pixels


def encode(pixels: Pixels, quality: int) -> bytes:
    """Encode a picture, with its transparency.

    Args:
        pixels: (H, W, 3) or (H, W, 4), uint8.
        quality: 1 to 100.

    Example:
        >>> encode(np.zeros((2, 3, 3), np.uint8), 90)[8:12]
        b'WEBP'
    """
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(out, "WEBP", quality=quality)
    return out.getvalue()
