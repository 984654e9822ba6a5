"""A process that one call at a time is made in, and that may die of it.

It has a pipe of its own and nothing in common with others, so whatever one of them dies of (a decoder that reads past
its memory, the kernel short of it), or hangs in, no other waits for it.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures import TimeoutError as Late
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from multiprocessing.context import BaseContext
from types import ModuleType
from typing import Any, TypeVar

from lptn_retouch.errors import LptnRetouchError, reason
from lptn_retouch.threads import keep_to

T = TypeVar("T")

_main_hidden = threading.Lock()

_SERVER_WAITS = (0.1, 1.0)  # seconds before a start is tried again

# None, and 255, is what Python makes of a status that two threads have asked for at once.
_UNKNOWN = (None, 255)
_PERHAPS_KILLED = (*_UNKNOWN, -getattr(signal, "SIGKILL", 9))


class DeadError(Exception):
    """A process died, or was ended because it took too long.

    Args:
        sentence: for the user.
        killed: by the kernel most likely, for want of memory; another photograph may have been the cause.
    """

    def __init__(self, sentence: str, *, killed: bool = False) -> None:
        super().__init__(sentence)
        self.killed = killed


class Process:
    """A process that makes one call at a time, and is started again when it has died.

    Args:
        threads: that it may use.
        torch: whether its work needs torch, which is then imported once for all processes, if they can be forked.
    """

    def __init__(self, threads: int, *, torch: bool = False) -> None:
        self._threads = threads
        self._torch = torch
        self._pool: ProcessPoolExecutor | None = None
        self._process: multiprocessing.process.BaseProcess | None = None
        self._lock = threading.Lock()
        self._ended = False

    def call(self, function: Callable[..., T], *arguments: Any, timeout: float | None = None) -> T:
        """Make a call there.

        Raises:
            DeadError: the process died of it, took longer than `timeout` seconds, or was ended meanwhile.
            LptnRetouchError: no process can be started.
            Exception: what the call raised.
        """
        try:
            return self._submit(function, *arguments).result(timeout)
        except Late:
            self.kill()
            raise DeadError(
                f"it took longer than {timeout:.0f} seconds and was given up; try it alone with apply."
            ) from None
        except BrokenProcessPool:
            dead, pool = self._process, self._pool
            if pool is not None:  # it asks for the status too, and who asks at the same time may get none
                pool.shutdown(wait=True)
            self.kill()
            status = dead.exitcode if dead is not None else None
            raise DeadError(_what_killed(status), killed=status in _PERHAPS_KILLED) from None

    def _submit(self, function: Callable[..., T], *arguments: Any) -> Future[T]:
        try:
            return self._started().submit(function, *arguments)
        except BrokenProcessPool:  # it died while it had nothing to do, which is no fault of this call
            self.kill()
            return self._started().submit(function, *arguments)

    @property
    def ended(self) -> bool:
        """Whether it was ended for good."""
        return self._ended

    def kill(self, *, for_good: bool = False) -> None:
        """End the process, whatever it does; the next call starts another, unless it is `for_good`."""
        with self._lock:
            self._ended |= for_good
            pool, self._pool = self._pool, None
            if pool is not None:
                if self._process is not None:
                    self._process.kill()
                    self._process.join(5)
                gone = self._process is not None and not self._process.is_alive()
                pool.shutdown(wait=gone, cancel_futures=True)  # what cannot even be killed is not waited for

    def close(self) -> None:
        """Let the process end by itself."""
        with self._lock:
            self._ended = True
            if self._pool is not None:
                self._pool.shutdown(wait=True)
                self._pool = None

    def _started(self) -> ProcessPoolExecutor:
        with self._lock:
            if self._ended:
                raise DeadError("it was stopped.")
            if self._pool is None:
                self._process = None
                try:
                    self._pool, first = self._new_pool()
                except (OSError, EOFError, RuntimeError) as error:  # of files, of processes, of memory
                    self._pool = None
                    if isinstance(error, FileNotFoundError):  # the working folder is gone
                        raise
                    raise LptnRetouchError(
                        f"stopped, since the system allows no further process ({reason(error)}); use fewer "
                        "--workers or close other programs, and run the same again, which goes on."
                    ) from error
                pid = first.result()
                self._process = next((p for p in multiprocessing.active_children() if p.pid == pid), None)
            return self._pool

    def _new_pool(self) -> tuple[ProcessPoolExecutor, Future[int]]:
        """A pool, and the call that starts its process."""
        for wait in _SERVER_WAITS:
            try:
                return self._tried_pool()
            except (EOFError, ConnectionError):  # the fork server has died; once that is known another is started
                time.sleep(wait)
        return self._tried_pool()

    def _tried_pool(self) -> tuple[ProcessPoolExecutor, Future[int]]:
        with _hidden_main():
            pool = ProcessPoolExecutor(1, _context(torch=self._torch), _at_start, (self._threads,))
            return pool, pool.submit(os.getpid)


@contextmanager
def _hidden_main() -> Iterator[None]:
    """Start a process without the user's script, which Python would run again there though nothing of it is needed.

    A script without ``if __name__ == "__main__":`` would then start the batch from within itself, and one that is read
    from standard input cannot be found again.
    """
    with _main_hidden:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main


def _context(*, torch: bool) -> BaseContext:
    """Where there is a fork server, it imports once for all processes, those that replace dead ones too."""
    if "forkserver" in multiprocessing.get_all_start_methods() and sys.platform != "darwin":
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["lptn_retouch.batch.preload", *["lptn_retouch.batch.preload_torch"] * torch])
        return context
    return multiprocessing.get_context("spawn")


def _at_start(threads: int) -> None:
    """In a new process: so many threads; Ctrl-C is its parent's to answer; without its parent it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:

        def end_with_parent() -> None:
            parent.join()
            os._exit(1)

        threading.Thread(target=end_with_parent, daemon=True).start()
    keep_to(threads)


def _what_killed(status: int | None) -> str:
    if status in _UNKNOWN or status >= 0:
        return "the process that worked on it ended without a word; try it alone with apply."
    if -status == getattr(signal, "SIGKILL", 9):
        return "the process that worked on it was killed, most likely for want of memory; try it with fewer --workers."
    with suppress(ValueError):
        name = signal.strsignal(-status) or signal.Signals(-status).name
        return f"a decoder died of it ({name}); it is damaged in a way that nobody knew, so copy it again."
    return f"a decoder died of it (signal {-status}); copy it again."
