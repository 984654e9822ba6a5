"""The small picture inside EXIF."""

import io
from dataclasses import replace

import numpy as np

from lptn_retouch.metadata.exif.patch import ThumbnailMaker
from lptn_retouch.picture.picture import Picture
from lptn_retouch.picture.samples import eight_bits, on_white

_QUALITIES = (85, 75, 60, 45, 30)
_SAMPLES = 8  # a side, of the pixels that each of the thumbnail's is averaged from: more cannot be told apart


def thumbnailer(picture: Picture) -> ThumbnailMaker:
    """The maker of a picture's thumbnail: sRGB, as Exif asks, and no larger than the place of the old one.

    Source: Exif 3.0 (CIPA DC-008) 4.5.5.
    """

    def make(box: tuple[int, int], most: int) -> bytes | None:
        from PIL import Image

        scale = min(box[0] / picture.width, box[1] / picture.height, 1.0)
        size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
        skip = max(1, int(1 / (_SAMPLES * scale)))
        some = replace(picture, pixels=np.ascontiguousarray(picture.pixels[::skip, ::skip]))
        pixels = eight_bits(some.in_srgb().pixels)
        image = Image.fromarray(on_white(pixels) if pixels.shape[2] == 4 else pixels)
        small = image.resize(size, Image.Resampling.BOX, reducing_gap=2.0)
        for quality in _QUALITIES:
            out = io.BytesIO()
            small.save(out, "JPEG", quality=quality)
            if out.tell() <= most:
                return out.getvalue()
        return None

    return make
