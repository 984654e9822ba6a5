"""The metadata of a picture of any container, as blocks."""

from collections.abc import Callable
from importlib import import_module

from lptn_retouch.metadata.blocks import Block
from lptn_retouch.metadata.metadata import Metadata
from lptn_retouch.structures import Buffer

# Module and function by container; imported when asked for.
_READERS = {
    "JPEG": ("metadata.blocks", "metadata_blocks"),
    "PNG": ("codecs.png.blocks", "png_blocks"),
    "WEBP": ("codecs.webp.blocks", "webp_blocks"),
    "GIF": ("codecs.gif", "gif_blocks"),
    "TIFF": ("codecs.tiff.blocks", "tiff_blocks"),
    "AVIF": ("codecs.heif.blocks", "heif_blocks"),
    "HEIC": ("codecs.heif.blocks", "heif_blocks"),
    "JPEG XL": ("codecs.jxl.blocks", "jxl_blocks"),
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
    read: Callable[[Buffer], tuple[Block, ...]] = getattr(import_module(f"lptn_retouch.{module}"), function)
    return Metadata(read(data))
