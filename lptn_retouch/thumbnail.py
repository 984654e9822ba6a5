"""The small picture inside EXIF."""

import io

import numpy as np

from lptn_retouch.metadata.exif.patch import ThumbnailMaker
from lptn_retouch.photo import Photo
from lptn_retouch.photo.samples import eight_bits, on_white

_QUALITIES = (85, 75, 60, 45, 30)
_SAMPLES = 8  # a side, of the pixels that each of the thumbnail's is averaged from: more cannot be told apart


def thumbnailer(photo: Photo) -> ThumbnailMaker:
    """The maker of a photo's thumbnail: sRGB, as Exif asks, and no larger than the place of the old one.

    Source: Exif 3.0 (CIPA DC-008) 4.5.5.
    """

    def make(box: tuple[int, int], most: int) -> bytes | None:
        from PIL import Image

        scale = min(box[0] / photo.width, box[1] / photo.height, 1.0)
        size = max(1, round(photo.width * scale)), max(1, round(photo.height * scale))
        skip = max(1, int(1 / (_SAMPLES * scale)))
        some = photo.with_pixels(np.ascontiguousarray(photo.pixels[::skip, ::skip]))
        pixels = eight_bits(some.to_srgb().pixels)
        image = Image.fromarray(on_white(pixels) if pixels.shape[2] == 4 else pixels)
        small = image.resize(size, Image.Resampling.BOX, reducing_gap=2.0)
        for quality in _QUALITIES:
            out = io.BytesIO()
            small.save(out, "JPEG", quality=quality)
            if out.tell() <= most:
                return out.getvalue()
        return None

    return make
