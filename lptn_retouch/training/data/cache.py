"""Pictures that were decoded and made small once need not be again: what makes a folder of RAW files quick to reread.

Entries lie in the platform's cache folder, or in the one named by the environment variable ``LPTN_RETOUCH_CACHE``. An
entry's name follows from the file's content and from what was made of it, so a changed picture is another entry.
Nothing depends on the cache: an entry that is damaged or cannot be written is as good as none.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lptn_retouch.errors import PhotoError
from lptn_retouch.files import open_regular, write_atomically

VERSION = "2"  # of how pictures are developed and made small
LARGEST = 2 << 30  # bytes of all entries


def cache_folder() -> Path:
    """Where entries lie; it need not exist yet."""
    if named := os.environ.get("LPTN_RETOUCH_CACHE"):
        return Path(named)
    import platformdirs

    return Path(platformdirs.user_cache_dir("lptn_retouch", appauthor=False)) / "pictures"


def sha256_of(file: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal; read once as long as the file does not change.

    Raises:
        UnreadablePhotoError: it is missing, empty, or not a regular file.
    """
    with open_regular(file) as stream:
        found = os.fstat(stream.fileno())
    return _sha256(file, found.st_size, found.st_mtime_ns)


@lru_cache(maxsize=100_000)
def _sha256(file: Path, size: int, changed: int) -> str:  # noqa: ARG001  (they tell a changed file)
    with open_regular(file) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def cached(file: Path, made: str, make: Callable[[], Tensor]) -> Tensor:
    """What ``make`` makes of a file, from the cache if it was made before.

    Args:
        file: a picture.
        made: says what is made of it, in a few letters.
        make: gives (3, h, w) uint8.
    """
    key = hashlib.sha256(f"{VERSION} {sha256_of(file)} {made}".encode()).hexdigest()
    entry = cache_folder() / f"{key}.npz"
    # A zip's own checksum tells a damaged entry.
    with suppress(OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        with entry.open("rb") as stream, np.load(stream, allow_pickle=False) as held:
            pixels = held["pixels"]
        if pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[0] == 3:
            entry.touch()  # the entries unused for longest are the first to go
            return torch.from_numpy(pixels)
    picture = make()
    with suppress(OSError, PhotoError):
        entry.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(entry, lambda stream: np.savez(stream, pixels=picture.numpy()))
    return picture


def prune(largest: int = LARGEST) -> None:
    """Remove the entries unused for longest until the rest fits; another run may be doing the same."""
    held: list[tuple[float, int, Path]] = []
    for entry in cache_folder().glob("*.npz"):
        with suppress(OSError):
            found = entry.stat()
            held.append((found.st_mtime, found.st_size, entry))
    total = sum(size for _, size, _ in held)
    for _, size, entry in sorted(held):
        if total <= largest:
            return
        with suppress(OSError):
            entry.unlink()
        total -= size
