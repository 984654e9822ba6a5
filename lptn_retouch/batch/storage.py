"""Where photographs lie and results go: folders of this machine, or storage elsewhere, through fsspec.

A path of this machine is a `Path`, and nothing here is asked of it. Any other place is a `UPath`, named and joined
alike.
"""

from __future__ import annotations

import hashlib
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar
from urllib.parse import unquote, urlsplit, urlunsplit

import platformdirs

from lptn_retouch.errors import InTheWayError, UnreadablePhotoError, UnwritablePhotoError, UsageError, reason, shown
from lptn_retouch.files import ABANDONED, as_path, is_temporary, temporary_name

if TYPE_CHECKING:
    from typing_extensions import TypeIs
    from upath import UPath

Place: TypeAlias = "Path | UPath"
T = TypeVar("T")

INSTALL = 'pip install "lptn-retouch[cloud]"'
_PACKAGES = {"smbclient": "smbprotocol"}  # that are not named as what they hold
TRIES = 4
_WAIT = 0.5  # seconds before the second try, and four times as long before each further
_MEMORY = "memory"
# Storage that has files, which others may see half written: they are written under another name and renamed.
# Elsewhere an object is there whole or not at all.
_WITH_FILES = frozenset({"sftp", "ssh", "ftp", "smb", "hdfs", "webhdfs", "arrow_hdfs", "dask", "local", "file"})


def located(where: str | os.PathLike[str]) -> Place:
    """A folder by its path, or by a URL: ``s3://bucket/photos``, ``sftp://host/photos``, ``file:///photos``...

    Raises:
        UsageError: what reads such storage is not installed, there is no such storage, or it cannot be reached.

    Example:
        >>> located("file:///photos/in%20work").as_posix(), is_remote(located("photos"))
        ('/photos/in work', False)
    """
    if not isinstance(where, str | os.PathLike) and hasattr(where, "fs"):  # a UPath already
        return where
    text = os.fspath(where)
    scheme, separator, _ = text.partition("://")
    if not separator:
        return as_path(where)
    if scheme == "file":
        return Path(unquote(urlsplit(text).path))
    public = shown(_without_password(text))
    try:
        from upath import UPath

        place = UPath(text.rstrip("/"))
        _ = place.fs  # which connects, where that is how such storage is reached
        return place
    except ImportError as error:
        missing = getattr(error.__cause__, "name", None) or error.name  # fsspec words it anew
        driver = "" if missing in (None, "upath", "fsspec") else f" {_PACKAGES.get(missing, missing)}"
        raise UsageError(f"{public}: packages that read it are not here; {INSTALL}{driver} brings them.") from None
    except ValueError:
        raise UsageError(f"{public}: there is no storage of the kind {scheme}; s3, gs and sftp are some.") from None
    except Exception as error:  # of the network, or of those who know their users
        raise UsageError(
            f"{public}: it cannot be reached ({reason(error)}); check its name, the network and the keys."
        ) from error


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user.partition(':')[0]}{at}{host}"))


def is_remote(place: Place) -> TypeIs[UPath]:
    """Whether a place is none of this machine's disks."""
    return not isinstance(place, Path)


def named(place: Place) -> str:
    """A place by its path or URL: its server is in it, and no password.

    Example:
        >>> named(Path("photos/june"))
        'photos/june'
    """
    url = str(place)
    if not is_remote(place) or not (host := place.storage_options.get("host")):
        return url
    scheme, _, path = url.partition("://")
    port = place.storage_options.get("port")
    return f"{scheme}://{host}:{port}{path}" if port else f"{scheme}://{host}{path}"


def in_one_process(*places: Place) -> bool:
    """Whether one of them is the memory of this process, which no other sees."""
    return any(is_remote(place) and place.protocol == _MEMORY for place in places)


def state_folder(results: Place) -> Path:
    """Where a batch keeps its journal: among the results, or for storage elsewhere, which appends to nothing, here."""
    if not is_remote(results):
        return results
    name = hashlib.sha256(named(results).encode()).hexdigest()[:16]
    return Path(platformdirs.user_state_dir("lptn-retouch")) / "batches" / name


def listed(folder: UPath) -> Iterator[tuple[str, int, int]]:
    """All files below a folder: path from it, bytes, and when last written, nanoseconds since 1970; in order.

    Raises:
        UsageError: it cannot be listed.
    """
    try:
        found = _tried(lambda: folder.fs.find(folder.path, detail=True))
    except Exception as error:
        raise UsageError(f"{shown(str(folder))}: it cannot be listed ({reason(error)}); check its name.") from error
    root = folder.fs._strip_protocol(folder.path).rstrip("/") + "/"
    for name in sorted(found):
        info = found[name]
        if name.startswith(root) and info.get("type") == "file":
            yield name[len(root) :], int(info.get("size") or 0), _written_at(info)


