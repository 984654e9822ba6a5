"""A `Photo` as the bytes of a file: at which depth, with which metadata, and by whose codec."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np

from lptn_retouch.arguments import check_floats
from lptn_retouch.budget import LEAST, best_within
from lptn_retouch.codecs.jpeg.embed import splice_jpeg
from lptn_retouch.codecs.pillow import quiet
from lptn_retouch.color import is_of_grey
from lptn_retouch.errors import LptnRetouchError, UnwritablePhotoError, UsageError, shown
from lptn_retouch.files import as_path, check_target, write_atomically
from lptn_retouch.kinds import MetadataChoice, ProfileChoice
from lptn_retouch.metadata import Metadata
from lptn_retouch.metadata.recipe import with_recipe
from lptn_retouch.photo import Photo, Saved
from lptn_retouch.photo.samples import Pixels, as_stored, at_depth, on_white
from lptn_retouch.thumbnail import thumbnailer


@dataclass(frozen=True)
class Format:
    """What files of one kind can hold.

    Args:
        depths: bits a channel, the least first; 32 is floating point.
        longest: most pixels a side that decoders take, which is less than some headers have room for; None where it is
            more than is opened.
        alpha: whether it holds transparency.
        grey: whether it holds pictures of one channel, and so profiles for them.
        profiles: whether it holds an ICC profile; without, results are in sRGB.
        largest: most pixels in all that decoders take; None where it is more than is opened.
    """

    depths: tuple[int, ...]
    longest: int | None
    alpha: bool
    grey: bool = True
    profiles: bool = True
    largest: int | None = None


FORMATS = {  # the bounds are those of libjpeg, libpng, libwebp and libavif
    "JPEG": Format((8,), 65500, False),
    "PNG": Format((8, 16), 1_000_000, True),
    "TIFF": Format((8, 16, 32), None, True),
    "WEBP": Format((8,), 16383, True, grey=False),
    "AVIF": Format((8, 16), 32768, True, grey=False, largest=1 << 28),
    "JPEG XL": Format((8, 16), None, True, profiles=False),
}
ENDINGS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".tif": "TIFF", ".tiff": "TIFF", ".webp": "WEBP",
           ".avif": "AVIF", ".jxl": "JPEG XL"}  # fmt: skip
METADATA: tuple[str, ...] = get_args(MetadataChoice)
PROFILES: tuple[str, ...] = get_args(ProfileChoice)
LOSSLESS = ("PNG", "TIFF")

Coded = tuple[list[bytes | memoryview], tuple[str, ...]]  # a file in parts, and notices


def save(
    photo: Photo,
    path: str | os.PathLike[str],
    *,
    quality: int,
    bit_depth: int | None,
    metadata: str,
    profile: str,
    max_size: int | None = None,
    overwrite: bool = True,
) -> Saved:
    """Write a photo; see `Photo.save`."""
    target = as_path(path)
    kind = _checked(photo, target, quality, bit_depth, metadata, profile)
    if max_size is not None and (isinstance(max_size, bool) or not isinstance(max_size, int) or max_size < 1):
        raise UsageError(f"max_size is a number of bytes, 500_000 for example, or None, not {max_size!r}.")
    check_target(target, photo.source.path, overwrite=overwrite)
    format = FORMATS[kind]
    notices: list[str] = []
    if profile == "srgb" or not format.profiles or (photo.source.grey and not format.grey):
        narrow = photo.to_srgb()
        if profile == "keep" and narrow is not photo:
            notices.append(f"{_a(kind)} is written without such a profile, so its colours were converted to sRGB.")
        photo = narrow
    if photo.source.grey and not format.grey and is_of_grey(photo.metadata.icc):  # one that amounts to sRGB
        photo = replace(photo, metadata=photo.metadata.with_icc(None))
    pixels = at_depth(photo.pixels, bit_depth or _nearest_depth(photo, format))
    if pixels.shape[2] == 4 and not format.alpha:
        if pixels[:, :, 3].min() < np.iinfo(pixels.dtype).max:
            notices.append(f"{_a(kind)} holds no transparency, so the picture was laid on white.")
        pixels = on_white(pixels)

    def coded(quality: int) -> Coded:
        told, said = _told(photo, carried, _settings(quality, bit_depth, metadata, profile))
        content, left_out = _encoded(photo, pixels, told, kind, quality)
        return content, (*said, *left_out)

    try:
        with quiet():
            carried, first = _carried(photo, metadata)
            notices += first
            if max_size is None:
                content, said = coded(quality)
            else:
                least = quality if kind in LOSSLESS else min(LEAST, quality)
                content, said = best_within(max_size, quality, coded, _size, least)
                _check_fits(_size((content, said)), max_size, photo, target, kind, least)
    except LptnRetouchError:
        raise
    except MemoryError:
        raise UnwritablePhotoError(
            f"{shown(target)}: there is not enough memory to write it; close other programs."
        ) from None
    except Exception as error:
        raise UnwritablePhotoError(
            f"{shown(target)}: it could not be encoded as {kind}; choose another format."
        ) from error
    write_atomically(
        target,
        lambda file: file.writelines(content),
        photo.source.modified if metadata != "none" else None,
        overwrite=overwrite,
    )
    return Saved(target, (*notices, *said))


def _size(coded: Coded) -> int:
    return sum(len(part) for part in coded[0])


def _check_fits(size: int, most: int, photo: Photo, target: Path, kind: str, least: int) -> None:
    """Raise an UnwritablePhotoError where not even the lowest quality fits, with a size that is likely to."""
    if size <= most:
        return
    longest = max(photo.width, photo.height)
    # A smaller picture has more detail in each of its pixels, and the same metadata.
    edge = max(16, int(longest * 0.9 * (most / size) ** 0.6) // 10 * 10)
    at = "" if kind in LOSSLESS else f" even at quality {least}"
    other = " or choose .jpg," if kind in LOSSLESS else ""
    raise UnwritablePhotoError(
        f"{shown(target)}: it takes {size / 1000:,.0f} KB{at}, more than {most / 1000:,.0f} KB;{other} make it "
        f"smaller, with --long-edge {edge} for example."
    )


def _a(kind: str) -> str:
    return {"AVIF": "An AVIF", "WEBP": "A WebP"}.get(kind, f"A {kind}")


def _checked(photo: Photo, target: Path, quality: int, bit_depth: int | None, metadata: str, profile: str) -> str:
    name = shown(target)
    if isinstance(quality, bool) or not isinstance(quality, int) or not 1 <= quality <= 100:
        raise UsageError(f"quality is a whole number from 1 to 100, not {quality!r}; 92 suits photographs.")
    if bit_depth not in (None, 8, 16, 32):
        raise UsageError(f"bit_depth is 8, 16, 32 or None, not {bit_depth!r}; leave it out to let the format decide.")
    for word, choice, choices in (("metadata", metadata, METADATA), ("profile", profile, PROFILES)):
        if choice not in choices:
            raise UsageError(f"{word} is one of {', '.join(choices)}, not {choice!r}; leave it out to keep all.")
    kind = ENDINGS.get(target.suffix.lower())
    if kind is None:
        raise UnwritablePhotoError(
            f"{name}: its extension names no format that is written; use .jpg, .png, .tif, .webp, .avif or .jxl."
        )
    if photo.pixels.dtype == np.float32:
        try:
            check_floats(photo.pixels)
        except UsageError as error:
            raise UsageError(f"{name}: {error}") from None
    depths = FORMATS[kind].depths
    if bit_depth and bit_depth not in depths:
        raise UnwritablePhotoError(
            f"{name}: a {kind} holds {' or '.join(map(str, depths))} bits a channel, not {bit_depth}; "
            "leave the bit depth out, or save it as .tif."
        )
    longest, largest = FORMATS[kind].longest, FORMATS[kind].largest
    if longest and max(photo.width, photo.height) > longest:
        raise UnwritablePhotoError(
            f"{name}: a {kind} has at most {longest} pixels a side, and the picture is {photo.width} x {photo.height}; "
            "save it as .tif."
        )
    if largest and photo.width * photo.height > largest:
        raise UnwritablePhotoError(
            f"{name}: a {kind} has at most {largest:,} pixels, and the picture is {photo.width} x {photo.height}; "
            "save it as .tif."
        )
    return kind


def _nearest_depth(photo: Photo, format: Format) -> int:
    """The photo's own depth, or the greatest below it that the format holds."""
    own = 8 * photo.pixels.itemsize
    return max(depth for depth in format.depths if depth <= own)


