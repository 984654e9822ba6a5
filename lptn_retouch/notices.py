"""What compiled code says of itself: a line each, through the logger "lptn_retouch", so on the terminal by default."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from lptn_retouch.errors import reason

log = logging.getLogger("lptn_retouch")
_NOTICE_AFTER = 2.5  # seconds: a GPU's kernels that come from the cache are there before
_said = False


@contextmanager
def compiling() -> Iterator[None]:
    """Say that kernels are compiled for this processor, when numba begins with the first: once a process."""
    from numba.core import event

    class Telling(event.Listener):
        def on_start(self, _: event.Event) -> None:
            _say("processor")

        def on_end(self, _: event.Event) -> None: ...

    with event.install_listener("numba:compile", Telling()):  # none of what comes from the cache on the disk
        yield


@contextmanager
def compiling_for_gpu() -> Iterator[None]:
    """The same for a GPU, if it takes longer than fetching from the cache: Triton does not tell before."""
    notice = threading.Timer(_NOTICE_AFTER, _say, ("GPU",))
    notice.daemon = True
    notice.start()
    try:
        yield
    finally:
        notice.cancel()


def _say(target: str) -> None:
    global _said
    if not _said:
        _said = True
        log.warning("lptn_retouch: compiling for this %s, once; that takes some ten seconds.", target)


def without_numba(error: Exception) -> None:
    """Say that the reference does the CPU engine's work, and why."""
    log.warning(
        "lptn_retouch: the fast CPU engine cannot run here (%s), so the plain one does the work, about 20 times "
        "slower; pip install --upgrade numba may help.",
        reason(error),
    )