def why_unreachable(folder: UPath) -> str | None:
    """Why nothing can be had of a folder elsewhere from this machine; None if something can, or it is not there yet."""
    try:
        _tried(lambda: folder.fs.info(folder.path))
    except FileNotFoundError:
        return None
    except Exception as error:
        return reason(error)
    return None


@contextmanager
def fetched(place: Place) -> Iterator[Path]:
    """A file on this machine: itself, or a copy of that name for as long as it is needed.

    Raises:
        UnreadablePhotoError: it is not there, or the storage does not answer.
    """
    if not is_remote(place):
        yield place
        return
    with TemporaryDirectory(prefix="lptn-retouch-") as folder:
        yield fetch(place, Path(folder))


def fetch(place: UPath, folder: Path) -> Path:
    """Copy a file into a folder, under its own name; what fails for a moment is tried again.

    Raises:
        UnreadablePhotoError: it is not there, or the storage does not answer.
    """
    target = folder / (place.name if len(os.fsencode(place.name)) < 200 else f"photograph{place.suffix}")
    try:
        _tried(lambda: place.fs.get_file(place.path, os.fspath(target)))
    except Exception as error:
        why = (
            "it is not there any more"
            if isinstance(error, FileNotFoundError)
            else f"it cannot be fetched ({reason(error)})"
        )
        raise UnreadablePhotoError(f"{shown(str(place))}: {why}; run the same again.") from error
    return target


def put(source: Path, target: UPath, *, overwrite: bool) -> dict[str, Any]:
    """Copy a file of this machine to storage elsewhere, whole or not at all.

    Returns:
        What is known of it there: path, size, when written, SHA-256.

    Raises:
        InTheWayError: there is one already, and it may not be replaced.
        UnwritablePhotoError: the storage does not take it.
    """
    content, fs = source.read_bytes(), target.fs

    def write() -> None:
        if target.protocol in _WITH_FILES:
            fs.makedirs(os.path.dirname(target.path), exist_ok=True)  # noqa: PTH120
            part = f"{os.path.dirname(target.path)}/{temporary_name()}"  # noqa: PTH120
            try:
                fs.pipe_file(part, content)
                fs.mv(part, target.path)
            except BaseException:
                with suppress(Exception):
                    fs.rm_file(part)
                raise
        else:
            fs.pipe_file(target.path, content)

    try:
        if not overwrite and _tried(lambda: fs.exists(target.path)):
            raise InTheWayError(
                f"{shown(str(target))}: a file of this name is there already; --overwrite replaces it.",
                str(target),
            )
        _tried(write)
        info = _tried(lambda: fs.info(target.path, refresh=True) if target.protocol == "s3" else fs.info(target.path))
    except InTheWayError:
        raise
    except Exception as error:
        raise UnwritablePhotoError(
            f"{shown(str(target))}: the storage does not take it ({reason(error)}); run the same again."
        ) from error
    digest = hashlib.sha256(content).hexdigest()
    return {"path": str(target), "size": len(content), "modified": _written_at(info), "sha256": digest}


def remove_leftovers(folder: UPath, there: dict[str, tuple[int, int]]) -> None:
    """Remove what machines that were lost have left half written: a day old, since nobody says who still writes.

    Args:
        folder: gone through with those in it.
        there: bytes and date of each file in it.
    """
    for file, (_, modified) in there.items():
        if is_temporary(file.rpartition("/")[2]) and modified and time.time() - modified / 1e9 > ABANDONED:
            with suppress(Exception):
                folder.fs.rm_file((folder / file).path)


def sha256_of(place: Place) -> str:
    """The SHA-256 of a file, in hexadecimal; "" where it cannot be read."""
    with suppress(OSError, UnreadablePhotoError), fetched(place) as here, here.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
    return ""


def _tried(action: Callable[[], T]) -> T:
    """What an action gives; again after a while where the storage failed in a way that may pass."""
    wait = _WAIT
    for left in reversed(range(TRIES)):
        try:
            return action()
        except (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError, ValueError, TypeError):
            raise
        except Exception:
            if not left:
                raise
            time.sleep(wait * random.uniform(0.5, 1.5))  # a thousand that failed together do not come back together
            wait *= 4
    raise AssertionError("the last try has returned or raised")


def _written_at(info: dict[str, Any]) -> int:
    """When a file was written, nanoseconds since 1970, by the name that its storage has for it; 0 where it has none."""
    for name in ("mtime", "LastModified", "last_modified", "updated", "modified", "created"):
        value = info.get(name)
        if isinstance(value, str):
            with suppress(ValueError):
                value = datetime.fromisoformat(value)
        if isinstance(value, datetime):
            value = value.timestamp()
        if isinstance(value, int | float) and not isinstance(value, bool):
            return round(value * 1e9)
    return 0