def _settings(quality: int, bit_depth: int | None, metadata: str, profile: str) -> dict[str, Any]:
    """How it is saved, for the recipe."""
    return {"quality": quality, "bit_depth": bit_depth, "metadata": metadata, "profile": profile}


def _carried(photo: Photo, choice: str) -> tuple[Metadata, tuple[str, ...]]:
    """What travels with the result. Its colour profile always does: without it the numbers mean other colours."""
    if choice == "none":
        return Metadata.build(icc=photo.metadata.icc), ()
    metadata, notices = photo.metadata.for_result(
        width=photo.width, height=photo.height, turned=True, make_thumbnail=thumbnailer(photo)
    )
    if choice == "strip-private":
        from lptn_retouch.metadata.private import without_private

        metadata, said = without_private(metadata)
        notices = (*notices, *said)
    return metadata, tuple(notices)


def _told(photo: Photo, metadata: Metadata, settings: dict[str, Any]) -> tuple[Metadata, tuple[str, ...]]:
    """The metadata with the recipe in it, where there is one and metadata is wanted."""
    if photo.recipe is None or settings["metadata"] == "none":
        return metadata, ()
    recipe = replace(photo.recipe, **settings)
    if settings["metadata"] == "strip-private":
        recipe = replace(recipe, source_name="", source_sha256="", mask_name="")
    metadata, said = with_recipe(metadata, recipe, altered=bool(recipe.alters))
    return metadata, tuple(said)


