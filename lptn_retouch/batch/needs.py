"""What a machine must have to work on a batch. One that lacks it would fail photographs faster than others do them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lptn_retouch.batch.settings import Look
from lptn_retouch.batch.storage import named, why_unreachable
from lptn_retouch.errors import LptnRetouchError, UsageError, shown
from lptn_retouch.version import __version__

if TYPE_CHECKING:
    from upath import UPath


@dataclass(frozen=True)
class Needs:
    """What a machine must have.

    Args:
        folders: that are there under the same path.
        storage: folders elsewhere that it can reach.
        looks: of the batch, each with the SHA-256 of its files.
        version: of lptn_retouch.
    """

    folders: tuple[Path, ...] = ()
    storage: tuple[UPath, ...] = ()
    looks: tuple[tuple[Look, tuple[str, ...]], ...] = ()
    version: str = __version__

    def lacking(self) -> str | None:
        """What of it this machine lacks and what to do about it, one sentence; None if it has all.

        Example:
            >>> Needs((Path("/"),)).lacking() is None, Needs(version="0.0").lacking()
            (True, 'it has another version of lptn_retouch; install 0.0 there.')
        """
        if self.version != __version__:
            return f"it has another version of lptn_retouch; install {self.version} there."
        for folder in self.folders:
            if not folder.is_dir():
                return f"{shown(folder)} is not there; mount it there as it is here, or use storage that all reach."
        for place in self.storage:
            if why := why_unreachable(place):
                return f"it cannot reach {shown(named(place))} ({why}); give it the keys and the network that this has."
        for look, hashes in self.looks:
            try:
                same = hashes_of(look) == hashes
            except LptnRetouchError:
                same = False
            if not same:
                return f"it has not the same preset or mask ({shown(look.name)}); copy its files there."
        return None


def hashes_of(look: Look) -> tuple[str, ...]:
    """SHA-256 of the files that a look is made of: its presets, and its mask.

    Raises:
        PresetError: there is no such preset.
        UsageError: one of them cannot be read.
    """
    from lptn_retouch.preset import find_preset

    masks = [Path(look.mask)] if look.mask is not None else []
    hashes = []
    for path in (*(find_preset(preset) for preset, _ in look.steps), *masks):
        try:
            hashes.append(hashlib.sha256(path.read_bytes()).hexdigest())
        except OSError as error:
            what = "mask" if path in masks else "preset"
            raise UsageError(f"{shown(path)}: this {what} cannot be read ({error.strerror}); check it.") from None
    return tuple(hashes)
