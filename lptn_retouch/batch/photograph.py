"""One photograph from file to files, in a process of its own: if a decoder dies of it, only this photograph is lost."""

from __future__ import annotations

import errno
import hashlib
import os
import time
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from lptn_retouch.batch.settings import Look
from lptn_retouch.batch.storage import Place, fetch, fetched, is_remote, put
from lptn_retouch.batch.work import Here, Result, Work, failed, skipped
from lptn_retouch.errors import InTheWayError, LptnRetouchError, TooLargeError, causes, reason, shown
from lptn_retouch.stack import Step

if TYPE_CHECKING:
    from lptn_retouch.mask import Mask
    from lptn_retouch.photo import Photo
    from lptn_retouch.retoucher import Retoucher

THUMBNAIL, MOST_BYTES = 320, 14_000  # px of the longer side, and of each in a report
SAMPLES = 3  # a side, at least, of the pixels that each of these is averaged from: all would take seven times as long
IS_RESULT = "it is a result already; --again retouches it once more."
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ENODEV)


def do(work: Work) -> Result:
    """Retouch one photograph and write its outputs, or copy one file. Never raises what a file can be the cause of."""
    started = time.perf_counter()
    try:
        if any(is_remote(place) for place in (work.source, *work.written)):
            return replace(_elsewhere(work), seconds=time.perf_counter() - started)
        result = _copied(work) if work.look is None else _retouched(work, work.look)
    except TooLargeError as error:
        return failed(work, str(error), alone=True, causes=causes(error))
    except MemoryError:
        sentence = "there is not enough memory for it; close other programs or use fewer --workers."
        return failed(work, sentence, alone=True)
    except InTheWayError as error:
        end = skipped if work.skip else failed
        return end(work, str(error), unwritten=_unwritten(work, error.target))
    except LptnRetouchError as error:
        return failed(work, str(error), stops=_is_of_the_disk(error), causes=causes(error))
    except OSError as error:
        return failed(work, f"it could not be read or written ({reason(error)}); check the disk.")
    except Exception as error:  # a fault of ours must not cost the others either
        return failed(work, f"it failed in a way nobody thought of ({type(error).__name__}: {reason(error)}).")
    return replace(result, seconds=time.perf_counter() - started)


def _elsewhere(work: Work) -> Result:
    """Fetch a photograph, do it in a folder of this machine, and put its results where they belong."""
    with TemporaryDirectory(prefix="lptn-retouch-") as made:
        folder = Path(made)
        here = {
            place: _here(place, folder / str(n)) for n, place in enumerate((work.source, *(s for s, _ in work.copies)))
        }
        there: dict[Path, Place] = {}
        for n, target in enumerate(work.written):
            (folder / f"to{n}").mkdir()
            there[folder / f"to{n}" / target.name] = target
        targets = tuple(there)
        result = do(
            replace(
                work,
                source=here[work.source],
                targets=targets[: len(work.targets)],
                copies=tuple(zip((here[s] for s, _ in work.copies), targets[len(work.targets) :], strict=True)),
                new=frozenset(),
            )
        )
        result = replace(result, source=work.source, reason=result.reason.replace(str(here[work.source]), work.file))
        if result.outcome not in ("done", "copied"):
            return replace(result, unwritten=tuple(work.written) if result.unwritten else ())
        files = tuple(_put(local, target, work) for local, target in there.items())
    return replace(result, outputs=work.written, files=files)


def _here(place: Place, folder: Path) -> Path:
    if not is_remote(place):
        return place
    folder.mkdir()
    return fetch(place, folder)


def _put(source: Path, target: Place, work: Work) -> dict[str, Any]:
    if is_remote(target):
        return put(source, target, overwrite=target not in work.new)
    _copy(source, target, overwrite=target not in work.new)
    return _described(target)


def prepare(look: Look, device: str) -> str:
    """Load a preset and have what it needs compiled, before any photograph waits for that. Returns its path.

    Raises:
        PresetError: it is not there or not sound.
        UsageError: there is no such device.
    """
    import numpy as np

    retoucher = _retoucher(look, device, None)
    retoucher(np.zeros((192, 192, 3), np.uint8))
    return str(retoucher.preset.path)


_retouchers: dict[tuple[tuple[Step, ...], str], Retoucher] = {}


def _retoucher(look: Look, device: str, memory: int | None) -> Retoucher:
    """The Retoucher of a look, loaded once; a process does one photograph at a time, so each sets its memory."""
    key = (look.steps, device)
    if key not in _retouchers:
        from lptn_retouch.retoucher import Retoucher

        while len(_retouchers) >= 16:  # rules may name any number of presets
            del _retouchers[next(iter(_retouchers))]
        _retouchers[key] = Retoucher(look.steps, device)
    _retouchers[key].memory_limit = memory
    return _retouchers[key]


