"""How large a picture may be, decided from its header before a single pixel is decoded."""

from collections.abc import Callable

from lptn_retouch.errors import UnreadablePhotoError, UnsupportedPhotoError

MAX_PIXELS = 1_000_000_000
"""Largest picture opened, in pixels. A gigapixel is 3 GB at 8 bits a channel, before any work on it."""

MAX_FILE_SIZE = 4 << 30
"""Largest file opened, in bytes: a JPEG's or a RAW's are all held in memory while it is decoded."""

DEFLATE_RATIO = 1032
"""The most bytes that deflate can make out of one: 258 from two bits (RFC 1951)."""

_SLACK = 4096  # bytes granted to headers: tiny flat pictures are mostly header


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


def check_plausible(name: str, kind: str, pixels: int, bits_per_pixel: int, file_size: int) -> None:
    """Refuse a header that promises more than so few bytes can hold, whatever they are.

    JPEG: a block of 64 samples takes at least one bit in one scan, which with 4:2:0 is 341 pixels a byte and 512 in
    grey; 2000 leaves room for coders not thought of. PNG: deflate's own bound. BMP: a run of 255 pixels in two bytes.
    WebP and the fax codes of bilevel TIFFs have no bound (a flat picture is a few bytes), so for those `MAX_PIXELS`
    alone holds.

    Args:
        name: the file as messages name it.
        kind: "JPEG", "PNG" or "BMP"; others are let through.
        pixels: width times height.
        bits_per_pixel: as stored.
        file_size: bytes.
    """
    deflated = 8 * DEFLATE_RATIO * file_size // max(bits_per_pixel, 1)
    bound = {"JPEG": 2000 * file_size, "PNG": deflated, "BMP": 128 * file_size}.get(kind)
    if bound is not None and pixels > bound + _SLACK * 8:
        raise UnreadablePhotoError(
            f"{name}: its header promises {pixels:,} pixels, more than {file_size:,} bytes can hold; "
            "it is cut short or made up, so copy it again from its source."
        )
