"""Photographs in and out of files: `open_photo`, `Photo`, `Photo.save`. NumPy, Pillow and LibRaw; no torch."""

from lptn_retouch.formats.detect import detect
from lptn_retouch.formats.opening import open_photo
from lptn_retouch.formats.photo import Photo, Saved, Source

__all__ = ["Photo", "Saved", "Source", "detect", "open_photo"]
