"""Files at the border: opened only when they are regular files, written whole or not at all."""

import errno
import os
import re
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from lptn_retouch.errors import (
    InTheWayError,
    PhotoError,
    PhotoNotFoundError,
    UnreadablePhotoError,
    UnwritablePhotoError,
    UsageError,
    shown,
)

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

PathLike = str | os.PathLike[str]

_TEMPORARY = re.compile(r"\.lptn-[0-9a-f]{16}\.tmp")
ABANDONED = 24 * 3600  # seconds after which nobody writes to it any more, where locks do not tell


def temporary_name() -> str:
    """A hidden name for a file that is being written, short and like no other."""
    return f".lptn-{secrets.token_hex(8)}.tmp"


def is_temporary(name: str) -> bool:
    """Whether a name is one of those.

    Example:
        >>> is_temporary(temporary_name()), is_temporary("a.jpg")
        (True, False)
    """
    return _TEMPORARY.fullmatch(name) is not None


def as_path(path: PathLike) -> Path:
    """The argument as an absolute Path, whatever the working folder becomes later."""
    try:
        name = os.fsdecode(path)
    except TypeError:
        raise UsageError(f"a photo is named by a path, not by {type(path).__name__}; give a str or a Path.") from None
    if not name or "\0" in name:
        raise UsageError("a photo's path is empty or holds a NUL character; give the path of a file.")
    try:
        return Path(os.path.abspath(name))  # noqa: PTH100  (Path.absolute keeps "..")
    except OSError:
        raise PhotoError(
            f"{shown(name)}: the working folder is gone; change to one that exists, or give the whole path."
        ) from None


def open_regular(path: Path) -> BufferedReader:
    """Open a file to read, if it is a regular one: a FIFO would hang for ever, and a device never end.

    Raises:
        UnreadablePhotoError: it is missing (PhotoNotFoundError), forbidden, empty, or not a regular file.
    """
    name = shown(path)
    try:
        _refuse_irregular(os.stat(path), name)  # noqa: PTH116  (asked before opening: opening may already have effects)
        # O_NONBLOCK: should the name be replaced by a FIFO just now, open() returns and the second look refuses it.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        file = os.fdopen(os.open(path, flags), "rb")
    except FileNotFoundError:
        raise PhotoNotFoundError(f"{name}: there is no such file; check the path.") from None
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


def check_free(target: Path, *, overwrite: bool) -> None:
    """Refuse to replace a file: one that is there, unless it is asked for, and one that is read-only in any case.

    The one answer of all commands to a file that is where a result shall be. It is given before any work, and by
    :func:`write_atomically` once more for a file that has come meanwhile.

    Args:
        overwrite: whether a file that is there may be replaced.

    Raises:
        InTheWayError: so it is.

    Example:
        >>> check_free(Path("no such file.jpg"), overwrite=False)
    """
    try:
        status = os.stat(target)  # noqa: PTH116
    except (OSError, ValueError):  # nothing, or nothing that can be replaced: told when it is written
        if os.path.islink(target) and not overwrite:  # noqa: PTH114  (a link to nowhere is somebody's as well)
            raise _in_the_way(target) from None
        return
    if not stat.S_ISREG(status.st_mode):  # check_target has words for these
        return
    # Root may write to everything, and Windows' attribute shows in these bits alone.
    if not status.st_mode & 0o222 or not os.access(target, os.W_OK):
        raise InTheWayError(
            f"{shown(target)}: this file is read-only and is never replaced; choose another name.", target
        )
    if not overwrite:
        raise _in_the_way(target)


def _in_the_way(target: Path) -> InTheWayError:
    return InTheWayError(
        f"{shown(target)} is there already and is left as it is; overwrite it (--overwrite), or name another.", target
    )


