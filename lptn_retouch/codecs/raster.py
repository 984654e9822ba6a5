"""Pictures as they are exchanged (JPEG, PNG, TIFF, WebP, AVIF, HEIC, JPEG XL, GIF, BMP), each at the depth it has.

Which decoder a file gets is decided by its header, before anything is decoded: Pillow reads 16-bit RGB as 8 bits
without a word, so it is given pictures of 8 bits only.
"""

import io
import mmap
import os
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from lptn_retouch.codecs import hdr
from lptn_retouch.codecs.decoded import DamageError, Decoded, several
from lptn_retouch.codecs.limits import Fits
from lptn_retouch.codecs.pillow import decode as decode_with_pillow
from lptn_retouch.codecs.pillow import quiet
from lptn_retouch.codecs.reading import read_metadata
from lptn_retouch.codecs.signalling import Declared, declared
from lptn_retouch.color import read_profile
from lptn_retouch.errors import LptnRetouchError, UnreadablePhotoError, UnsupportedPhotoError, shown
from lptn_retouch.metadata import Metadata
from lptn_retouch.photo import Photo, Source
from lptn_retouch.photo.orientation import upright
from lptn_retouch.structures import Buffer


def open_raster(file: BinaryIO, kind: str, path: Path, fits: Fits | None = None) -> Photo:
    """Open a picture at its own depth.

    Args:
        file: the open file, at its start.
        kind: one of "JPEG", "PNG", "TIFF", "WEBP", "AVIF", "HEIC", "JPEG XL", "GIF", "BMP".
        path: the file's absolute path.
        fits: asked before a pixel is decoded.

    Raises:
        UnreadablePhotoError: damaged or cut short.
        UnsupportedPhotoError: of a depth or colour model that is not read, or too large.
    """
    name = shown(path)
    size = os.fstat(file.fileno()).st_size
    try:
        with quiet():
            if kind == "TIFF":  # may be gigabytes, of which the metadata is little
                with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
                    (metadata, transfer), doubts = _declared(mapped, kind)
                data = b""
            else:
                data = file.read()
                (metadata, transfer), doubts = _declared(data, kind)
            decoded = _decode(file, data, kind, name, size, metadata, fits)
            if transfer is not None:
                decoded = _in_standard_range(decoded, transfer)
    except (LptnRetouchError, MemoryError):
        raise
    except Image.DecompressionBombError:
        # Pillow's own guard, twice MAX_IMAGE_PIXELS, is met inside its TIFF, WebP and GIF decoders only.
        raise UnsupportedPhotoError(
            f"{name}: it has more pixels than Pillow opens in a {kind}; save it as PNG."
        ) from None
    except DamageError as error:
        raise UnreadablePhotoError(
            f"{name}: this {kind} is damaged ({error}); copy it again from its source."
        ) from error
    except Exception as error:  # decoders raise a dozen kinds on damaged files, in words for their own makers
        raise UnreadablePhotoError(
            f"{name}: this {kind} is damaged or cut short; copy it again from its source."
        ) from error
    if decoded.converted:
        metadata = metadata.with_icc(None)
    elif decoded.icc is not None:
        metadata = metadata.with_icc(decoded.icc)
    pixels = decoded.pixels if decoded.upright else upright(decoded.pixels, metadata.orientation)
    space, doubt = read_profile(metadata.icc, grey=decoded.grey)
    return Photo(
        pixels,
        space.name,
        metadata,
        Source(kind, 8 * pixels.itemsize, path, decoded.grey, decoded.subsampling, size),
        (*decoded.notices, *doubts, *doubt),
    )


def _declared(data: Buffer, kind: str) -> tuple[Declared, tuple[str, ...]]:
    """The blocks of a file, and what was wrong with them: bad metadata never costs the picture."""
    try:
        return declared(read_metadata(data, kind), data, kind), ()
    except Exception:
        return Declared(Metadata()), ("Its metadata is damaged and left out.",)


def _in_standard_range(decoded: Decoded, transfer: int) -> Decoded:
    said = (
        f"It is of high dynamic range ({hdr.NAMES[transfer]}) and was brought into the standard range, with white at "
        f"{hdr.WHITE:.0f} cd/m2 (ITU-R BT.2390)."
    )
    return decoded._replace(pixels=hdr.standard_range(decoded.pixels, transfer), notices=(said, *decoded.notices))


def _decode(
    file: BinaryIO, data: bytes, kind: str, name: str, size: int, metadata: Metadata, fits: Fits | None
) -> Decoded:
    """By the codec of its kind, which is imported for it."""
    pictures = 1
    if kind == "TIFF":
        from lptn_retouch.codecs.tiff import pixels as tiff

        return tiff.decode(file, name, size, metadata.icc, fits)
    if kind == "HEIC":
        from lptn_retouch.codecs.heif import heic as heif

        return heif.decode(data, name, fits)
    if kind == "JPEG XL":
        from lptn_retouch.codecs.jxl import pixels as jxl

        return jxl.decode(data, name, fits)
    if kind == "JPEG":
        from lptn_retouch.codecs.jpeg import deep as deepjpeg

        if deepjpeg.is_deep(data):
            return deepjpeg.decode(data, name, metadata.icc, fits)
    if kind == "AVIF":
        from lptn_retouch.codecs.heif import avif

        if (bits := avif.bits(data)) > 8:
            return avif.decode_deep(data, bits, name, fits)
    if kind == "PNG":
        from lptn_retouch.codecs.png import pixels as png

        if png.is_deep(data):
            return png.decode(data, name, fits)
        data, pictures = png.bare(data)
    # From memory: a chunk's length is asked of the file as it stands, and would be reserved before anything is read.
    decoded = decode_with_pillow(io.BytesIO(data), data, kind, name, size, metadata.icc, fits)
    return decoded._replace(notices=several(pictures) + decoded.notices)
