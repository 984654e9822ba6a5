"""Photographs over all cores of this machine, each process with one at a time.

Whatever a process dies of or hangs in, it is replaced, and its photograph is named as failed.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from lptn_retouch.batch.photograph import do
from lptn_retouch.batch.process import DeadError, Process
from lptn_retouch.batch.work import Ended, Result, Work, failed
from lptn_retouch.errors import LptnRetouchError
from lptn_retouch.threads import core_count

PATIENCE, PATIENCE_PER_MB = 300.0, 6.0  # seconds that a photograph may take, and more for each megabyte of its file

T = TypeVar("T")


class LocalRunner:
    """Run work on this machine's cores.

    Args:
        workers: photographs in work at once.
        threads: that each may use.
        timeout: seconds that a photograph may take; None for 300, and 6 more for each megabyte.
        torch: whether the work needs torch.
    """

    def __init__(self, workers: int, threads: int = 1, timeout: float | None = None, *, torch: bool = False) -> None:
        self.workers = workers
        self._processes = [Process(threads, torch=torch) for _ in range(workers)]
        self._timeout = timeout

    def __enter__(self) -> LocalRunner:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for process in self._processes:
            process.kill(for_good=True) if kind else process.close()

    def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """Make one call in one of the processes.

        Raises:
            LptnRetouchError: the process died of it, or hung, or none can be started.
            Exception: what the call raised.
        """
        try:
            return self._processes[0].call(function, *arguments, timeout=PATIENCE)
        except DeadError as death:
            raise LptnRetouchError(
                "a process died or hung before it had a photograph to work on; close other programs, use fewer "
                "--workers, or try one photograph with apply."
            ) from death

    def do(self, work: Work) -> Result:
        """Do one photograph in one of the processes, of which it may die."""
        return self._done(self._processes[0], work)

    def run(
        self,
        works: Sequence[Work],
        begin: Callable[[Sequence[Work]], None],
        end: Callable[[Sequence[Ended]], None],
        stopped: Callable[[], bool],
    ) -> Iterator[Result]:
        """Do all work, as processes are free; see :class:`lptn_retouch.batch.runner.Runner`."""
        upcoming, lock = iter(works), threading.Lock()
        results: queue.SimpleQueue[Result | BaseException | None] = queue.SimpleQueue()
        ended = threading.Event()

        def serve(process: Process) -> None:
            try:
                while True:
                    with lock:
                        work = None if ended.is_set() or stopped() else next(upcoming, None)
                        if work is not None:
                            begin([work])
                    if work is None:
                        return
                    result = self._done(process, work)
                    if process.ended:  # stopped at once: what was in work did not come to an end
                        return
                    with lock:
                        end([(work, result)])
                    results.put(result)
            except BaseException as error:
                ended.set()
                results.put(error)
            finally:
                results.put(None)

        threads = [threading.Thread(target=serve, args=(process,), daemon=True) for process in self._processes]
        for thread in threads:
            thread.start()
        at_work, failure = len(threads), None
        try:
            while at_work:
                try:
                    item = results.get(timeout=0.5)  # a wait without end could not be interrupted on Windows
                except queue.Empty:
                    continue
                if item is None:
                    at_work -= 1
                elif isinstance(item, BaseException):
                    failure = failure or item
                else:
                    yield item
        finally:
            ended.set()
            if at_work:  # left early: interrupted, or nobody wants the rest
                for process in self._processes:
                    process.kill(for_good=True)
            for thread in threads:
                thread.join()
        if failure is not None:
            raise failure

    def alone(self) -> LocalRunner:
        """One at a time, on all cores."""
        return LocalRunner(1, core_count(), self._timeout)

    def _done(self, process: Process, work: Work) -> Result:
        timeout = self._timeout or PATIENCE + PATIENCE_PER_MB * work.size / 1e6
        try:
            return process.call(do, work, timeout=timeout)
        except DeadError as death:
            return failed(work, str(death), alone=death.killed)
