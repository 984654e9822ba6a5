"""One pool of threads for the whole process: however many Retouchers there are, no core is asked for twice.

The kernels release the GIL, so plain threads do. There are as many as torch would take: the cores that this process
may use, or what OMP_NUM_THREADS or ``torch.set_num_threads`` say when the first picture comes.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import pairwise

import torch

SHARES = 4  # of the rows for each thread: one that is held up leaves its further shares to others

_lock = threading.Lock()
_pool: ThreadPoolExecutor | None = None


def in_strips(work: Callable[[int, int], object], rows: int) -> None:
    """Call ``work(first, end)`` on ranges that make up `rows`, on the pool's threads; returns when all are done.

    Raises:
        Exception: what the first of the calls that failed has raised.

    Example:
        >>> done = []
        >>> in_strips(lambda first, end: done.extend(range(first, end)), 5)
        >>> sorted(done)
        [0, 1, 2, 3, 4]
    """
    threads = thread_count()
    strips = min(rows, SHARES * threads) if threads > 1 else 1
    edges = [rows * i // strips for i in range(strips + 1)]
    if strips == 1:
        work(0, rows)
        return
    pool = _shared()
    tasks = [pool.submit(work, first, end) for first, end in pairwise(edges)]
    wait(tasks)
    for task in tasks:
        task.result()


def thread_count() -> int:
    """Threads that a picture is worked on with."""
    return torch.get_num_threads()


def _shared() -> ThreadPoolExecutor:
    global _pool
    with _lock:
        if _pool is None:
            _pool = ThreadPoolExecutor(thread_count(), thread_name_prefix="lptn-retouch")
        return _pool


def _forget() -> None:
    """A forked process has no threads but the one that forked."""
    global _pool, _lock
    _pool, _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
