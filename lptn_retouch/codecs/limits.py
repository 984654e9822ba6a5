"""How large a picture may be, decided from its header before a single pixel is decoded."""

from collections.abc import Callable

from lptn_retouch.errors import UnreadablePhotoError, UnsupportedPhotoError

MAX_PIXELS = 1_000_000_000
"""Largest picture opened, in pixels. A gigapixel is 3 GB at 8 bits a channel, before any work on it."""

MAX_FILE_SIZE = 4 << 30
"""Largest file opened, in bytes: a JPEG's or a RAW's are all held in memory while it is decoded."""

DEFLATE_RATIO = 1032
"""The most bytes that deflate can make out of one: 258 from two bits (RFC 1951)."""

_SLACK = 8 * 4096  # pixels granted: tiny flat pictures are mostly header


def check_file_size(name: str, size: int) -> None:
    """Refuse files above `MAX_FILE_SIZE` bytes."""
    if size > MAX_FILE_SIZE:
        raise UnsupportedPhotoError(
            f"{name}: {size:,} bytes are more than the {MAX_FILE_SIZE:,} that are opened; save it as JPEG first."
        )


Fits = Callable[[int, int, str], None]
"""What refuses a picture, by raising, that its user has no room for: width, height and type of its samples."""


def check_size(name: str, width: int, height: int) -> None:
    """Refuse pictures without area or above `MAX_PIXELS`."""
    if width <= 0 or height <= 0:
        raise UnreadablePhotoError(f"{name}: its header gives no size; copy it again from its source.")
    if width * height > MAX_PIXELS:
        raise UnsupportedPhotoError(
            f"{name}: {width} x {height} pixels are more than the {MAX_PIXELS:,} that are opened; scale it down first."
        )


def check_plausible(name: str, pixels: int, most: int, file_size: int) -> None:
    """Refuse a header that promises more than so few bytes can hold, whatever they are.

    Args:
        name: the file as messages name it.
        pixels: width times height.
        most: that the file's bytes can hold by its coding.
        file_size: bytes.
    """
    if pixels > most + _SLACK:
        raise UnreadablePhotoError(
            f"{name}: its header promises {pixels:,} pixels, more than {file_size:,} bytes can hold; "
            "it is cut short or made up, so copy it again from its source."
        )
