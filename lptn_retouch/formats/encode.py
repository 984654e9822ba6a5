"""A `Photo` as the bytes of a JPEG, PNG, TIFF or WebP."""

import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lptn_retouch.errors import (
    LptnRetouchError,
    UnsupportedPhotoError,
    UnwritablePhotoError,
    UsageError,
    reason,
    shown,
)
from lptn_retouch.formats import jpeg
from lptn_retouch.formats.blocks import STORAGE_TAGS
from lptn_retouch.formats.files import as_path, check_target, write_atomically
from lptn_retouch.formats.photo import Photo, Saved
from lptn_retouch.formats.pillow import quiet
from lptn_retouch.metadata import Kind, Metadata, splice_jpeg

_FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".tif": "TIFF", ".tiff": "TIFF", ".webp": "WEBP"}
_METADATA = ("keep", "none")
_LONGEST_SIDE = {"JPEG": 65535, "WEBP": 16383}
_THUMBNAIL_QUALITIES = (85, 75, 60, 45, 30)
_JPEG_ONLY = {
    Kind.PHOTOSHOP: "IPTC and Photoshop data",
    Kind.EXTENDED_XMP: "extended XMP",
    Kind.COMMENT: "comments",
}


def save(photo: Photo, path: str | os.PathLike[str], *, quality: int, bit_depth: int | None, metadata: str) -> Saved:
    """Write a photo; see `Photo.save`."""
    target = as_path(path)
    kind = _checked(photo, target, quality, bit_depth, metadata)
    name = shown(target)
    notices: list[str] = []
    pixels = eight_bits(photo.pixels)
    if photo.pixels.dtype != np.uint8 and kind in ("PNG", "TIFF"):
        bits = photo.pixels.itemsize * 8
        notices.append(f"Its {bits} bits a channel were rounded to 8, as this version does not write more.")
    if kind == "JPEG" and pixels.shape[2] == 4:
        if pixels[:, :, 3].min() < 255:
            notices.append("A JPEG holds no transparency, so the picture was laid on white.")
        pixels = _on_white(pixels)
    try:
        with quiet():
            carried, said = _metadata(photo, pixels, metadata)
            notices += said
            content, left_out = _ENCODERS[kind](_Job(pixels, carried, photo, quality))
            notices += left_out
    except (LptnRetouchError, MemoryError):
        raise
    except Exception as error:
        raise UnwritablePhotoError(
            f"{name}: it could not be encoded as {kind} ({reason(error)}); choose another format."
        ) from error
    write_atomically(target, lambda file: file.write(content))
    return Saved(target, tuple(notices))


def _checked(photo: Photo, target: Path, quality: int, bit_depth: int | None, metadata: str) -> str:
    name = shown(target)
    if isinstance(quality, bool) or not isinstance(quality, int) or not 1 <= quality <= 100:
        raise UsageError(f"quality is a whole number from 1 to 100, not {quality!r}; 92 suits photographs.")
    if bit_depth not in (None, 8, 16):
        raise UsageError(f"bit_depth is 8, 16 or None, not {bit_depth!r}; leave it out to let the format decide.")
    if metadata not in _METADATA:
        raise UsageError(f'metadata is "keep" or "none" in this version, not {metadata!r}; leave it out to keep all.')
    kind = _FORMATS.get(target.suffix.lower())
    if kind is None:
        raise UnwritablePhotoError(
            f"{name}: its extension names no format this version writes; use .jpg, .png, .tif or .webp."
        )
    check_target(target, photo.source.path)
    if bit_depth == 16:
        raise UnsupportedPhotoError(f"{name}: this version does not write 16 bits a channel; leave bit_depth out.")
    limit = _LONGEST_SIDE.get(kind)
    if limit and max(photo.width, photo.height) > limit:
        raise UnwritablePhotoError(
            f"{name}: a {kind} has at most {limit} pixels a side, and the picture is {photo.width} x {photo.height}; "
            "save it as .png or .tif."
        )
    return kind


