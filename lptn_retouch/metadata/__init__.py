"""Metadata that travels with a picture, as blocks: corrected in place, never taken apart and rebuilt."""

from lptn_retouch.metadata.blocks import Block, Kind
from lptn_retouch.metadata.metadata import Metadata

__all__ = ["Block", "Kind", "Metadata"]