@lru_cache(maxsize=1)
def _mask(path: str) -> Mask:
    from lptn_retouch.mask import open_mask

    return open_mask(path)


def _retouched(work: Work, look: Look) -> Result:
    from lptn_retouch.metadata.recipe import is_result

    retoucher = _retoucher(look, work.device, work.memory)
    here = work.here
    photo = retoucher.open(here.source)
    if not work.again and is_result(photo.metadata):
        return skipped(
            work, IS_RESULT, is_result=True, unwritten=_unwritten(work), source_sha256=photo.source.sha256 or ""
        )
    before = _small(photo) if work.thumbnails else None
    size = photo.width * photo.height / 1e6
    mask = None if look.mask is None else _mask(look.mask)
    photo = retoucher.using_up(photo, amount=look.amount, detail=look.detail, mask=mask)
    notices = list(photo.notices)
    for output, target in zip(work.outputs, here.targets, strict=True):
        _make_folder(target)
        saved = output.save(photo, target, overwrite=target not in work.new)
        notices += [notice for notice in saved.notices if notice not in notices]
    for source, target in here.copies:
        _copy(source, target, overwrite=target not in work.new)
    return Result(
        work.file,
        "done",
        work.source,
        work.written,
        look.name,
        look.amount,
        look.detail,
        notices=tuple(notices),
        metadata=_metadata_kept(work, here),
        megapixels=size,
        source_sha256=photo.source.sha256 or "",
        files=tuple(map(_described, here.written)),
        before=before,
        after=_small(photo) if work.thumbnails else None,
    )


def _unwritten(work: Work, in_the_way: str | os.PathLike[str] = "") -> tuple[Place, ...]:
    return tuple(
        place
        for place in work.written
        if not place.exists() or (place in work.new and str(place) == os.fspath(in_the_way))
    )


def thumbnails_of(source: Place, result: Place) -> tuple[bytes | None, bytes | None]:
    """Small pictures of a photograph that was done before, and of its result."""
    from lptn_retouch.opening import open_photo

    pictures: list[bytes | None] = []
    for path in (source, result):
        try:
            with fetched(path) as here:
                pictures.append(_small(open_photo(here)))
        except (LptnRetouchError, MemoryError):
            pictures.append(None)
    return pictures[0], pictures[1]


def _small(photo: Photo) -> bytes | None:
    from lptn_retouch.thumbnail import thumbnailer

    skip = max(1, max(photo.width, photo.height) // (SAMPLES * THUMBNAIL))
    middle = min(photo.width, photo.height, skip) // 2
    some = photo.with_pixels(photo.pixels[middle::skip, middle::skip])
    return thumbnailer(some.picture)((THUMBNAIL, THUMBNAIL), MOST_BYTES)


def _metadata_kept(work: Work, here: Here) -> dict[str, int]:
    """The verdicts of `verify`, counted; it takes a millisecond."""
    from lptn_retouch.verify.compare import compare

    if work.outputs[0].metadata == "none":
        return {}
    with suppress(Exception):  # a container that verify does not read; the picture is what matters
        return {str(verdict): count for verdict, count in compare(here.source, here.targets[0]).counts.items() if count}
    return {}


def _copied(work: Work) -> Result:
    source, (target,), _ = work.here
    _copy(source, target, overwrite=target not in work.new)
    described = _described(target)
    return Result(work.file, "copied", work.source, (target,), source_sha256=described["sha256"], files=(described,))


def _copy(source: Path, target: Path, *, overwrite: bool) -> None:
    """Copy a file whole or not at all, with its date."""
    from shutil import copyfileobj

    from lptn_retouch.files import check_free, write_atomically

    check_free(target, overwrite=overwrite)
    _make_folder(target)
    with source.open("rb") as file:
        modified = os.fstat(file.fileno()).st_mtime_ns
        write_atomically(target, lambda out: copyfileobj(file, out, 1 << 20), modified, overwrite=overwrite)


def _make_folder(target: Path) -> None:
    from lptn_retouch.errors import UnwritablePhotoError

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnwritablePhotoError(
            f"{shown(target)}: its folder cannot be made ({reason(error)}); choose another folder."
        ) from error


def _described(path: Path) -> dict[str, Any]:
    """A file that was written, so that it can be known again."""
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"path": str(path), "size": status.st_size, "modified": status.st_mtime_ns, "sha256": digest}


def _is_of_the_disk(error: BaseException) -> bool:
    """Whether it is the disk of results that is full or gone."""
    from lptn_retouch.errors import UnwritablePhotoError

    cause = error.__cause__
    return isinstance(error, UnwritablePhotoError) and isinstance(cause, OSError) and cause.errno in _DISK
