"""What lies in a folder: photographs, their sidecars, and what is none of these."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lptn_retouch.batch.storage import Place, is_remote, listed
from lptn_retouch.codecs.detect import detect_file
from lptn_retouch.codecs.registry import FORMATS, format_of
from lptn_retouch.errors import UsageError, reason, shown

if TYPE_CHECKING:
    from upath import UPath

# What systems, cameras and network disks put beside photographs. Names that begin with a dot are hidden as well.
_SYSTEM = frozenset({
    "thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "system volume information", "@eadir", "__macosx",
    "lost+found", "picasa.ini", "zbthumbnail.info",
})  # fmt: skip
SIDECAR = ".xmp"


@dataclass(frozen=True)
class Found:
    """A file, by its path from the folder, with what the disk says of it.

    Args:
        file: relative path, in the system's own separators; undecodable bytes are surrogates.
        size: bytes.
        modified: nanoseconds since 1970.
    """

    file: str
    size: int
    modified: int


@dataclass
class Listing:
    """A folder's content.

    Args:
        photographs: in order of their names.
        sidecars: ``.xmp`` files by their path.
        others: files that are neither.
        left_out: how many were passed over, by the reason.
        unlisted: folders that cannot be listed, each with a sentence that says why.
    """

    photographs: list[Found] = field(default_factory=list)
    sidecars: dict[str, Found] = field(default_factory=dict)
    others: list[Found] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    unlisted: dict[str, str] = field(default_factory=dict)


def listing(folder: Place) -> Listing:
    """List a folder and those in it. Whether a file is a photograph is told from its first bytes.

    Hidden and system files are passed over. A link to a file inside the folder counts as a file; other links, and all
    links to folders, are not followed.

    Raises:
        UsageError: the folder is not there or cannot be listed.
    """
    if is_remote(folder):
        return _listing_elsewhere(folder)
    found = Listing()
    root = os.path.realpath(folder)
    for entry in _files(root, found):
        file = os.path.relpath(entry.path, root)
        try:
            status = entry.stat()
        except OSError:  # a link to nowhere, or gone since
            found.left_out["links that lead nowhere"] += 1
            continue
        if not stat.S_ISREG(status.st_mode):
            found.left_out["pipes and devices"] += 1
            continue
        here = Found(file, status.st_size, status.st_mtime_ns)
        if file.lower().endswith(SIDECAR):
            found.sidecars[file] = here
        elif _looks_like_a_photograph(entry.path):
            found.photographs.append(here)
        else:
            found.others.append(here)
    return found


def _listing_elsewhere(folder: UPath) -> Listing:
    """The same of storage elsewhere, by one request: what is a photograph is told by the ending, as no byte is read."""
    found = Listing()
    for file, size, modified in listed(folder):
        here, name = Found(file, size, modified), file.lower()
        if any(part.startswith(".") or part in _SYSTEM for part in name.split("/")):
            found.left_out["hidden and system files"] += 1
        elif name.endswith(SIDECAR):
            found.sidecars[file] = here
        elif name.endswith(tuple(_ENDINGS)):
            found.photographs.append(here)
        else:
            found.others.append(here)
    return found


def _files(root: str, found: Listing) -> Iterator[os.DirEntry[str]]:
    try:
        entries = sorted(os.scandir(root), key=lambda entry: entry.name)
    except OSError as error:
        raise UsageError(f"{shown(root)}: it cannot be listed ({error.strerror}); name a folder that can.") from None
    waiting = entries[::-1]
    while waiting:
        entry = waiting.pop()
        if entry.name.startswith(".") or entry.name.lower() in _SYSTEM or _is_hidden(entry):
            found.left_out["hidden and system files"] += 1
        elif entry.is_symlink() and (os.path.isdir(entry.path) or not _is_inside(entry.path, root)):  # noqa: PTH112
            found.left_out["links out of the folder or to folders"] += 1
        elif entry.is_dir(follow_symlinks=False):
            try:
                waiting += sorted(os.scandir(entry.path), key=lambda entry: entry.name)[::-1]
            except OSError as error:
                found.unlisted[os.path.relpath(entry.path, root)] = (
                    f"this folder cannot be listed ({reason(error)}); change its permissions, or check the disk."
                )
        else:
            yield entry


def _is_hidden(entry: os.DirEntry[str]) -> bool:
    """Windows keeps that as an attribute."""
    attribute = getattr(stat, "FILE_ATTRIBUTE_HIDDEN", 0)
    try:
        return bool(getattr(entry.stat(follow_symlinks=False), "st_file_attributes", 0) & attribute)
    except OSError:
        return False


def _is_inside(path: str, root: str) -> bool:
    real = os.path.realpath(path)
    return real.startswith(os.path.join(root, ""))  # noqa: PTH118


# By content nearly always. A file that is empty, damaged at its start or cannot be read is known by its ending alone:
# it is a photograph that fails, and is named, rather than one that goes missing without a word.
_ENDINGS = frozenset(ending for format in FORMATS for ending in format.endings)


def _looks_like_a_photograph(path: str) -> bool:
    if os.path.splitext(path)[1].lower() in _ENDINGS:  # noqa: PTH122
        return True
    try:
        with Path(path).open("rb") as file:
            kind = detect_file(file)
    except Exception:  # unreadable, or damaged so that it is told to be nothing
        return False
    return kind is not None and format_of(kind) is not None
