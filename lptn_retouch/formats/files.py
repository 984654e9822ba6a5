"""Files at the border: opened only when they are regular files, written whole or not at all."""

import errno
import os
import secrets
import stat
from collections.abc import Callable
from contextlib import suppress
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from lptn_retouch.errors import UnreadablePhotoError, UnwritablePhotoError, UsageError, shown

PathLike = str | os.PathLike[str]


def as_path(path: PathLike) -> Path:
    """The argument as an absolute Path, whatever the working folder becomes later."""
    try:
        name = os.fsdecode(path)
    except TypeError:
        raise UsageError(f"a photo is named by a path, not by {type(path).__name__}; give a str or a Path.") from None
    if not name or "\0" in name:
        raise UsageError("a photo's path is empty or holds a NUL character; give the path of a file.")
    return Path(os.path.abspath(name))  # noqa: PTH100  (Path.absolute keeps "..")


def open_regular(path: Path) -> BufferedReader:
    """Open a file to read, if it is a regular one: a FIFO would hang for ever, and a device never end.

    Raises:
        UnreadablePhotoError: it is missing, forbidden, empty, or not a regular file.
    """
    name = shown(path)
    try:
        _refuse_irregular(os.stat(path), name)  # noqa: PTH116  (asked before opening: opening may already have effects)
        # O_NONBLOCK: should the name be replaced by a FIFO just now, open() returns and the second look refuses it.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        file = os.fdopen(os.open(path, flags), "rb")
    except FileNotFoundError:
        raise UnreadablePhotoError(f"{name}: there is no such file; check the path.") from None
    except PermissionError:
        raise UnreadablePhotoError(f"{name}: reading is not permitted; change the file's permissions.") from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise UnreadablePhotoError(f"{name}: cannot be opened ({reason}); check the path and the disk.") from None
    try:
        _refuse_irregular(os.fstat(file.fileno()), name)
    except BaseException:
        file.close()
        raise
    return file


def _refuse_irregular(found: os.stat_result, name: str) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise UnreadablePhotoError(f"{name}: this is a folder; name a picture in it.")
    if not stat.S_ISREG(found.st_mode):
        raise UnreadablePhotoError(f"{name}: this is a pipe or a device; save the picture to a file first.")
    if found.st_size == 0:
        raise UnreadablePhotoError(f"{name}: the file is empty; copy it again from its source.")


def check_target(target: Path, source: Path | None) -> None:
    """Refuse a target that is the photo's own source, a folder, a device, or in no folder.

    Raises:
        UsageError: the target is the source, by any name or link.
        UnwritablePhotoError: nothing can be written there.
    """
    name = shown(target)
    try:
        if source is not None and (target == source or _same_file(target, source)):
            raise UsageError(f"{name}: this is the photo itself, which is never overwritten; choose another name.")
        if target.is_dir():
            raise UnwritablePhotoError(f"{name}: this is a folder; name a file in it.")
        if target.exists() and not target.is_file():
            raise UnwritablePhotoError(f"{name}: this is a pipe or a device; name a regular file.")
        if not target.parent.is_dir():
            raise UnwritablePhotoError(f"{name}: its folder does not exist; create {shown(target.parent)} first.")
    except OSError as error:
        raise _unwritable(target, error) from None


def _same_file(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except FileNotFoundError:
        return False


def write_atomically(target: Path, fill: Callable[[BinaryIO], object], modified: int | None = None) -> None:
    """Write a file whole or not at all.

    A hidden file beside the target is filled, flushed to the disk and renamed over it. Only a process killed on the
    spot leaves that hidden file behind; the target is then as it was. A target that is a symbolic link is replaced
    itself: what it points at is not touched.

    Args:
        target: where the file shall be.
        fill: writes the content into the open file.
        modified: when the file shall say it was last written, nanoseconds since 1970; None for now.

    Raises:
        UnwritablePhotoError: the disk is full, the folder forbids it...
    """
    # The name is short whatever the target's is, so a target of 255 bytes has room for its temporary file as well.
    temporary = target.parent / f".lptn-{secrets.token_hex(8)}.tmp"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    try:
        with os.fdopen(os.open(temporary, flags, 0o666), "wb") as file:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
            with suppress(OSError, AttributeError):  # a file that is replaced keeps its permissions
                os.fchmod(file.fileno(), stat.S_IMODE(os.lstat(target).st_mode))
        if modified is not None:
            with suppress(OSError, OverflowError):  # a disk that keeps no such dates; the picture matters more
                os.utime(temporary, ns=(modified, modified))
        os.replace(temporary, target)  # noqa: PTH105
    except BaseException as error:  # Ctrl-C as well must leave nothing behind
        with suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            raise _unwritable(target, error) from error
        raise
    _flush_folder(target.parent)


def _flush_folder(folder: Path) -> None:
    """Make the rename itself last through a power cut, where the system offers that (POSIX)."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


_CURES = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "your disk quota is used up; free some space",
    errno.EACCES: "writing is not permitted; choose another folder",
    errno.EPERM: "writing is not permitted; choose another folder",
    errno.EROFS: "the disk is read-only; choose another folder",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
    errno.ENOENT: "its folder is gone; create it again",
}


def _unwritable(target: Path, error: OSError) -> UnwritablePhotoError:
    cure = _CURES.get(error.errno or 0, f"it could not be written ({error.strerror or error}); check the disk")
    return UnwritablePhotoError(f"{shown(target)}: {cure}.")
