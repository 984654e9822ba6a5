"""One pool of threads for the whole process: however many pictures are in work, no core is asked for twice.

What runs on it (compiled kernels, the JPEG encoder) releases the GIL, so plain threads do. There are as many as torch
would take: the cores that this process may use, or what OMP_NUM_THREADS or ``torch.set_num_threads`` say.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from functools import partial
from itertools import pairwise
from typing import TypeVar

SHARES = 4  # of the rows for each thread: one that is held up leaves its further shares to others

T = TypeVar("T")

_lock = threading.Lock()
_pool: ThreadPoolExecutor | None = None


def in_strips(work: Callable[[int, int], object], rows: int) -> None:
    """Call ``work(first, end)`` on ranges that make up `rows`, on all threads; returns when all are done.

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
    at_once([partial(work, first, end) for first, end in pairwise(edges)])


def at_once(calls: Iterable[Callable[[], T]]) -> list[T]:
    """Make several calls on all threads and return their results in order.

    Must not be called from within such a call: the pool would wait for itself.

    Raises:
        Exception: what the first of the calls that failed has raised; the others have ended too by then.

    Example:
        >>> at_once([lambda: 1, lambda: 2])
        [1, 2]
    """
    calls = list(calls)
    if len(calls) == 1 or thread_count() == 1:
        return [call() for call in calls]
    pool = _shared()
    tasks = [pool.submit(call) for call in calls]
    wait(tasks)
    return [task.result() for task in tasks]


def on_one(call: Callable[[], T]) -> T:
    """Make a call on one thread of the pool, where torch keeps to that thread too, and return its result.

    Torch shares out even the smallest convolution, and waits for all shares. Where another picture, or a program, has
    a core, each wait is for the scheduler: a network of 20 ms was seen to take 500.

    Example:
        >>> on_one(lambda: 1)
        1
    """
    return call() if thread_count() == 1 else _shared().submit(call).result()


def thread_count() -> int:
    """How many threads work on a picture.

    Example:
        >>> thread_count() >= 1
        True
    """
    if torch := sys.modules.get("torch"):  # asked only if it is there: files are opened and saved without it
        return int(torch.get_num_threads())
    with suppress(KeyError, ValueError):
        return max(1, int(os.environ["OMP_NUM_THREADS"]))
    return core_count()


def core_count() -> int:
    """How many cores this process may use.

    Example:
        >>> core_count() >= 1
        True
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _shared() -> ThreadPoolExecutor:
    global _pool
    with _lock:
        if _pool is None:
            _pool = ThreadPoolExecutor(thread_count(), thread_name_prefix="lptn-retouch", initializer=_keep_to_one)
        return _pool


def _keep_to_one() -> None:
    """Have torch use one thread when it is called on this one, and leave it as it is on all others."""
    if torch := sys.modules.get("torch"):
        everywhere = torch.get_num_threads()
        torch.set_num_threads(1)  # of this thread, and of those to come, so for them it is set back from a new one
        other = threading.Thread(target=torch.set_num_threads, args=(everywhere,))
        other.start()
        other.join()


def _forget() -> None:
    """A forked process has no threads but the one that forked.

    OpenMP does not know that: where torch has shared out work before, it would wait for its lost threads for ever. So
    in a forked process torch, and with it the pool, keeps to one thread. Each of a pool of processes wants no more.
    """
    global _pool, _lock
    _pool, _lock = None, threading.Lock()
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
