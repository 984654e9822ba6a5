"""Pictures of 8 bits a channel through Pillow, held so that it neither warns nor changes anything for the process.

`Image.open` is not used: it warns or fails on large panoramas unless its global limit is lifted, which threads would
see. Each decoder is called by name instead, which also keeps Pillow from guessing the format anew.
"""

import io
import logging
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageFile

from lptn_retouch.codecs.decoded import Decoded, several, three_channels
from lptn_retouch.codecs.format import Encoded
from lptn_retouch.errors import UnsupportedPhotoError

logging.getLogger("PIL").addHandler(logging.NullHandler())  # or it tells the terminal of what it then raises

_GREY = ("1", "L", "LA", "La")
_COLOUR = {"YCbCr": "RGB", "RGBX": "RGB", "RGBa": "RGBA", "PA": "RGBA", "1": "L", "La": "LA"}

_lock = threading.Lock()
_quiet_threads = 0
_outside: Any = None


def header(file: BinaryIO, decoder: str) -> ImageFile.ImageFile:
    """Read a picture's header; no pixel is decoded yet.

    Args:
        file: open, at its start.
        decoder: one of Pillow's, "PngImagePlugin.PngImageFile" for example.
    """
    module, _, factory = decoder.partition(".")
    opened: Callable[[BinaryIO, str], ImageFile.ImageFile] = getattr(import_module(f"PIL.{module}"), factory)
    return opened(file, "")


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


def decode(picture: Encoded[Any], decoder: str, most: int | None = None) -> Decoded:
    """Decode a picture of 8 bits a channel.

    Args:
        picture: the file.
        decoder: see :func:`header`.
        most: pixels that its bytes can hold.

    Raises:
        UnreadablePhotoError: its header promises too much.
        UnsupportedPhotoError: another depth or colour model than is read, or too large.
        Exception: Pillow's, of a damaged file.
    """
    image = header(io.BytesIO(picture.data), decoder)
    check(picture, image, most)
    notices = frames(image)
    image.load()
    return decoded(image)._replace(notices=notices)


def check(picture: Encoded[Any], image: ImageFile.ImageFile, most: int | None = None) -> None:
    """Refuse what is too large, or in colours that are not read, by its header.

    Args:
        picture: the file.
        image: its header.
        most: pixels that its bytes can hold.
    """
    picture.check_size(*image.size, "uint8", most)
    if image.mode in ("LAB", "HSV") or image.mode[0] in "IF":
        raise UnsupportedPhotoError(
            f"{picture.name}: its colours are {image.mode}, which are not read from a {image.format}; "
            "save it as RGB first."
        )


def frames(image: ImageFile.ImageFile) -> tuple[str, ...]:
    """A notice where a file holds several pictures."""
    try:
        return several(int(getattr(image, "n_frames", 1)))
    except Exception:  # a damaged chain of pages: the first page may still be sound
        return ()
    finally:
        image.seek(0)


def decoded(image: Image.Image) -> Decoded:
    """A loaded picture as (H, W, 3 or 4) uint8, and whether it is grey."""
    grey = image.mode in _GREY
    if image.has_transparency_data and image.mode not in ("LA", "La", "RGBA", "RGBa", "PA"):
        image = image.convert("LA" if grey else "RGBA")  # a transparent colour or palette entry
    elif image.mode == "P":
        image = image.convert("RGB")
    elif image.mode in _COLOUR:
        image = image.convert(_COLOUR[image.mode])
    array, _ = three_channels(np.asarray(image))
    if array.dtype != np.uint8 or array.shape[2] not in (3, 4):
        raise ValueError(f"unexpected pixels {array.shape} {array.dtype}")
    return Decoded(array, grey)
