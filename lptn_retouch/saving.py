"""A picture as the bytes of a file: at which depth, with which metadata, and by whose codec."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lptn_retouch.arguments import check_floats
from lptn_retouch.budget import LEAST, best_within
from lptn_retouch.choices import METADATA, PROFILES
from lptn_retouch.codecs.format import Coding, Format, Holds, Parts
from lptn_retouch.codecs.pillow import quiet
from lptn_retouch.codecs.registry import WRITTEN
from lptn_retouch.color import is_of_grey
from lptn_retouch.errors import LptnRetouchError, UnwritablePhotoError, UsageError, shown
from lptn_retouch.files import as_path, check_target, write_atomically
from lptn_retouch.metadata import Metadata
from lptn_retouch.metadata.recipe import with_recipe
from lptn_retouch.picture.picture import Picture
from lptn_retouch.picture.samples import Pixels, as_stored, at_depth, on_white
from lptn_retouch.thumbnail import thumbnailer

Coded = tuple[Parts, tuple[str, ...]]  # a file, and notices


@dataclass(frozen=True)
class Saved:
    """What a save did: the file written, and what the user should know about it, one sentence each."""

    path: Path
    notices: tuple[str, ...] = ()


def save(
    picture: Picture,
    path: str | os.PathLike[str],
    *,
    quality: int,
    bit_depth: int | None,
    metadata: str,
    profile: str,
    max_size: int | None = None,
    overwrite: bool = True,
) -> Saved:
    """Write a picture; see `Photo.save`."""
    target = as_path(path)
    format, holds = _checked(picture, target, quality, bit_depth, metadata, profile)
    if max_size is not None and (isinstance(max_size, bool) or not isinstance(max_size, int) or max_size < 1):
        raise UsageError(f"max_size is a number of bytes, 500_000 for example, or None, not {max_size!r}.")
    check_target(target, picture.source.path, overwrite=overwrite)
    notices: list[str] = []
    if profile == "srgb" or not holds.profiles or (picture.source.grey and not holds.grey):
        narrow = picture.in_srgb()
        if profile == "keep" and narrow is not picture:
            notices.append(f"{_a(format)} is written without such a profile, so its colours were converted to sRGB.")
        picture = narrow
    if picture.source.grey and not holds.grey and is_of_grey(picture.metadata.icc):  # one that amounts to sRGB
        picture = replace(picture, metadata=picture.metadata.with_icc(None))
    pixels = at_depth(picture.pixels, bit_depth or _nearest_depth(picture, holds))
    if pixels.shape[2] == 4 and not holds.alpha:
        if pixels[:, :, 3].min() < np.iinfo(pixels.dtype).max:
            notices.append(f"{_a(format)} holds no transparency, so the picture was laid on white.")
        pixels = on_white(pixels)

    def coded(quality: int) -> Coded:
        told, said = _told(picture, carried, _settings(quality, bit_depth, metadata, profile))
        content, left_out = _encoded(picture, pixels, told, format, quality)
        return content, (*said, *left_out)

    try:
        with quiet():
            carried, first = _carried(picture, metadata)
            notices += first
            if max_size is None:
                content, said = coded(quality)
            else:
                least = quality if holds.lossless else min(LEAST, quality)
                content, said = best_within(max_size, quality, coded, _size, least)
                _check_fits(_size((content, said)), max_size, picture, target, holds, least)
    except LptnRetouchError:
        raise
    except MemoryError:
        raise UnwritablePhotoError(
            f"{shown(target)}: there is not enough memory to write it; close other programs."
        ) from None
    except Exception as error:
        raise UnwritablePhotoError(
            f"{shown(target)}: it could not be encoded as {format.name}; choose another format."
        ) from error
    write_atomically(
        target,
        lambda file: file.writelines(content),
        picture.source.modified if metadata != "none" else None,
        overwrite=overwrite,
    )
    return Saved(target, (*notices, *said))


def _size(coded: Coded) -> int:
    return sum(len(part) for part in coded[0])


def _check_fits(size: int, most: int, picture: Picture, target: Path, holds: Holds, least: int) -> None:
    """Raise an UnwritablePhotoError where not even the lowest quality fits, with a size that is likely to."""
    if size <= most:
        return
    longest = max(picture.width, picture.height)
    # A smaller picture has more detail in each of its pixels, and the same metadata.
    edge = max(16, int(longest * 0.9 * (most / size) ** 0.6) // 10 * 10)
    at = "" if holds.lossless else f" even at quality {least}"
    other = " or choose .jpg," if holds.lossless else ""
    raise UnwritablePhotoError(
        f"{shown(target)}: it takes {size / 1000:,.0f} KB{at}, more than {most / 1000:,.0f} KB;{other} make it "
        f"smaller, with --long-edge {edge} for example."
    )


def _a(format: Format[Any]) -> str:
    """Its name at the start of a sentence."""
    return format.spoken[0].upper() + format.spoken[1:]


def _checked(
    picture: Picture, target: Path, quality: int, bit_depth: int | None, metadata: str, profile: str
) -> tuple[Format[Any], Holds]:
    """The format of a name, and what it holds, where all that is asked for can be."""
    name = shown(target)
    if isinstance(quality, bool) or not isinstance(quality, int) or not 1 <= quality <= 100:
        raise UsageError(f"quality is a whole number from 1 to 100, not {quality!r}; 92 suits photographs.")
    if bit_depth not in (None, 8, 16, 32):
        raise UsageError(f"bit_depth is 8, 16, 32 or None, not {bit_depth!r}; leave it out to let the format decide.")
    for word, choice, choices in (("metadata", metadata, METADATA), ("profile", profile, PROFILES)):
        if choice not in choices:
            raise UsageError(f"{word} is one of {', '.join(choices)}, not {choice!r}; leave it out to keep all.")
    format = WRITTEN.get(target.suffix.lower())
    if format is None or format.holds is None:
        usual = [format.endings[0] for format in dict.fromkeys(WRITTEN.values())]
        raise UnwritablePhotoError(
            f"{name}: its extension names no format that is written; use {', '.join(usual[:-1])} or {usual[-1]}."
        )
    holds = format.holds
    if picture.pixels.dtype == np.float32:
        try:
            check_floats(picture.pixels)
        except UsageError as error:
            raise UsageError(f"{name}: {error}") from None
    if bit_depth and bit_depth not in holds.depths:
        raise UnwritablePhotoError(
            f"{name}: {format.spoken} holds {' or '.join(map(str, holds.depths))} bits a channel, not {bit_depth}; "
            "leave the bit depth out, or save it as .tif."
        )
    if holds.longest and max(picture.width, picture.height) > holds.longest:
        raise UnwritablePhotoError(
            f"{name}: {format.spoken} has at most {holds.longest} pixels a side, and the picture is {picture.width} x "
            f"{picture.height}; save it as .tif."
        )
    if holds.largest and picture.width * picture.height > holds.largest:
        raise UnwritablePhotoError(
            f"{name}: {format.spoken} has at most {holds.largest:,} pixels, and the picture is {picture.width} x "
            f"{picture.height}; save it as .tif."
        )
    return format, holds


def _nearest_depth(picture: Picture, holds: Holds) -> int:
    """The photo's own depth, or the greatest below it that the format holds."""
    own = 8 * picture.pixels.itemsize
    return max(depth for depth in holds.depths if depth <= own)


