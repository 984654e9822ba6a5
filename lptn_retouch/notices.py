"""What compiled code says of itself: a line each, through the logger "lptn_retouch", so on the terminal by default."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from lptn_retouch.errors import reason

log = logging.getLogger("lptn_retouch")
_NOTICE_AFTER = 2.5  # seconds: kernels that come from the cache are there before, on a busy machine too


@contextmanager
def compiling(target: str) -> Iterator[None]:
    """Say that kernels are compiled for a `target`, if what is done takes longer than fetching them from the cache."""
    message = f"lptn_retouch: compiling for this {target}, once; that takes some ten seconds."
    notice = threading.Timer(_NOTICE_AFTER, log.warning, (message,))
    notice.daemon = True
    notice.start()
    try:
        yield
    finally:
        notice.cancel()


def without_numba(error: Exception) -> None:
    """Say that the reference does the CPU engine's work, and why."""
    log.warning(
        "lptn_retouch: the fast CPU engine cannot run here (%s), so the plain one does the work, about 20 times "
        "slower; pip install --upgrade numba may help.",
        reason(error),
    )
