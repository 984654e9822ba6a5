"""What a batch will take, in time and on the disk: a few photographs are done, and the others reckoned from these."""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from lptn_retouch.batch.plan import Job, Plan
from lptn_retouch.batch.storage import Place, is_remote
from lptn_retouch.batch.words import said
from lptn_retouch.batch.work import Result, Work
from lptn_retouch.errors import UsageError, shown

SAMPLES = 3  # photographs: one of small size, a middle one, one of large
AMPLE = 40  # times the size of the photographs: no output of ours is larger than a 16-bit TIFF of a JPEG


class Planned(Protocol):
    """What a forecast asks of a batch."""

    plan: Plan

    @property
    def workers(self) -> int:
        """Photographs in work at once."""
        ...

    def work(self, job: Job) -> Work:
        """A job as it is given to a process."""
        ...

    def try_out(self, works: list[Work]) -> list[Result]:
        """Do some work that no journal is kept of; results in order."""
        ...


@dataclass(frozen=True)
class Forecast:
    """What is to be expected.

    Args:
        photographs: to be done.
        seconds: all of them together, on all workers.
        size: bytes of all results.
    """

    photographs: int
    seconds: float
    size: int


def forecast(batch: Planned, jobs: list[Job]) -> Forecast:
    """Do a few photographs into a folder that is thrown away, and reckon the others from the sizes of their files.

    Args:
        batch: planned; nothing is written to its results.
        jobs: those that are to be done.
    """
    photographs = sorted((job for job in jobs if job.look is not None), key=lambda job: job.found.size)
    copied = sum(job.found.size for job in jobs if job.look is None)
    if not photographs:
        return Forecast(0, 0.0, copied)
    count = min(SAMPLES, len(photographs))
    chosen = [photographs[(2 * k + 1) * len(photographs) // (2 * count)] for k in range(count)]
    seconds, written, read = 0.0, 0, 0
    with tempfile.TemporaryDirectory(prefix="lptn-retouch-") as folder:
        works = [batch.work(job) for job in chosen]
        targets = [
            tuple(Path(folder, str(number), path.name) for number, path in enumerate(work.targets)) for work in works
        ]
        samples = [replace(w, targets=t, copies=()) for w, t in zip(works, targets, strict=True)]
        for job, result in zip(chosen, batch.try_out(samples), strict=True):
            if result.outcome == "done":
                seconds += result.seconds
                written += sum(described["size"] for described in result.files)
                read += job.found.size
    total = sum(job.found.size for job in photographs)
    if not read:  # none of them can be opened: what can be said is that it is soon over
        return Forecast(len(photographs), 0.0, copied)
    return Forecast(len(photographs), total * seconds / read / batch.workers, int(total * written / read) + copied)


def check_space(batch: Planned, jobs: Iterable[Job]) -> None:
    """Refuse to start where the results cannot fit on the disk. Measured only where it might be so.

    Raises:
        UsageError: the disk is too small.
    """
    jobs = list(jobs)
    free = space_at(batch.plan.results)
    if free > AMPLE * sum(job.found.size for job in jobs):
        return
    expected = forecast(batch, jobs)
    if expected.size > free:
        raise UsageError(
            f"{shown(str(batch.plan.results))}: the results take about {said(expected.size)} and {said(int(free))} are "
            "free; free some space, choose another disk, or make smaller results with --format or --quality."
        )


def space_at(folder: Place) -> float:
    """Free bytes where a folder is, or will be; storage elsewhere has no end that could be asked for."""
    if is_remote(folder):
        return math.inf
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free
