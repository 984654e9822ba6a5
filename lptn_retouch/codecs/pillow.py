"""Pictures of 8 bits a channel through Pillow, held so that it neither chatters nor changes anything for the process.

`Image.open` is not used: it warns or fails on large panoramas unless its global limit is lifted, which threads would
see. Each decoder is called by name instead, which also keeps Pillow from guessing the format anew.
"""

import io
import logging
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib import import_module
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageFile

from lptn_retouch.codecs.decoded import DamageError, Decoded, several, three_channels
from lptn_retouch.codecs.jpeg import pixels as jpeg
from lptn_retouch.codecs.limits import Fits, check_plausible, check_size
from lptn_retouch.codecs.png.rows import has_all_rows
from lptn_retouch.codecs.stderr import chatter
from lptn_retouch.color import cmyk_to_srgb
from lptn_retouch.errors import UnsupportedPhotoError
from lptn_retouch.photo.orientation import upright
from lptn_retouch.photo.samples import Pixels

logging.getLogger("PIL").addHandler(logging.NullHandler())  # or it tells the terminal of what it then raises

ORIENTATION = 0x0112
DOUBTFUL = "Its decoder met damage in it, so look whether the whole picture is sound."
_GREY = ("1", "L", "LA", "La")
_COLOUR = {"YCbCr": "RGB", "RGBX": "RGB", "RGBa": "RGBA", "PA": "RGBA", "1": "L", "La": "LA"}
_SUBSAMPLING = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}
_BITS = {"1": 1, "L": 2, "P": 1, "LA": 16, "RGB": 24, "RGBA": 32}  # the fewest bits a PNG of this mode stores
_DECODERS = {
    "JPEG": ("JpegImagePlugin", "jpeg_factory"),
    "PNG": ("PngImagePlugin", "PngImageFile"),
    "TIFF": ("TiffImagePlugin", "TiffImageFile"),
    "WEBP": ("WebPImagePlugin", "WebPImageFile"),
    "GIF": ("GifImagePlugin", "GifImageFile"),
    "BMP": ("BmpImagePlugin", "BmpImageFile"),
    "AVIF": ("AvifImagePlugin", "AvifImageFile"),
}

_lock = threading.Lock()
_quiet_threads = 0
_outside: Any = None


