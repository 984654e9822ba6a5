"""The metadata of a picture of any container, as blocks."""

from collections.abc import Callable
from importlib import import_module

from lptn_retouch.metadata.blocks import Block
from lptn_retouch.metadata.metadata import Metadata
from lptn_retouch.metadata.tiff import Buffer

# Module and function by container; imported when asked for.
_READERS = {
    "JPEG": ("segments", "metadata_blocks"),
    "PNG": ("png", "png_blocks"),
    "WEBP": ("webp", "webp_blocks"),
    "GIF": ("gif", "gif_blocks"),
    "TIFF": ("tiff_file", "tiff_blocks"),
    "AVIF": ("heif", "heif_blocks"),
    "HEIC": ("heif", "heif_blocks"),
    "JPEG XL": ("jxl", "jxl_blocks"),
}


def read_metadata(data: Buffer, kind: str) -> Metadata:
    """Everything that a picture's file carries besides its pixels.

    Args:
        data: the whole file.
        kind: its container as `formats.detect` names it.

    Returns:
        The blocks that are sound; none for containers that hold none.

    >>> read_metadata(bytes.fromhex("ffd8 fffe 0004 6869 ffd9"), "JPEG").blocks
    (Block(marker=254, data=b'hi'),)
    """
    if kind not in _READERS:
        return Metadata()
    module, function = _READERS[kind]
    read: Callable[[Buffer], tuple[Block, ...]] = getattr(import_module(f"lptn_retouch.metadata.{module}"), function)
    return Metadata(read(data))
