"""Metadata that travels with a picture: read as blocks, corrected in place, spliced back, and compared tag by tag."""

from lptn_retouch.metadata.blocks import Block, Kind
from lptn_retouch.metadata.compare import Diff, TagVerdict, compare
from lptn_retouch.metadata.exif_patch import PatchedExif, ThumbnailMaker, patch_exif
from lptn_retouch.metadata.jpeg import splice_jpeg
from lptn_retouch.metadata.metadata import Metadata
from lptn_retouch.metadata.raw import exif_from_raw, metadata_from_raw
from lptn_retouch.metadata.segments import Segment, jpeg_segments

__all__ = [
    "Block",
    "Diff",
    "Kind",
    "Metadata",
    "PatchedExif",
    "Segment",
    "TagVerdict",
    "ThumbnailMaker",
    "compare",
    "exif_from_raw",
    "jpeg_segments",
    "metadata_from_raw",
    "patch_exif",
    "splice_jpeg",
]