def check_target(target: Path, source: Path | None, *, overwrite: bool = True) -> None:
    """Refuse a target that is the photo's own source, a folder, a device, in no folder, or not to be replaced.

    Raises:
        UsageError: the target is the source, by any name or link.
        InTheWayError: see :func:`check_free`.
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
    check_free(target, overwrite=overwrite)


def _same_file(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except FileNotFoundError:
        return False


def write_atomically(
    target: Path, fill: Callable[[BinaryIO], object], modified: int | None = None, *, overwrite: bool = True
) -> None:
    """Write a file whole or not at all.

    A hidden file beside the target is filled, flushed to the disk and renamed over it. Only a process killed on the
    spot leaves that hidden file behind; the target is then as it was. A target that is a symbolic link is replaced
    itself: what it points at is not touched.

    Args:
        target: where the file shall be.
        fill: writes the content into the open file.
        modified: when the file shall say it was last written, nanoseconds since 1970; None for now.
        overwrite: whether a file that is there by then is replaced.

    Raises:
        InTheWayError: a file is there, and `overwrite` is false.
        UnwritablePhotoError: the disk is full, the folder forbids it...
    """
    try:
        with _temporary(target.parent) as (temporary, file):
            fill(file)
            file.flush()
            os.fsync(file.fileno())
            with suppress(OSError, AttributeError):
                os.fchmod(file.fileno(), _permissions(target, file))
            if os.name == "nt":  # which renames no file that is open
                file.close()
            if modified is not None:
                with suppress(OSError, OverflowError):  # a disk that keeps no such dates; the picture matters more
                    os.utime(temporary, ns=(modified, modified))
            if overwrite:
                os.replace(temporary, target)  # noqa: PTH105
            else:
                _rename_to_new(temporary, target)
    except FileExistsError:
        raise _in_the_way(target) from None
    except OSError as error:
        raise _unwritable(target, error) from error
    _flush_folder(target.parent)


def _rename_to_new(temporary: Path, target: Path) -> None:
    """Rename a file to a name that none has: somebody else may take it at any moment."""
    if os.name == "nt":  # where renaming replaces nothing
        temporary.rename(target)
        return
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise
    except OSError:  # a disk without links, a memory card for example: the name is taken first
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        os.replace(temporary, target)  # noqa: PTH105
    else:
        temporary.unlink()


def remove_leftovers(folder: Path) -> list[Path]:
    """Remove the hidden files that killed processes left in a folder; those being written by others stay.

    A process holds a lock on its file from when it is made until it has its name, and the system drops the lock with
    the process. Where there are no such locks (Windows, some network disks), a file goes when it is a day old.

    Args:
        folder: this one alone, not those in it; if it cannot be read or written to, nothing is removed.

    Returns:
        What was removed.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     remove_leftovers(Path(folder))
        []
    """
    removed = []
    with suppress(OSError):
        for path in sorted(folder.iterdir()):
            if is_temporary(path.name):
                with suppress(OSError):
                    if _is_abandoned(path):
                        path.unlink()
                        removed.append(path)
    return removed


def _is_abandoned(path: Path) -> bool:
    """Whether a temporary file, a regular one, is written by nobody."""
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode):
        return False
    if fcntl is not None:
        flags = os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW
        with os.fdopen(os.open(path, flags), "rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            except BlockingIOError:
                return False
            except OSError:  # this disk has no locks
                pass
    return time.time() - found.st_mtime > ABANDONED


@contextmanager
def _temporary(folder: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """A hidden new file in a folder, locked; gone again unless it was renamed."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    while True:
        # The name is short whatever the target's is, so a target of 255 bytes has room for its temporary file as well.
        path = folder / temporary_name()
        with os.fdopen(os.open(path, flags, 0o666), "wb") as file:
            try:
                if fcntl is not None:
                    with suppress(OSError):  # a disk without locks
                        fcntl.flock(file, fcntl.LOCK_EX)
                    if os.fstat(file.fileno()).st_nlink == 0:
                        continue  # taken for a leftover before it was locked
                yield path, file
                return
            except BaseException:  # Ctrl-C as well must leave nothing behind
                file.close()
                with suppress(OSError):
                    path.unlink()
                raise


def _permissions(target: Path, file: BinaryIO) -> int:
    """A file that is replaced keeps its permissions; of a link's target, what umask grants to a new file."""
    replaced = os.lstat(target).st_mode
    if stat.S_ISLNK(replaced):  # its own mode, 0777, means nothing
        replaced = os.stat(target).st_mode & os.fstat(file.fileno()).st_mode  # noqa: PTH116
    return stat.S_IMODE(replaced)


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
