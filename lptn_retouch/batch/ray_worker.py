"""What an actor of a Ray cluster does: a local runner of one process, with its machine's share of the memory."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple, TypeVar

from lptn_retouch.batch.local import LocalRunner
from lptn_retouch.batch.needs import Needs
from lptn_retouch.batch.options import Settings
from lptn_retouch.batch.ray_cluster import nodes, room_of
from lptn_retouch.batch.work import Result, Work
from lptn_retouch.memory import memory_here

T = TypeVar("T")

_OURS = ("lptn_retouch:", "lptn-retouch:")  # how our own lines begin


class Told(NamedTuple):
    """What became of a photograph, and what the process that did it has said meanwhile."""

    result: Result
    words: list[str]


class Worker:
    """An actor, somewhere in the cluster.

    Args:
        settings: of the batch.
        torch: whether the work needs torch.
        threads: all cores of the machine, where it is this actor's alone; 1 where it is one of several.
    """

    def __init__(self, settings: Settings, threads: int, *, torch: bool) -> None:
        self._said: list[str] = []
        self._lock, self._leaving, self._taken_up = threading.Lock(), False, 0
        self._listen()
        self._runner = LocalRunner(1, threads, settings.timeout, torch=torch)
        self._share = _share(settings) if threads == 1 else None

    def ready(self, needs: Needs) -> str | None:
        """What this machine lacks to work on the batch, one sentence, if there is anything.

        Raises:
            LptnRetouchError: it can start no process to work in, now at least.
        """
        lacking = needs.lacking()
        if lacking is None:
            self._runner.call(os.getpid)
        return None if lacking is None else f"{socket.gethostname()} is left out: {lacking}"

    def call(self, function: Callable[..., T], *arguments: object) -> T:
        return self._runner.call(function, *arguments)

    def do(self, work: Work) -> Result:
        return self._runner.do(work if self._share is None else replace(work, memory=self._share))

    def do_all(self, works: list[Work]) -> Iterator[Told]:
        """Tell of each as it ends."""
        self._leaving, self._taken_up = False, 0
        for work in works:
            with self._lock:
                if self._leaving:
                    return
                self._taken_up += 1
            result = self.do(work)
            words, self._said = self._said, []
            yield Told(result, words)

    def leave(self) -> int:
        """Take up none of those that are left; how many of them all are taken up."""
        with self._lock:
            self._leaving = True
            return self._taken_up

    def _listen(self) -> None:
        """Keep what we say on standard error, for the driver; what others say there is in Ray's own logs."""
        out, into = os.pipe()
        elsewhere = os.fdopen(os.dup(2), "w")
        os.dup2(into, 2)

        def read() -> None:
            with os.fdopen(out, errors="replace") as lines:
                for line in lines:
                    if line.startswith(_OURS):
                        self._said.append(line.rstrip())
                    else:
                        elsewhere.write(line)
                        elsewhere.flush()

        threading.Thread(target=read, daemon=True).start()


def _share(settings: Settings) -> int | None:
    """Bytes for each of the actors that this machine has room for."""
    import ray

    resources = next(
        node["Resources"] for node in nodes(ray) if node["NodeID"] == ray.get_runtime_context().get_node_id()
    )
    limit = settings.memory_limit if settings.memory_limit is not None else memory_here()
    return None if limit is None else limit // max(1, room_of(resources, settings.device)[0])
