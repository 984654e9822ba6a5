"""JPEG, PNG, TIFF, WebP, GIF and BMP of 8 bits a channel, through Pillow.

Pillow reads 16-bit RGB as 8 bits without a word, so depths are read from the headers here, and refused.
"""

import os
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile

from lptn_retouch.errors import LptnRetouchError, UnreadablePhotoError, UnsupportedPhotoError, reason, shown
from lptn_retouch.formats import jpeg, tiffdir
from lptn_retouch.formats.blocks import read_metadata
from lptn_retouch.formats.chatter import chatter
from lptn_retouch.formats.icc import color_space
from lptn_retouch.formats.limits import Fits, check_plausible, check_size
from lptn_retouch.formats.orientation import upright
from lptn_retouch.formats.photo import Photo, Source
from lptn_retouch.formats.pillow import header, quiet
from lptn_retouch.formats.pngrows import has_all_rows

_GREY = ("1", "L", "LA", "La")
_COLOUR = {"YCbCr": "RGB", "RGBX": "RGB", "RGBa": "RGBA", "PA": "RGBA", "1": "L", "La": "LA"}
_SUBSAMPLING = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}
_BITS = {"1": 1, "L": 2, "P": 1, "LA": 16, "RGB": 24, "RGBA": 32}  # the fewest bits a PNG of this mode stores


def open_raster(file: BinaryIO, kind: str, path: Path, fits: Fits | None = None) -> Photo:
    """Open a picture of 8 bits a channel.

    Args:
        file: the open file, at its start.
        kind: one of "JPEG", "PNG", "TIFF", "WEBP", "GIF", "BMP".
        path: the file's absolute path.
        fits: asked before a pixel is decoded.

    Raises:
        UnreadablePhotoError: damaged or cut short.
        UnsupportedPhotoError: another depth or colour model than RGB and grey of 8 bits, or too large.
    """
    name = shown(path)
    size = os.fstat(file.fileno()).st_size
    _refuse_deep(file, kind, name)
    file.seek(0)
    try:
        with quiet():
            image = header(file, kind)
            check_size(name, *image.size)
            if fits:
                fits(*image.size, "uint8")
            check_plausible(name, kind, image.width * image.height, _BITS.get(image.mode, 1), size)
            if image.mode in ("CMYK", "LAB", "HSV") or image.mode[0] in "IF":
                raise UnsupportedPhotoError(
                    f"{name}: its colours are {image.mode}, which this version does not convert; save it as RGB first."
                )
            notices = _frames(image)
            subsampling = _subsampling(image) if kind == "JPEG" else None
            decoded: npt.NDArray[Any] | None = None
            if kind == "TIFF":  # Pillow turns a TIFF's pixels while it loads them, and forgets the tag: ask before
                metadata, doubts = read_metadata(image, file, kind)
                with chatter():
                    image.load()
            elif kind == "JPEG" and (decoded := _straight(image, file)) is not None:
                metadata, doubts = read_metadata(image, file, kind)
            else:  # the blocks of a PNG may follow its pixels: ask afterwards
                image.load()
                metadata, doubts = read_metadata(image, file, kind)
            if kind == "PNG" and not has_all_rows(file, image):
                raise UnreadablePhotoError(f"{name}: rows are missing at its end; copy it again from its source.")
            pixels, grey = _pixels(image) if decoded is None else (decoded, False)
    except (LptnRetouchError, MemoryError):
        raise
    except Image.DecompressionBombError:
        # Pillow's own guard, twice MAX_IMAGE_PIXELS, is met inside its TIFF, WebP and GIF decoders only.
        raise UnsupportedPhotoError(
            f"{name}: it has more pixels than Pillow opens in a {kind}; save it as PNG."
        ) from None
    except Exception as error:  # Pillow raises a dozen kinds on damaged files
        raise UnreadablePhotoError(
            f"{name}: this {kind} is damaged or cut short ({reason(error)}); copy it again from its source."
        ) from error
    if kind != "TIFF":
        pixels = upright(pixels, metadata.orientation)
    space, doubt = color_space(metadata.icc)
    return Photo(
        pixels,
        space,
        metadata,
        Source(kind, 8, path, grey, subsampling, size),
        notices + doubts + doubt,
    )