def eight_bits(pixels: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Pixels of any accepted type as uint8, rounded to the nearest."""
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype == np.uint16:
        table = ((np.arange(65536, dtype=np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
        return np.take(table, pixels)
    clean = np.nan_to_num(pixels, nan=0.0, posinf=1.0, neginf=0.0)
    return np.asarray(np.clip(clean, 0, 1) * np.float32(255) + np.float32(0.5), np.uint8)


def _on_white(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    alpha = pixels[:, :, 3:].astype(np.uint32)
    return np.asarray((pixels[:, :, :3] * alpha + 255 * (255 - alpha) + 127) // 255, np.uint8)


def _image(pixels: npt.NDArray[np.uint8], grey: bool) -> Any:
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(pixels))
    if not grey:
        return image
    return image.convert("LA" if pixels.shape[2] == 4 else "L")


def _metadata(photo: Photo, pixels: npt.NDArray[np.uint8], choice: str) -> tuple[Metadata, tuple[str, ...]]:
    """What travels with the result. Its colour profile always does: without it the numbers mean other colours."""
    if choice == "none":
        return Metadata.build(icc=photo.metadata.icc), ()
    return photo.metadata.for_result(
        width=photo.width, height=photo.height, turned=True, make_thumbnail=_thumbnailer(pixels)
    )


def _thumbnailer(pixels: npt.NDArray[np.uint8]) -> Callable[[tuple[int, int], int], bytes | None]:
    """The maker of the small JPEG inside EXIF, of the retouched picture, no larger than the place of the old one."""

    def make(box: tuple[int, int], most: int) -> bytes | None:
        from PIL import Image

        scale = min(box[0] / pixels.shape[1], box[1] / pixels.shape[0], 1.0)
        size = max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale))
        skip = max(1, int(1 / (8 * scale)))  # 64 pixels for each of the thumbnail's are enough
        some = pixels[::skip, ::skip]
        colours = _on_white(some) if pixels.shape[2] == 4 else some
        image = Image.fromarray(np.ascontiguousarray(colours))
        small = image.resize(size, Image.Resampling.BOX, reducing_gap=2.0)
        for quality in _THUMBNAIL_QUALITIES:
            out = io.BytesIO()
            small.save(out, "JPEG", quality=quality)
            if out.tell() <= most:
                return out.getvalue()
        return None

    return make


@dataclass(frozen=True)
class _Job:
    pixels: npt.NDArray[np.uint8]
    metadata: Metadata
    photo: Photo
    quality: int

    @property
    def image(self) -> Any:
        return _image(self.pixels, self.photo.source.grey)


def _jpeg(job: _Job) -> tuple[bytes, list[str]]:
    if job.photo.source.grey:
        out = io.BytesIO()
        job.image.save(out, "JPEG", quality=job.quality)
        encoded = out.getvalue()
    else:
        encoded = jpeg.encode(job.pixels, job.quality, job.photo.source.subsampling or "4:4:4")
    return splice_jpeg(encoded, job.metadata), []


def _png(job: _Job) -> tuple[bytes, list[str]]:
    from PIL import PngImagePlugin

    said = _left_out(job)
    text = PngImagePlugin.PngInfo()
    if job.metadata.xmp is not None:
        try:
            text.add_itxt("XML:com.adobe.xmp", job.metadata.xmp.decode("utf-8"))
        except UnicodeDecodeError:
            said.append("The XMP was left out, as it is not in the encoding that a PNG asks for.")
    out = io.BytesIO()
    job.image.save(out, "PNG", pnginfo=text, **_carried(job))
    return out.getvalue(), said


def _webp(job: _Job) -> tuple[bytes, list[str]]:
    out = io.BytesIO()
    job.image.save(out, "WEBP", quality=job.quality, xmp=job.metadata.xmp or b"", **_carried(job))
    return out.getvalue(), _left_out(job)


def _tiff(job: _Job) -> tuple[bytes, list[str]]:
    from PIL import Image

    said = _left_out(job)
    tags = Image.Exif()
    if job.metadata.exif is not None:
        try:
            tags.load(job.metadata.exif)
            for tag in STORAGE_TAGS.intersection(tags):
                del tags[tag]
        except Exception as error:  # a picture is not lost for a bad block
            said.append(f"The EXIF was left out, as it is damaged ({reason(error)}).")
            tags = Image.Exif()
    if 0x8769 in tags:
        said.append("The EXIF was written anew for a TIFF, which can break what camera makers keep in their notes.")
    if job.metadata.xmp is not None:
        tags[700] = job.metadata.xmp
    profile = {"icc_profile": job.metadata.icc} if job.metadata.icc else {}
    out = io.BytesIO()
    # Pillow hands compressed TIFFs to libtiff, which takes no Exif and GPS directories; its own writer does.
    nested = any(tag in tags for tag in (0x8769, 0x8825))
    try:
        job.image.save(out, "TIFF", compression="raw" if nested else "tiff_adobe_deflate", exif=tags, **profile)
    except Exception as error:
        out = io.BytesIO()
        job.image.save(out, "TIFF", compression="tiff_adobe_deflate", **profile)
        said.append(f"EXIF and XMP were left out, as this TIFF could not take them ({reason(error)}).")
    return out.getvalue(), said


def _carried(job: _Job) -> dict[str, bytes]:
    found = {"exif": job.metadata.exif, "icc_profile": job.metadata.icc}
    return {key: block for key, block in found.items() if block}


def _left_out(job: _Job) -> list[str]:
    """One sentence on what only a JPEG carries in this version."""
    kinds = [text for kind, text in _JPEG_ONLY.items() if any(b.kind is kind for b in job.metadata.blocks)]
    return [f"Left out, as only a JPEG carries it in this version: {', '.join(kinds)}."] if kinds else []


_ENCODERS: dict[str, Callable[[_Job], tuple[bytes, list[str]]]] = {
    "JPEG": _jpeg,
    "PNG": _png,
    "TIFF": _tiff,
    "WEBP": _webp,
}
