"""Pillow, held so that it neither chatters nor changes anything for the rest of the process.

`Image.open` is not used: it warns or fails on large panoramas unless its global limit is lifted, which threads would
see. Each decoder is called by name instead, which also keeps Pillow from guessing the format anew.
"""

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, BinaryIO

from PIL import ImageFile

_DECODERS = {
    "JPEG": ("JpegImagePlugin", "jpeg_factory"),
    "PNG": ("PngImagePlugin", "PngImageFile"),
    "TIFF": ("TiffImagePlugin", "TiffImageFile"),
    "WEBP": ("WebPImagePlugin", "WebPImageFile"),
    "GIF": ("GifImagePlugin", "GifImageFile"),
    "BMP": ("BmpImagePlugin", "BmpImageFile"),
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
