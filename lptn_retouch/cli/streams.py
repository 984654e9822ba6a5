"""Photographs from standard input and to standard output, where a path is ``-``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from lptn_retouch.batch.naming import ENDINGS
from lptn_retouch.cli.paths import STREAM
from lptn_retouch.codecs.registry import word_for
from lptn_retouch.errors import LptnRetouchError, UnreadablePhotoError, UsageError, shown

if TYPE_CHECKING:
    from lptn_retouch.batch.settings import Output
    from lptn_retouch.photo import Photo
    from lptn_retouch.saving import Saved

CHUNK = 1 << 20  # bytes


def read(source: Path, opened: Callable[[Path], Photo]) -> Photo:
    """Open a photograph, or the one on standard input, whose format is told from its content like any other's.

    It is laid into a temporary file: RAWs and large TIFFs are read here and there.

    Raises:
        UsageError: standard input is a terminal.
        PhotoError: it is no photograph.
    """
    if source != STREAM:
        return opened(source)
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError("standard input is a terminal; send a photograph into it, < photograph.jpg for example.")
    from lptn_retouch.codecs.limits import check_file_size

    with TemporaryDirectory(prefix="lptn-retouch-", ignore_cleanup_errors=True) as folder:
        file = Path(folder).resolve() / "photograph"
        try:
            with file.open("wb") as laid:
                while chunk := sys.stdin.buffer.read(CHUNK):
                    check_file_size("standard input", laid.tell() + len(chunk))
                    laid.write(chunk)
        except OSError as error:
            raise UnreadablePhotoError(f"standard input could not be read ({error.strerror}); use a file.") from None
        try:
            photo = opened(file)
        except LptnRetouchError as error:
            raise type(error)(str(error).replace(shown(file), "standard input")) from None
        return replace(photo, source=replace(photo.source, path=None, modified=None))


def write(photo: Photo, output: Output, target: Path, *, overwrite: bool) -> Saved:
    """Save a photo as a file, or to standard output: whole or not at all, as far as that lies with us."""
    if target != STREAM:
        return output.save(photo, target, overwrite=overwrite)
    format = output.format or word_for(photo.source.format)
    with TemporaryDirectory(prefix="lptn-retouch-", ignore_cleanup_errors=True) as folder:
        saved = output.save(photo, Path(folder) / f"result{ENDINGS[format]}")
        sys.stdout.flush()
        with suppress(BrokenPipeError), saved.path.open("rb") as file:  # whoever reads it has had enough
            while chunk := file.read(CHUNK):
                sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
    return saved
