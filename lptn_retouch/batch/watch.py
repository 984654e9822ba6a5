"""A folder that is kept going: what comes into it is retouched, once it is complete."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from lptn_retouch.batch.plan import Job
from lptn_retouch.batch.storage import is_remote
from lptn_retouch.batch.work import Result
from lptn_retouch.errors import UnreadablePhotoError, UsageError, shown

if TYPE_CHECKING:
    from lptn_retouch.batch.run import Batch

SETTLED = 2.0  # seconds in which neither a file's size nor its date may change, before it counts as complete
TICK = 500  # milliseconds between looks


def watch(batch: Batch) -> Iterator[Result | None]:
    """Retouch what is in the folder and what comes into it, until :meth:`Batch.stop` is called.

    A file is taken when its size and date have stood still for two seconds. One that fails is tried again when it
    changes: a copy over a slow network may have paused in the middle.

    Yields:
        A result for each file; None each time all is done and there is nothing but to wait.

    Raises:
        UsageError: watchfiles is not installed.
        UnreadablePhotoError: the folder is gone.
    """
    if is_remote(batch.plan.source):
        raise UsageError(
            f"{shown(str(batch.plan.source))}: only a folder of this machine can be watched; leave out --watch."
        )
    try:
        from watchfiles import watch as changes
    except ImportError:
        raise UsageError(
            'watching needs watchfiles, which is not installed; run pip install "lptn-retouch[watch]".'
        ) from None

    seen: dict[str, tuple[tuple[int, int], float]] = {}  # by file: size and date, and since when they are these
    tried: dict[str, tuple[int, int]] = {}
    pending = True
    for changed in changes(
        batch.plan.source,
        recursive=True,
        step=TICK,
        rust_timeout=TICK,
        yield_on_timeout=True,
        stop_event=batch.stopping,
        raise_interrupt=True,
        ignore_permission_denied=True,
    ):
        if not batch.plan.source.is_dir():
            raise UnreadablePhotoError(
                f"stopped, since {shown(batch.plan.source)} is gone; connect it and start again."
            )
        if not changed and not pending:
            continue
        now = time.monotonic()
        ready: list[Job] = []
        pending = False
        for job in batch.look_again().jobs:
            state = (job.found.size, job.found.modified)
            if seen.get(job.found.file, (None,))[0] != state:
                seen[job.found.file] = (state, now)
            if tried.get(job.found.file) == state:
                continue
            if now - seen[job.found.file][1] < SETTLED:
                pending = True
            else:
                tried[job.found.file] = state
                ready.append(job)
        if ready:
            yield from batch.run(ready)
        if not pending:
            yield None
