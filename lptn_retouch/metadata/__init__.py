"""Metadata that travels with a picture: read as blocks, corrected in place, spliced back, and compared tag by tag."""

from lptn_retouch.metadata.blocks import Block, Kind
from lptn_retouch.metadata.exif_patch import PatchedExif, ThumbnailMaker, patch_exif
from lptn_retouch.metadata.jpeg import splice_jpeg
from lptn_retouch.metadata.metadata import Metadata
from lptn_retouch.metadata.segments import Segment, jpeg_segments

__all__ = [
    "Block",
    "Kind",
    "Metadata",
    "PatchedExif",
    "Segment",
    "ThumbnailMaker",
    "jpeg_segments",
    "patch_exif",
    "splice_jpeg",
]
