"""`open_photo`: from a file of any kind this version knows to a `Photo`."""

import hashlib
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any

from lptn_retouch.codecs.decoded import DamageError, Decoded
from lptn_retouch.codecs.detect import detect_file
from lptn_retouch.codecs.format import Encoded, Format
from lptn_retouch.codecs.limits import Fits, check_file_size
from lptn_retouch.codecs.registry import format_of, read_metadata
from lptn_retouch.codecs.signalling import Signalled, signalled
from lptn_retouch.color import read_profile
from lptn_retouch.errors import LptnRetouchError, UnreadablePhotoError, UnsupportedPhotoError, UsageError, shown
from lptn_retouch.files import as_path, open_regular
from lptn_retouch.metadata import Metadata
from lptn_retouch.photo import Photo
from lptn_retouch.picture.orientation import upright
from lptn_retouch.picture.picture import Source
from lptn_retouch.structures import Buffer


def open_photo(path: str | os.PathLike[str]) -> Photo:
    """Open a photograph, upright, at the depth its file has: 8 or 16 bits a channel, or floats.

    The format is told from the content, never from the name.

    Args:
        path: JPEG, PNG, TIFF, WebP, AVIF, JPEG XL, JPEG 2000, HEIC (with the extra ``heif``), GIF or BMP, or a
            camera's RAW that LibRaw develops. `docs/formats.md` has the depths.

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
            if kind is not None and (format := format_of(kind)) is not None:
                with _bytes_of(file, format) as data:
                    return _opened(file, data, format, kind, where, fits)
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


def metadata_of(file: Path) -> Metadata:
    """The metadata of a picture, which is not decoded.

    Args:
        file: of any kind that :func:`open_photo` reads.

    Raises:
        PhotoError: the file cannot be read.
    """
    with open_regular(file) as stream:
        check_file_size(shown(file), os.fstat(stream.fileno()).st_size)
        kind = detect_file(stream)
        stream.seek(0)
        try:
            data = stream.read()
        except OSError as error:
            raise UnreadablePhotoError(f"{shown(file)}: reading failed ({error.strerror}); copy it again.") from None
    if kind is None:
        raise UnreadablePhotoError(f"{shown(file)}: this is not a picture this version knows; give a result of apply.")
    return read_metadata(data, kind)


@contextmanager
def _bytes_of(file: BufferedReader, format: Format[Any]) -> Iterator[Buffer]:
    file.seek(0)
    if not format.mapped:
        yield file.read()
        return
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        yield mapped


def _opened(file: BufferedReader, data: Buffer, format: Format[Any], kind: str, path: Path, fits: Fits | None) -> Photo:
    """The photo that a file holds, with the file's fingerprint and date."""
    structure: Any = None
    said = Signalled(Metadata())
    doubts: tuple[str, ...] = ()
    try:
        structure = format.parse(data)
        if not format.develops:
            said = signalled(format, structure, Metadata(format.read_blocks(structure)))
    except Exception:  # bad metadata never costs the picture
        doubts = ("Its metadata is damaged and left out.",)
    file.seek(0)
    picture = Encoded(file, data, path, structure, said.metadata, fits)
    decoded = _decoded(format, picture)
    if said.transfer is not None:
        decoded = _in_standard_range(decoded, said.transfer)
    metadata = said.metadata if decoded.metadata is None else decoded.metadata
    if decoded.converted:
        metadata = metadata.with_icc(None)
    elif decoded.icc is not None:
        metadata = metadata.with_icc(decoded.icc)
    pixels = decoded.pixels if decoded.upright else upright(decoded.pixels, metadata.orientation)
    space, doubt = read_profile(metadata.icc, grey=decoded.grey)
    file.seek(0)
    status = os.fstat(file.fileno())
    source = Source(
        kind,
        8 * pixels.itemsize,
        path,
        decoded.grey,
        decoded.subsampling,
        len(data),
        hashlib.file_digest(file, "sha256").hexdigest(),
        status.st_mtime_ns,
    )
    return Photo(pixels, space.name, metadata, source, (*decoded.notices, *doubts, *doubt))


def _decoded(format: Format[Any], picture: Encoded[Any]) -> Decoded:
    from PIL.Image import DecompressionBombError

    from lptn_retouch.codecs.pillow import quiet

    try:
        with quiet():
            return format.decode(picture)
    except (LptnRetouchError, MemoryError):
        raise
    except DecompressionBombError:
        # Pillow's own guard, twice MAX_IMAGE_PIXELS, is met inside its TIFF, WebP and GIF decoders only.
        raise UnsupportedPhotoError(
            f"{picture.name}: it has more pixels than Pillow opens in {format.spoken}; save it as PNG."
        ) from None
    except DamageError as error:
        raise UnreadablePhotoError(
            f"{picture.name}: this {format.spoken.partition(' ')[2]} is damaged ({error}); copy it again from its "
            "source."
        ) from error
    except Exception as error:  # decoders raise a dozen kinds on damaged files, in words for their own makers
        raise UnreadablePhotoError(
            f"{picture.name}: this {format.spoken.partition(' ')[2]} is damaged or cut short; copy it again from its "
            "source."
        ) from error


def _in_standard_range(decoded: Decoded, transfer: int) -> Decoded:
    from lptn_retouch.codecs import hdr

    said = (
        f"It is of high dynamic range ({hdr.NAMES[transfer]}) and was brought into the standard range, with white at "
        f"{hdr.WHITE:.0f} cd/m2 (ITU-R BT.2390)."
    )
    return decoded._replace(pixels=hdr.standard_range(decoded.pixels, transfer), notices=(said, *decoded.notices))
