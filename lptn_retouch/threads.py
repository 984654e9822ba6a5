"""One pool of threads for the whole process: however many pictures are in work, no core is asked for twice.

What runs on it (compiled kernels, the JPEG encoder) releases the GIL, so plain threads do. There are as many as torch
would take: the cores that this process may use, or what OMP_NUM_THREADS or ``torch.set_num_threads`` say. Torch is
never imported for that: it may be there from the start, come later, or never.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from itertools import pairwise
from typing import Any, TypeVar

SHARES = 4  # of the rows for each thread: one that is held up leaves its further shares to others

T = TypeVar("T")

_lock = threading.Lock()
_pool: ThreadPoolExecutor | None = None
_told: int | None = None  # how many threads this process shall use, where that was said
_torch_kept = threading.local()  # whether torch keeps to this one thread


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
    left = deque(pairwise(edges))

    def take_turns() -> None:
        while left:
            try:
                first, end = left.popleft()
            except IndexError:  # another thread has taken the last
                return
            work(first, end)

    at_once([take_turns] * min(strips, threads))


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
    return call() if thread_count() == 1 else _shared().submit(_keeping_to_one, call).result()


def thread_count() -> int:
    """How many threads work on a picture.

    Example:
        >>> thread_count() >= 1
        True
    """
    if torch := _torch():
        return int(torch.get_num_threads())
    if _told is not None:
        return _told
    with suppress(KeyError, ValueError):
        return max(1, int(os.environ["OMP_NUM_THREADS"]))
    return core_count()


def keep_to(threads: int) -> None:
    """Have this process use so many threads, in torch as well, whether it is there or comes later."""
    global _told
    _told = threads
    os.environ["OMP_NUM_THREADS"] = str(threads)
    if torch := _torch():
        torch.set_num_threads(threads)


def wait_without_spinning() -> None:
    """Have torch's threads sleep while they wait for each other, if torch is not there yet and nobody said otherwise.

    They spin else, and where another program has a core, each wait burns a slice of the scheduler's time: training with
    two threads beside two busy programs was eight times slower than with one. Asleep they are as fast as one there, and
    hardly slower alone. What they compute stays the same.
    """
    for name, value in (("OMP_WAIT_POLICY", "PASSIVE"), ("KMP_BLOCKTIME", "0")):  # libgomp; Intel's and LLVM's
        os.environ.setdefault(name, value)


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
            _pool = ThreadPoolExecutor(thread_count(), thread_name_prefix="lptn-retouch")
        return _pool


def _torch() -> Any:
    """Torch, if it has been imported; None while another thread is still at it."""
    torch = sys.modules.get("torch")
    return torch if hasattr(torch, "get_num_threads") and hasattr(torch, "set_num_threads") else None


def _keeping_to_one(call: Callable[[], T]) -> T:
    """Have torch use one thread when it is called on this one, and leave it as it is on all others."""
    if (torch := _torch()) and not hasattr(_torch_kept, "done"):
        everywhere = torch.get_num_threads()
        torch.set_num_threads(1)  # of this thread, and of those to come, so for them it is set back from a new one
        other = threading.Thread(target=torch.set_num_threads, args=(everywhere,))
        other.start()
        other.join()
        _torch_kept.done = True
    return call()


def _forget() -> None:
    """A forked process has no threads but the one that forked, and keeps to that one.

    OpenMP does not know that: where torch has shared out work before, it would wait for its lost threads for ever.
    Torch that comes later has an OpenMP that has lost nothing. And each of a pool of processes wants no more than one.
    """
    global _pool, _lock, _told
    _pool, _lock, _told = None, threading.Lock(), 1
    if torch := _torch():
        torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
