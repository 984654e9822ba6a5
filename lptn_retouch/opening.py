"""`open_photo`: from a file of any kind this version knows to a `Photo`."""

import hashlib
import os
from dataclasses import replace
from io import BufferedReader

from lptn_retouch.codecs.detect import detect_file
from lptn_retouch.codecs.limits import Fits, check_file_size
from lptn_retouch.errors import LptnRetouchError, UnreadablePhotoError, UnsupportedPhotoError, UsageError, shown
from lptn_retouch.files import as_path, open_regular
from lptn_retouch.photo import Photo

RASTER = ("JPEG", "PNG", "TIFF", "WEBP", "AVIF", "HEIC", "JPEG XL", "GIF", "BMP")


def open_photo(path: str | os.PathLike[str]) -> Photo:
    """Open a photograph, upright, at the depth its file has: 8 or 16 bits a channel, or floats.

    The format is told from the content, never from the name.

    Args:
        path: JPEG, PNG, TIFF, WebP, AVIF, JPEG XL, HEIC (with the extra ``heif``), GIF or BMP, or a camera's RAW that
            LibRaw develops. `docs/formats.md` has the depths.

    Returns:
        The photo; `notices` tells what it could not take along (further pages, for example).

    Raises:
        UnreadablePhotoError: missing, empty, damaged, cut short, or not a picture. A missing one is a
            `PhotoNotFoundError`, and so a `FileNotFoundError` as well.
        UnsupportedPhotoError: sound, but of a kind this version does not read without loss.

    Example:
        >>> import tempfile, numpy as np
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     black = Photo(np.zeros((2, 3, 3), np.uint8)).save(f"{folder}/black.png")
        ...     open_photo(black.path)
        Photo(3x2 RGB uint8, sRGB, PNG black.png)
    """
    return open_fitting(path, None)


def open_fitting(path: str | os.PathLike[str], fits: Fits | None) -> Photo:
    """`open_photo`, but `fits` is asked as soon as the size is known, before a pixel is decoded."""
    if isinstance(path, bytes | bytearray | memoryview):  # most likely a file's content; as a name it would be odd, too
        raise UsageError("a photo is named by a path, not by bytes; write them to a file, and give its str or Path.")
    where = as_path(path)
    name = shown(where)
    with open_regular(where) as file:
        try:
            check_file_size(name, os.fstat(file.fileno()).st_size)
            kind = detect_file(file)
            file.seek(0)
            if kind in RASTER:
                from lptn_retouch.codecs.raster import open_raster

                return _from(file, open_raster(file, kind, where, fits))
            if kind is not None and kind.startswith("RAW:"):
                from lptn_retouch.codecs.raw.develop import open_raw

                return _from(file, open_raw(file, kind, where, fits))
        except LptnRetouchError:
            raise
        except MemoryError:
            raise UnreadablePhotoError(f"{name}: there is not enough memory for it; close other programs.") from None
        except OSError as error:
            raise UnreadablePhotoError(
                f"{name}: it cannot be read to its end; check the disk, or copy it again from its source."
            ) from error
        except ImportError:  # ours to mend, and no fault of the file
            raise
        except Exception as error:  # a decoder's own kinds are caught closer by; this is the promise kept regardless
            raise UnreadablePhotoError(f"{name}: it is damaged; copy it again from its source.") from error
    if kind is None:
        raise UnreadablePhotoError(f"{name}: this is not a picture this version knows; give a JPEG, PNG, TIFF or RAW.")
    if kind == "video":
        raise UnsupportedPhotoError(f"{name}: this is a video, not a photograph; save one of its frames as JPEG first.")
    article = "an" if kind[0] in "AO" else "a"
    raise UnsupportedPhotoError(f"{name}: {article} {kind} file, which this version does not read; convert it to JPEG.")


def _from(file: BufferedReader, photo: Photo) -> Photo:
    """The photo, with its file's fingerprint and date."""
    file.seek(0)
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    modified = os.fstat(file.fileno()).st_mtime_ns
    return replace(photo, source=replace(photo.source, sha256=digest, modified=modified))
