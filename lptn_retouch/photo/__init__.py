"""The photograph as a value: upright pixels, what their numbers mean, metadata, and where it came from. No codec."""

from lptn_retouch.photo.photo import Photo, Saved, Source

__all__ = ["Photo", "Saved", "Source"]