def header(file: BinaryIO, kind: str) -> ImageFile.ImageFile:
    """Read a picture's header with the decoder for `kind`; no pixel is decoded yet."""
    module, factory = _DECODERS[kind]
    decoder: Callable[[BinaryIO, str], ImageFile.ImageFile] = getattr(import_module(f"PIL.{module}"), factory)
    return decoder(file, "")


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the warnings that Pillow's own modules give, and no other's.

    The warning filters belong to the whole process, so the first thread in saves them and the last one out puts them
    back; with one `catch_warnings` for each thread, the order of leaving would decide which filters remain.
    """
    global _quiet_threads, _outside
    with _lock:
        _quiet_threads += 1
        if _quiet_threads == 1:
            _outside = warnings.catch_warnings()
            _outside.__enter__()
            warnings.filterwarnings("ignore", module=r"PIL(\.|$)")
    try:
        yield
    finally:
        with _lock:
            _quiet_threads -= 1
            if _quiet_threads == 0:
                _outside.__exit__(None, None, None)


def decode(
    file: BinaryIO,
    data: bytes,
    kind: str,
    name: str,
    size: int,
    icc: bytes | None,
    fits: Fits | None,
) -> Decoded:
    """Decode a picture of 8 bits a channel.

    Args:
        file: open, at its start.
        data: the same; may be empty for a TIFF.
        kind: "JPEG", "PNG", "TIFF", "WEBP", "AVIF", "GIF" or "BMP".
        name: the file as messages name it.
        size: of the file, in bytes.
        icc: its profile, which inks need to become colours.
        fits: asked before a pixel is decoded.

    Raises:
        UnreadablePhotoError: damaged or cut short.
        UnsupportedPhotoError: another depth or colour model than is read, or too large.
    """
    image = _opened(file, data, kind)
    check_size(name, *image.size)
    if fits:
        fits(*image.size, "uint8")
    check_plausible(name, kind, image.width * image.height, _BITS.get(image.mode, 1), size)
    if image.mode in ("LAB", "HSV") or image.mode[0] in "IF":
        raise UnsupportedPhotoError(
            f"{name}: its colours are {image.mode}, which are not read from a {kind}; save it as RGB first."
        )
    notices: tuple[str, ...] = () if kind == "TIFF" else frames(image)
    if kind == "JPEG":
        subsampling = _subsampling(image)
        if image.mode == "RGB" and (pixels := jpeg.decode(data)) is not None and pixels.shape[1::-1] == image.size:
            return Decoded(pixels, subsampling=subsampling, notices=notices)
    else:
        subsampling = None
    turn = image.getexif().get(ORIENTATION, 1) if kind == "AVIF" else 1  # from its own boxes; Pillow leaves it to us
    # libtiff tells of damage nowhere else; what the others write there, they raise as well.
    catching: AbstractContextManager[list[str]] = chatter() if kind == "TIFF" else nullcontext([])
    with catching as complaints:
        image.load()
    if complaints:
        notices += (DOUBTFUL,)
    if kind == "PNG":
        last = np.asarray(image.crop((0, image.height - 1, image.width, image.height)))
        if not has_all_rows(data, last_is_black=not last.any()):
            raise DamageError("rows are missing at its end")
    if image.mode == "CMYK":
        inks = np.asarray(image)
        if kind == "JPEG" and "adobe" not in image.info:  # Pillow takes all to be inverted, as Adobe's are
            inks = np.invert(inks)
        colours, said = cmyk_to_srgb(inks, icc)
        said = ("Its inks (CMYK) were converted to sRGB.", *said)
        return Decoded(colours, upright=kind == "TIFF", converted=True, notices=notices + said)
    pixels, grey = _pixels(image)
    # Pillow turns a TIFF's pixels itself while it loads them.
    return Decoded(upright(pixels, turn), grey, kind in ("TIFF", "AVIF"), False, subsampling, notices)


def _opened(file: BinaryIO, data: bytes, kind: str) -> ImageFile.ImageFile:
    """The picture's header; of a JPEG whose metadata Pillow cannot take, without it."""
    try:
        return header(file, kind)
    except Exception:
        if kind != "JPEG":
            raise
        return header(io.BytesIO(jpeg.bare(data)), kind)


def frames(image: ImageFile.ImageFile) -> tuple[str, ...]:
    """A notice where a file holds several pictures."""
    try:
        return several(int(getattr(image, "n_frames", 1)))
    except Exception:  # a damaged chain of pages: the first page may still be sound
        return ()
    finally:
        image.seek(0)


def _subsampling(image: ImageFile.ImageFile) -> str | None:
    from PIL import JpegImagePlugin

    return _SUBSAMPLING.get(JpegImagePlugin.get_sampling(image))


def _pixels(image: Image.Image) -> tuple[Pixels, bool]:
    """The decoded picture as (H, W, 3 or 4) uint8, and whether it is grey."""
    grey = image.mode in _GREY
    if image.has_transparency_data and image.mode not in ("LA", "La", "RGBA", "RGBa", "PA"):
        image = image.convert("LA" if grey else "RGBA")  # a transparent colour or palette entry
    elif image.mode == "P":
        image = image.convert("RGB")
    elif image.mode in _COLOUR:
        image = image.convert(_COLOUR[image.mode])
    array, _ = three_channels(np.asarray(image))
    if image.format == "BMP" and array.shape[2] == 4 and not array[:, :, 3].any():
        array = array[:, :, :3]  # most writers leave the fourth byte at 0 and mean nothing by it
    if array.dtype != np.uint8 or array.shape[2] not in (3, 4):
        raise ValueError(f"unexpected pixels {array.shape} {array.dtype}")
    return array, grey
