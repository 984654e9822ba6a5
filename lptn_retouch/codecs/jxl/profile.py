"""The ICC profile inside a JPEG XL, where it is coded like pixels: libjxl decodes it.

The package that brings libjxl gives out pixels only. So libjxl is asked through the same library file, by functions
whose arguments are plain numbers and pointers; where the system does not show these, there is no profile.

Source: jxl/decode.h of libjxl 0.11.
"""

import ctypes
from typing import Any

_COLORS_KNOWN = 0x100
_OF_THE_PIXELS = 1  # and not of the original, where these differ
_LONGEST = 4 << 20


def embedded_profile(data: bytes) -> bytes | None:
    """The profile of the pixels as libjxl decodes them; None where it cannot be had.

    Args:
        data: the file.

    Example:
        >>> embedded_profile(b"no picture") is None
        True
    """
    try:
        from imagecodecs import _jpegxl

        return _asked(ctypes.CDLL(_jpegxl.__file__), data)
    except (ImportError, OSError, AttributeError):  # another build of the package
        return None


def _asked(libjxl: Any, data: bytes) -> bytes | None:
    libjxl.JxlDecoderCreate.restype = ctypes.c_void_p
    decoder = ctypes.c_void_p(libjxl.JxlDecoderCreate(None))
    try:
        libjxl.JxlDecoderSubscribeEvents(decoder, _COLORS_KNOWN)
        libjxl.JxlDecoderSetInput(decoder, data, ctypes.c_size_t(len(data)))
        libjxl.JxlDecoderCloseInput(decoder)
        size = ctypes.c_size_t()
        if libjxl.JxlDecoderProcessInput(decoder) != _COLORS_KNOWN:
            return None
        if libjxl.JxlDecoderGetICCProfileSize(decoder, _OF_THE_PIXELS, ctypes.byref(size)):
            return None
        if not 128 <= size.value <= _LONGEST:
            return None
        profile = ctypes.create_string_buffer(size.value)
        failed = libjxl.JxlDecoderGetColorAsICCProfile(decoder, _OF_THE_PIXELS, profile, size)
        return None if failed else profile.raw
    finally:
        libjxl.JxlDecoderDestroy(decoder)
