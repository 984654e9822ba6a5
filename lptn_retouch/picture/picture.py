"""A picture as it is saved: pixels, what they carry, and where they came from."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from lptn_retouch.color import converted, read_profile, srgb_profile
from lptn_retouch.metadata import Metadata
from lptn_retouch.metadata.recipe import Recipe
from lptn_retouch.picture.samples import Pixels


@dataclass(frozen=True)
class Source:
    """Where a photo came from, and what about that decides how it is saved again.

    Args:
        format: "JPEG", "PNG", "TIFF", "WEBP", "AVIF", "HEIC", "JPEG XL", "JPEG 2000", "GIF", "BMP", "RAW:" and the kind
            ("RAW:CR2"), or "memory".
        bit_depth: bits per channel of the pixels: 8, 16, or 32 for float.
        path: the file, absolute; None for a photo made in memory.
        grey: the file holds one channel; the pixels repeat it three times, and saving turns them to luma again.
        subsampling: a JPEG's chroma subsampling, "4:4:4", "4:2:2" or "4:2:0"; None for others.
        file_size: bytes on disk.
        sha256: of the file, in hexadecimal.
        modified: when the file was last written, nanoseconds since 1970; a result keeps it.
    """

    format: str = "memory"
    bit_depth: int = 8
    path: Path | None = None
    grey: bool = False
    subsampling: str | None = None
    file_size: int | None = None
    sha256: str | None = None
    modified: int | None = None


@dataclass(frozen=True, eq=False)
class Picture:
    """What a `Photo` is made of, for those that save it or make it small.

    Args:
        pixels: (H, W, 3) or (H, W, 4), the fourth being alpha; uint8, uint16, or float32 in [0, 1].
        metadata: what it carries, its ICC profile among it.
        source: where it came from.
        recipe: what was done to it; None for nothing.
    """

    pixels: Pixels
    metadata: Metadata = field(default_factory=Metadata)
    source: Source = field(default_factory=Source)
    recipe: Recipe | None = None

    @property
    def width(self) -> int:
        """Pixels across."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Pixels down."""
        return int(self.pixels.shape[0])

    def in_srgb(self) -> Picture:
        """The same in sRGB, the picture itself if it is; see `Photo.to_srgb`."""
        space, doubts = read_profile(self.metadata.icc, grey=self.source.grey)
        if space.is_srgb:  # a profile that cannot be used is gone, or another program might use it after all
            return replace(self, metadata=self.metadata.with_icc(None)) if doubts else self
        metadata = self.metadata.declared_srgb(srgb_profile())
        if self.source.grey:  # the profile is one of RGB, which is not for pictures of one channel
            metadata = metadata.with_icc(None)
        return replace(self, pixels=converted(self.pixels, space), metadata=metadata)