def _straight(image: ImageFile.ImageFile, file: BinaryIO) -> npt.NDArray[Any] | None:
    """The pixels of a JPEG in colour without Pillow; None where it is not an ordinary one."""
    if image.mode != "RGB":
        return None
    file.seek(0)
    decoded = jpeg.decode(file.read())
    return decoded if decoded is not None and decoded.shape[1::-1] == image.size else None


def _refuse_deep(file: BinaryIO, kind: str, name: str) -> None:
    """Read the depth where the format states it, and refuse what is not 8 bits of whole numbers."""
    depth = ""
    if kind == "PNG":
        file.seek(0)
        head = file.read(26)
        depth = "16 bits" if head[12:16] == b"IHDR" and head[24:25] == b"\x10" else ""
    elif kind == "TIFF":
        first = next(iter(tiffdir.directories(file)), tiffdir.Directory({}))
        bits = max(first.tags.get(tiffdir.BITS_PER_SAMPLE, (1,)))
        if 3 in first.tags.get(tiffdir.SAMPLE_FORMAT, ()):
            depth = f"{bits}-bit floating point"
        elif bits > 8:
            depth = f"{bits} bits"
    elif kind == "JPEG":
        precision, lossless = _jpeg_frame(file)
        depth = f"{precision} bits" if precision > 8 else "lossless JPEG" if lossless else ""
    if depth:
        raise UnsupportedPhotoError(
            f"{name}: its channels are {depth}, of which this version would silently cut some away, as it reads 8 bits "
            f"in a {kind}; save a copy with 8 bits first."
        )


def _jpeg_frame(file: BinaryIO) -> tuple[int, bool]:
    """Sample precision, and whether the coding is the lossless one, from the frame header (T.81 B.2.2)."""
    file.seek(2)
    for _ in range(1000):
        marker = file.read(2)
        while marker == b"\xff\xff":  # fill bytes
            marker = b"\xff" + file.read(1)
        if len(marker) < 2 or marker[0] != 0xFF or marker[1] in (0xD9, 0xDA):
            break
        length = int.from_bytes(file.read(2), "big")
        if 0xC0 <= marker[1] <= 0xCF and marker[1] not in (0xC4, 0xC8, 0xCC):
            return int.from_bytes(file.read(1), "big"), marker[1] in (0xC3, 0xC7, 0xCB, 0xCF)
        file.seek(max(length - 2, 0), os.SEEK_CUR)
    return 8, False


def _frames(image: ImageFile.ImageFile) -> tuple[str, ...]:
    try:
        count = int(getattr(image, "n_frames", 1))
    except Exception:  # a damaged chain of pages: the first page may still be sound
        count = 1
    finally:
        image.seek(0)
    return (f"It holds {count} pictures, of which only the first is taken.",) if count > 1 else ()


def _subsampling(image: ImageFile.ImageFile) -> str | None:
    from PIL import JpegImagePlugin

    return _SUBSAMPLING.get(JpegImagePlugin.get_sampling(image))


def _pixels(image: Image.Image) -> tuple[npt.NDArray[Any], bool]:
    """The decoded picture as (H, W, 3 or 4) uint8, and whether it is grey."""
    grey = image.mode in _GREY
    if image.has_transparency_data and image.mode not in ("LA", "La", "RGBA", "RGBa", "PA"):
        image = image.convert("LA" if grey else "RGBA")  # a transparent colour or palette entry
    elif image.mode == "P":
        image = image.convert("RGB")
    elif image.mode in _COLOUR:
        image = image.convert(_COLOUR[image.mode])
    array = np.asarray(image)
    if array.ndim == 2:
        array = array[:, :, None]
    if array.shape[2] <= 2:  # one channel: three times, then alpha
        array = np.concatenate([array[:, :, :1]] * 3 + [array[:, :, 1:]], axis=2)
    if array.dtype != np.uint8 or array.shape[2] not in (3, 4):
        raise ValueError(f"unexpected pixels {array.shape} {array.dtype}")
    return array, grey
