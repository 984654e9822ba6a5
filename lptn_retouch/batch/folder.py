"""`retouch_folder`: what the command does, from Python."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from lptn_retouch.batch.options import Settings
from lptn_retouch.batch.plan import Choice
from lptn_retouch.batch.report import check_report
from lptn_retouch.batch.rules import Rule, read_rules
from lptn_retouch.batch.run import Batch
from lptn_retouch.batch.settings import Look, Output
from lptn_retouch.batch.storage import located
from lptn_retouch.batch.work import Result
from lptn_retouch.stack import Step


def retouch_folder(
    source: str | os.PathLike[str],
    results: str | os.PathLike[str],
    preset: str | os.PathLike[str] | Sequence[str | Step] = "retouch",
    *,
    amount: float = 1.0,
    detail: float = 1.0,
    mask: str | os.PathLike[str] | None = None,
    outputs: tuple[Output, ...] = (Output(),),
    rules: str | os.PathLike[str] | tuple[Rule, ...] = (),
    include: tuple[str, ...] = (),
    exclude: tuple[str, ...] = (),
    newer_than: datetime | None = None,
    rating: int | None = None,
    copy_others: bool = False,
    workers: int | None = None,
    device: str = "auto",
    memory_limit: int | None = None,
    timeout: float | None = None,
    overwrite: bool = False,
    check: bool = False,
    report: str | os.PathLike[str] | None = None,
    skip: bool = False,
    again: bool = False,
    engine: str = "local",
    address: str | None = None,
) -> Iterator[Result]:
    """Retouch a folder of photographs into another, on all cores; started again, it goes on where it ended.

    Args:
        source: the folder; those in it are gone through as well. Or a URL, see :mod:`lptn_retouch.batch.storage`.
        results: the folder for the results, outside the source; a journal is kept there. Or a URL.
        preset: name or file of a preset; or several, a stack: ``["retouch", ("winter", 0.6)]``.
        amount, detail: 0 to 2.
        mask: the file of a grey picture, white where the look is applied, for photographs of its shape.
        outputs: what is written of each photograph.
        rules: looks by folder, camera or time; see :mod:`lptn_retouch.batch.rules`.
        include, exclude: patterns of names, paths or folders.
        newer_than: local time; only files that were last written later.
        rating: the fewest stars in XMP.
        copy_others: copy what is no photograph.
        workers: photographs in work at once; None for one a core, fewer where memory is short.
        device: "auto", "cpu", "cuda", ...
        memory_limit: bytes that all photographs in work may take together; None for what the machine has.
        timeout: seconds that a photograph may take; None for 300, and 6 more for each megabyte of its file.
        overwrite: replace files that are not of this batch.
        check: read what is done again, whole, instead of trusting sizes and dates.
        report: an HTML file to write at the end.
        skip: leave files that are not of this batch, and call that "skipped", not "failed".
        again: retouch what is a result already; without, it is "skipped" with a reason.
        engine: "local", or "ray" for a cluster.
        address: of the cluster; None to start one on this machine, or for what RAY_ADDRESS says.

    Yields:
        A result for each file. A photograph that fails is one with the outcome "failed" and its reason.

    Raises:
        UsageError: an argument is wrong, the folders lie in one another, or another batch is at work there.
        PresetError: the preset cannot be used.
        UnwritablePhotoError: nothing can be written to `results`, or not any more.
        UnreadablePhotoError: the source is gone.

    Example:
        >>> import tempfile, numpy as np
        >>> from lptn_retouch import Photo
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Path(folder, "in").mkdir()
        ...     saved = Photo(np.full((40, 60, 3), 90, np.uint8)).save(Path(folder, "in", "grey.jpg"))
        ...     [result.outcome for result in retouch_folder(Path(folder, "in"), Path(folder, "out"))]
        ['done']
    """
    known = rules if isinstance(rules, tuple) else read_rules(Path(rules))
    named = os.fspath(preset) if isinstance(preset, os.PathLike) else preset
    look = Look(named, amount, detail, None if mask is None else os.fspath(mask))
    choice = Choice(look, known, tuple(include), tuple(exclude), newer_than, rating, copy_others)
    settings = Settings(
        tuple(outputs),
        choice,
        workers,
        device,
        memory_limit,
        timeout,
        overwrite,
        check,
        report is not None,
        skip,
        again,
        engine,
        address,
    )

    def go() -> Iterator[Result]:
        with batch:
            page = None if report is None else check_report(report)
            yield from batch.run()
            if page is not None:
                batch.report(page)

    batch = Batch(located(source), located(results), settings)
    return go()