def _settings(quality: int, bit_depth: int | None, metadata: str, profile: str) -> dict[str, Any]:
    """How it is saved, for the recipe."""
    return {"quality": quality, "bit_depth": bit_depth, "metadata": metadata, "profile": profile}


def _carried(picture: Picture, choice: str) -> tuple[Metadata, tuple[str, ...]]:
    """What travels with the result. Its colour profile always does: without it the numbers mean other colours."""
    if choice == "none":
        return Metadata.build(icc=picture.metadata.icc), ()
    metadata, notices = picture.metadata.for_result(
        width=picture.width, height=picture.height, turned=True, make_thumbnail=thumbnailer(picture)
    )
    if choice == "strip-private":
        from lptn_retouch.metadata.private import without_private

        metadata, said = without_private(metadata)
        notices = (*notices, *said)
    return metadata, tuple(notices)


def _told(picture: Picture, metadata: Metadata, settings: dict[str, Any]) -> tuple[Metadata, tuple[str, ...]]:
    """The metadata with the recipe in it, where there is one and metadata is wanted."""
    if picture.recipe is None or settings["metadata"] == "none":
        return metadata, ()
    recipe = replace(picture.recipe, **settings)
    if settings["metadata"] == "strip-private":
        recipe = replace(recipe, source_name="", source_sha256="", mask_name="")
    metadata, said = with_recipe(metadata, recipe, altered=bool(recipe.alters))
    return metadata, tuple(said)


def _encoded(picture: Picture, pixels: Pixels, metadata: Metadata, format: Format[Any], quality: int) -> Coded:
    """The file, with metadata put into the codec's bare picture; and what the container had no place for."""
    samples = np.ascontiguousarray(pixels).reshape(-1).reshape(pixels.shape)  # codecs ask for the strides of a copy
    if format.holds is not None and format.holds.grey:
        samples = as_stored(samples, metadata.icc, grey=picture.source.grey)
    how = Coding(quality, picture.source.subsampling or "4:4:4", metadata.byte_order)
    head, *rest = format.encode(samples, how)
    first, notices = format.embed(bytes(head), metadata)
    return [first, *rest], notices
