"""A photo made smaller, for the web above all."""

from dataclasses import replace

import numpy as np

from lptn_retouch.formats.photo import Photo, Pixels


def fitted(photo: Photo, long_edge: int) -> Photo:
    """A photo whose longer side is `long_edge` px at most; a smaller one is returned as it is.

    Lanczos' filter over all samples that a new one stands for, so fine patterns make no moiré. It is done in the
    photo's own numbers, at its own depth.

    Args:
        long_edge: px, 1 or more.

    Example:
        >>> photo = Photo(np.zeros((300, 400, 3), np.uint16))
        >>> fitted(photo, 200).pixels.shape, fitted(photo, 400) is photo
        ((150, 200, 3), True)

    References:
        Turkowski, "Filters for Common Resampling Tasks", Graphics Gems, 1990.
    """
    scale = long_edge / max(photo.width, photo.height)
    if scale >= 1:
        return photo
    size = max(1, round(photo.width * scale)), max(1, round(photo.height * scale))
    pixels = photo.pixels
    if pixels.dtype == np.uint8 and pixels.shape[2] == 3:
        small = _reduced(pixels, size)
    else:  # alpha is resized with the colours it lets through, so that hidden ones do not show at its edges
        planes = pixels.astype(np.float32)
        top = 1.0 if pixels.dtype == np.float32 else float(np.iinfo(pixels.dtype).max)
        if pixels.shape[2] == 4:
            planes[..., :3] *= planes[..., 3:] / top
        small = np.stack([_reduced(planes[..., channel], size) for channel in range(pixels.shape[2])], axis=2)
        if pixels.shape[2] == 4:
            small[..., :3] *= top / np.maximum(small[..., 3:], top * 1e-6)
        if pixels.dtype != np.float32:
            small = np.rint(np.clip(small, 0, top)).astype(pixels.dtype)
    recipe = replace(photo.recipe, long_edge=long_edge) if photo.recipe is not None else None
    return replace(photo, pixels=small, recipe=recipe)


def _reduced(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(pixels))
    return np.asarray(image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0))
