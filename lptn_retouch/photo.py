"""The one value that flows through the library: a photograph, its colour space, its metadata and where it came from."""

import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lptn_retouch.choices import BitDepth, MetadataChoice, ProfileChoice
from lptn_retouch.errors import UsageError, shown
from lptn_retouch.metadata import Metadata
from lptn_retouch.picture.picture import Picture, Source
from lptn_retouch.picture.samples import Pixels

if TYPE_CHECKING:
    from PIL.Image import Image

    from lptn_retouch.metadata.recipe import Recipe
    from lptn_retouch.saving import Saved

_DTYPES = (np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.float32))


@dataclass(frozen=True, eq=False)
class Photo:
    """An upright photograph, immutable.

    Args:
        pixels: (H, W, 3) or (H, W, 4), the fourth being alpha; uint8, uint16, or float32 in [0, 1]. Held as a
            read-only view: don't write to the array you gave.
        color_space: what the numbers mean: "sRGB", or the description of the ICC profile in `metadata`.
        metadata: the file's blocks as they were read; the orientation in them is of the file as it lay, since the
            pixels here stand upright already, and `save` writes 1.
        source: where the photo came from.
        notices: things the user should know, one sentence each.
        recipe: what was done to it, written into the result's XMP; None for a photo as it was opened.

    Raises:
        UsageError: the array is not of such a shape or type.

    Example:
        >>> photo = Photo(np.zeros((2, 3, 3), np.uint8))
        >>> photo.width, photo.height, photo.source.format
        (3, 2, 'memory')
    """

    pixels: Pixels
    color_space: str = "sRGB"
    metadata: Metadata = field(default_factory=Metadata.build)
    source: Source = field(default_factory=Source)
    notices: tuple[str, ...] = ()
    recipe: "Recipe | None" = None

    def __post_init__(self) -> None:
        array = self.pixels
        if not isinstance(array, np.ndarray) or array.dtype not in _DTYPES:
            what = getattr(array, "dtype", type(array).__name__)
            raise UsageError(f"pixels are uint8, uint16 or float32 arrays, not {what}; convert them with astype().")
        if array.ndim != 3 or array.shape[2] not in (3, 4) or 0 in array.shape:
            raise UsageError(f"pixels have the shape (H, W, 3) or (H, W, 4), not {array.shape}; reshape or stack them.")
        view = array.view()
        view.flags.writeable = False
        object.__setattr__(self, "pixels", view)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Come back from a pickle or a deep copy as immutable as before."""
        self.__dict__.update(state)
        self.__post_init__()

    def __repr__(self) -> str:
        channels = "RGBA" if self.pixels.shape[2] == 4 else "RGB"
        where = f" {shown(self.source.path.name)}" if self.source.path else ""
        kind = f"{self.width}x{self.height} {channels} {self.pixels.dtype}"
        return f"Photo({kind}, {self.color_space}, {self.source.format}{where})"

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Pixels:
        """The pixels, for NumPy: a view that cannot be written to, unless another type or a copy is asked for.

        References:
            NumPy 2, the array interface's keywords `dtype` and `copy`.
        """
        wanted = self.pixels.dtype if dtype is None else np.dtype(dtype)
        if copy is False and wanted != self.pixels.dtype:
            raise ValueError(f"a photo of {self.pixels.dtype} is no {wanted} without a copy; leave copy=False out.")
        return self.pixels.astype(wanted, copy=bool(copy))

    def _repr_jpeg_(self) -> bytes | None:
        """What a notebook shows of it: small, in sRGB. With transparency that is a PNG."""
        from lptn_retouch.picture.display import as_shown

        return None if self.pixels.shape[2] == 4 else as_shown(self.picture, "JPEG")

    def _repr_png_(self) -> bytes | None:
        from lptn_retouch.picture.display import as_shown

        return as_shown(self.picture, "PNG") if self.pixels.shape[2] == 4 else None

    @property
    def picture(self) -> Picture:
        """What it is made of, as rooms below take it."""
        return Picture(self.pixels, self.metadata, self.source, self.recipe)

    @property
    def width(self) -> int:
        """Pixels across."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Pixels down."""
        return int(self.pixels.shape[0])

    def with_pixels(self, new_pixels: Pixels) -> "Photo":
        """The same photo with other pixels, made elsewhere; everything else is kept but what says how it was made.

        Args:
            new_pixels: (H, W, 3) or (H, W, 4), uint8, uint16 or float32 in [0, 1]; the size may differ.

        Raises:
            UsageError: the array is not of such a shape or type.

        Example:
            >>> photo = Photo(np.zeros((2, 3, 3), np.uint8), color_space="Display P3")
            >>> photo.with_pixels(np.ones((2, 3, 3), np.float32)).color_space
            'Display P3'
        """
        return replace(self, pixels=new_pixels, recipe=None, source=replace(self.source, sha256=None))

    def fitted(self, long_edge: int, *, sharpen: bool = True) -> "Photo":
        """The same photo, its longer side `long_edge` px at most; the photo itself if it is no larger.

        Args:
            long_edge: px, 1 or more.
            sharpen: give back, within bounds, what making it smaller takes from the finest detail.

        Raises:
            UsageError: `long_edge` is no such number.

        Example:
            >>> Photo(np.zeros((300, 400, 3), np.uint8)).fitted(200).pixels.shape
            (150, 200, 3)
        """
        from lptn_retouch.picture.resize import fitted

        if isinstance(long_edge, bool) or not isinstance(long_edge, int) or long_edge < 1:
            raise UsageError(f"long_edge is a whole number of pixels from 1, not {long_edge!r}.")
        if long_edge >= max(self.width, self.height):
            return self
        recipe = replace(self.recipe, long_edge=long_edge, sharpened=sharpen) if self.recipe is not None else None
        return replace(self, pixels=fitted(self.pixels, long_edge, sharpen=sharpen), recipe=recipe)

    def to_srgb(self) -> "Photo":
        """The same photo in sRGB, as browsers and the small web expect it; colours outside sRGB go to its edge.

        Returns:
            The photo itself if it is in sRGB already, else one with converted pixels of the same type and the sRGB
            profile in its metadata.

        Example:
            >>> photo = Photo(np.zeros((2, 3, 3), np.uint8))
            >>> photo.to_srgb() is photo
            True

        References:
            ICC.1:2022, media-relative colorimetric intent; IEC 61966-2-1.
        """
        picture = self.picture
        narrow = picture.in_srgb()
        if narrow is picture:
            return self
        name = self.color_space if narrow.pixels is self.pixels else "sRGB"
        return replace(self, pixels=narrow.pixels, color_space=name, metadata=narrow.metadata)

    def to_pil(self) -> "Image":
        """The same picture as a PIL image of 8 bits a channel, whatever the photo's own depth: Pillow has no more.

        Returns:
            Mode RGB or RGBA, L or LA for a photo from a grey file; in the photo's own colour space, with its ICC
            profile in `info`. No other metadata goes along.

        Raises:
            UsageError: floats are not meant as 0 to 1.

        Example:
            >>> Photo(np.full((2, 3, 3), 65535, np.uint16)).to_pil().getpixel((0, 0))
            (255, 255, 255)
        """
        from lptn_retouch.picture.display import as_pillow

        return as_pillow(self.picture)

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        quality: int = 92,
        bit_depth: BitDepth | None = None,
        metadata: MetadataChoice = "keep",
        profile: ProfileChoice = "keep",
        max_size: int | None = None,
        overwrite: bool = True,
    ) -> "Saved":
        """Write the photo to a file, whole or not at all, in the format of the name's extension.

        The picture is written beside its target under a hidden name, flushed to the disk and then renamed, so a
        failure at any moment leaves the target as it was.

        Args:
            path: ends in .jpg, .jpeg, .png, .tif, .tiff, .webp, .avif, .jxl or .jp2; never the file that was opened.
            quality: 1 to 100, for those that lose something; a JPEG from a JPEG keeps its chroma subsampling, others
                get 4:4:4.
            bit_depth: 8, 16, or 32 for floats; None for the photo's own, or the nearest that the format holds.
            metadata: "keep" carries everything over, with the file's date; "strip-private" leaves out places, serial
                numbers, owners, faces and maker notes; "none" writes pixels and their ICC profile only.
            profile: "keep" writes the numbers in the photo's own colour space, "srgb" converts them.
            max_size: most bytes of the file, metadata included: it is written at the best quality that fits, up to
                `quality`; None for any size.
            overwrite: replace a file that is there, unless it is read-only; False leaves every file as it is.

        Returns:
            The path written, and notices.

        Raises:
            UsageError: an argument is out of range, the target is the source, or floats are not meant as 0 to 1.
            UnwritablePhotoError: the format is not one of those above or does not hold this depth, the file is larger
                than `max_size` even at quality 40, or the disk said no.
            InTheWayError: a file is there that may not be replaced.

        Example:
            >>> import tempfile
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     Photo(np.zeros((2, 3, 3), np.uint8)).save(f"{folder}/black.png").path.name
            'black.png'
        """
        from lptn_retouch.saving import save

        return save(
            self.picture,
            path,
            quality=quality,
            bit_depth=bit_depth,
            metadata=metadata,
            profile=profile,
            max_size=max_size,
            overwrite=overwrite,
        )