def _encoded(
    photo: Photo, pixels: Pixels, metadata: Metadata, kind: str, quality: int
) -> tuple[list[bytes | memoryview], tuple[str, ...]]:
    """The file, in parts: the codec's bare picture, the blocks put in; and what the container had no place for."""
    pixels = np.ascontiguousarray(pixels).reshape(-1).reshape(pixels.shape)  # codecs ask for the strides of a copy
    samples = as_stored(pixels, metadata.icc, grey=photo.source.grey)
    if kind == "JPEG":
        from lptn_retouch.codecs.jpeg import pixels as jpeg

        head, *scan = jpeg.encode_parts(samples, quality, photo.source.subsampling or "4:4:4")
        spliced, notices = splice_jpeg(bytes(head), metadata)
        return [spliced, *scan], notices
    if kind == "PNG":
        from lptn_retouch.codecs.png import pixels as png
        from lptn_retouch.codecs.png.blocks import splice_png

        content, notices = splice_png(png.encode(samples), metadata)
    elif kind == "TIFF":
        from lptn_retouch.codecs.tiff import pixels as tiff
        from lptn_retouch.codecs.tiff.blocks import byte_order, splice_tiff

        content, notices = splice_tiff(tiff.encode(samples, ">" if byte_order(metadata) == ">" else "<"), metadata)
    elif kind == "WEBP":
        from lptn_retouch.codecs.webp import pixels as webp
        from lptn_retouch.codecs.webp.blocks import splice_webp

        content, notices = splice_webp(webp.encode(pixels, quality), metadata)
    elif kind == "AVIF":
        from lptn_retouch.codecs.heif import avif
        from lptn_retouch.codecs.heif.blocks import splice_avif

        content, notices = splice_avif(avif.encode(pixels, quality), metadata)
    else:
        from lptn_retouch.codecs.jxl import pixels as jxl
        from lptn_retouch.codecs.jxl.blocks import splice_jxl

        content, notices = splice_jxl(jxl.encode(samples, quality), metadata)
    return [content], notices
