"""HEIC and HEIF in, through the extra `heif` (libheif): 8 bits a channel, or more at 16."""

import io
from typing import cast

import numpy as np

from lptn_retouch.codecs.decoded import Decoded, several, three_channels, unpremultiplied, widened
from lptn_retouch.codecs.format import Encoded
from lptn_retouch.errors import UnreadablePhotoError, UnsupportedPhotoError
from lptn_retouch.structures.heif_items import Items


def decode(picture: Encoded[Items | None]) -> Decoded:
    """Decode the primary picture of a HEIF file, upright: its own turns and mirrors are applied by libheif.

    Raises:
        UnsupportedPhotoError: the extra is not installed, or the picture is too large.
        UnreadablePhotoError: there is no picture in it.
    """
    try:
        import pillow_heif
    except ImportError:
        raise UnsupportedPhotoError(
            f'{picture.name}: HEIC needs one more package; install it with `pip install "lptn-retouch[heif]"`.'
        ) from None
    found = pillow_heif.open_heif(io.BytesIO(picture.data), convert_hdr_to_8bit=False, hdr_to_16bit=False)
    if not len(found):
        raise UnreadablePhotoError(f"{picture.name}: there is no picture in it; copy it again from its source.")
    image = found[found.primary_index]
    bits = int(cast(int, image.info.get("bit_depth", 8)))
    picture.check_size(*image.size, "uint16" if bits > 8 else "uint8")
    pixels = np.asarray(image)
    if image.mode.startswith("RGBa"):
        pixels = unpremultiplied(pixels, (1 << bits) - 1)
    pixels, grey = three_channels(widened(pixels, bits) if bits > 8 else pixels)
    return Decoded(pixels, grey, upright=True, notices=several(len(found)))
