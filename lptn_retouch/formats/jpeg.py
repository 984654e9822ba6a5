"""The pixels of ordinary JPEGs, straight between libjpeg-turbo and an array.

Pillow keeps a fourth, empty channel and copies once more on the way in and out, which at 24 megapixels costs as much
as the decoding itself. It remains the decoder of everything that is not ordinary.
"""

import numpy as np
import numpy.typing as npt
import simplejpeg

Rgb = npt.NDArray[np.uint8]

_SUBSAMPLING = {"4:4:4": "444", "4:2:2": "422", "4:2:0": "420"}


def decode(data: bytes) -> Rgb | None:
    """Decode a colour JPEG.

    Args:
        data: the file.

    Returns:
        (H, W, 3), or None where the decoder has the least complaint; ask Pillow then, which tells what is fatal.
    """
    try:
        return np.asarray(simplejpeg.decode_jpeg(data, "RGB", strict=True))
    except ValueError:
        return None


def encode(pixels: Rgb, quality: int, subsampling: str) -> bytes:
    """Encode (H, W, 3) as a baseline JPEG with the standard's own tables, as Pillow does.

    Args:
        pixels: the picture.
        quality: 1 to 100.
        subsampling: of the chroma, "4:4:4", "4:2:2" or "4:2:0".
    """
    contiguous = np.ascontiguousarray(pixels)
    return bytes(simplejpeg.encode_jpeg(contiguous, quality, "RGB", _SUBSAMPLING[subsampling], fastdct=False))
