"""The same work on a cluster, by Ray: an actor a core, each with a process of its own that a photograph may die in.

Photographs and results go between an actor and the storage; what goes through Ray is what to do and what became of it.
An actor is given a few photographs at a time and tells of each as it ends. What a lost actor had not told of is given
to another: results of it that are there already may be replaced.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar

from lptn_retouch.batch.local import LocalRunner
from lptn_retouch.batch.options import Settings
from lptn_retouch.batch.work import Result, Work, failed
from lptn_retouch.errors import LptnRetouchError, UsageError, reason

T = TypeVar("T")

INSTALL = 'pip install "lptn-retouch[ray]"'
SHARD_SECONDS = 10.0  # of work that an actor is given at a time: a thousandth of it is spent on asking for more
MOST_IN_SHARD = 32
RETRIES = 2  # of a photograph whose actors were lost
# A cluster of this machine listens on its loopback alone, whatever the system, and to those who know its token.
_ON_THIS_MACHINE = {"RAY_AUTH_MODE": "token", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
LOOK = 5.0  # seconds between looks at how large the cluster is
PATIENCE = 600.0  # seconds without any actor before the run is given up
_LOST, _ENDED = object(), object()
_OURS = ("lptn_retouch:", "lptn-retouch:")  # how our own lines begin
_SMOOTHING = 0.2  # of the mean time that a photograph takes


class RayRunner:
    """Run work on a Ray cluster.

    Args:
        settings: of the batch; `workers` is how many actors at most, None for one a core.
        torch: whether the work needs torch.

    Raises:
        UsageError: Ray is not installed, or there is no cluster at the address.
    """

    def __init__(self, settings: Settings, *, torch: bool = False, whole_machines: bool = False) -> None:
        self._ray = _connected(settings.address)
        self._settings, self._torch, self._whole = settings, torch, whole_machines
        self._actors: list[Any] = []
        self._heard: set[str] = set()
        self.workers = 1 if whole_machines else self._room()

    def __enter__(self) -> RayRunner:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._end()

    def _end(self) -> None:
        for actor in self._actors:
            self._ray.kill(actor)
        self._actors.clear()

    def call(self, function: Callable[..., T], *arguments: object) -> T:
        """Make one call on the cluster; see :class:`lptn_retouch.batch.runner.Runner`."""
        return self._on_some_actor("call", function, *arguments)  # type: ignore[no-any-return]

    def do(self, work: Work) -> Result:
        """Do one photograph."""
        return self._on_some_actor("do", work)  # type: ignore[no-any-return]

    def alone(self) -> RayRunner:
        """One photograph at a time, on an actor that has all cores of a machine."""
        self._end()  # which would keep the cores that this one waits for
        return RayRunner(self._settings, torch=self._torch, whole_machines=True)

    def run(
        self,
        works: Sequence[Work],
        begin: Callable[[Work], None],
        end: Callable[[Work, Result], None],
        stopped: Callable[[], bool],
    ) -> Iterator[Result]:
        """Do all work; see :class:`lptn_retouch.batch.runner.Runner`."""
        queue = _Queue(works, self.workers)
        running: dict[Any, _Shard] = {}  # by the stream of an actor's answers
        starting: dict[Any, Any] = {}  # actors, by what they answer when they are there
        idle = list(self._actors)
        seen = looked = time.monotonic()
        starting |= self._filled()
        try:
            while queue or running:
                if queue and time.monotonic() - looked > LOOK:
                    looked = time.monotonic()
                    starting |= self._filled()
                    queue.workers = self.workers
                if stopped():
                    queue.clear()
                    for shard in running.values():
                        shard.actor.stop.remote()
                while idle and queue:
                    given = queue.shard()
                    for work in given:
                        if work.file not in queue.begun:
                            queue.begun.add(work.file)
                            begin(work)
                    actor = idle.pop()
                    running[actor.do_all.remote(given)] = _Shard(actor, deque(given))
                waiting = [*running, *starting]
                ready, _ = self._ray.wait(waiting, num_returns=1, timeout=1) if waiting else ([], [])
                if running:
                    seen = time.monotonic()
                elif time.monotonic() - seen > PATIENCE:
                    raise LptnRetouchError(
                        f"no machine of the cluster took up work for {PATIENCE:.0f} seconds; look at it with "
                        "`ray status`, and run the same again, which goes on."
                    )
                for answer in ready:
                    if answer in starting:
                        actor = starting.pop(answer)
                        if self._is_lost(answer):
                            time.sleep(1)  # nor is the next one likely to start at once
                            starting |= self._another(actor)
                        else:
                            idle.append(actor)
                            seen = time.monotonic()
                        continue
                    shard = running[answer]
                    told = self._next(answer)
                    if isinstance(told, _Told):
                        work = shard.left.popleft()
                        self._say(told.words)
                        queue.took(told.result.seconds)
                        end(work, told.result)
                        yield told.result
                        continue
                    del running[answer]
                    if told is _LOST:
                        yield from self._given_back(shard, queue, end)
                        starting |= self._another(shard.actor)
                    else:
                        idle.append(shard.actor)
        finally:
            if running:  # left early: interrupted, or nobody wants the rest
                self._end()

    def _given_back(self, shard: _Shard, queue: _Queue, end: Callable[[Work, Result], None]) -> Iterator[Result]:
        """What a lost actor had left goes to another, but for a photograph that has lost too many."""
        first = True
        for work in shard.left:
            queue.lost[work.file] = queue.lost.get(work.file, 0) + first
            first = False
            if queue.lost[work.file] > RETRIES:
                sentence = f"{RETRIES + 1} machines or processes were lost while they worked on it; try it with apply."
                result = failed(work, sentence, alone=True)  # it is what a picture too large for them would do
                end(work, result)
                yield result
            else:
                queue.give_back(replace(work, new=frozenset()))  # what the lost one has written is its own

    def _next(self, answers: Any) -> _Told | object:
        """The next of an actor's answers, of which one is there; `_LOST` where the actor is, or `_ENDED`."""
        try:
            answer = next(answers)
            told: _Told = self._ray.get(answer)
            return told
        except StopIteration:
            return _ENDED
        except self._ray.exceptions.RayError:
            return _LOST

    def _say(self, words: list[str]) -> None:
        """What processes of the cluster say, each thing once."""
        for line in words:
            if line not in self._heard:
                self._heard.add(line)
                print(line, file=sys.stderr)

    def _is_lost(self, answer: Any) -> bool:
        try:
            self._ray.get(answer)
        except self._ray.exceptions.RayError:
            return True
        return False

    def _on_some_actor(self, method: str, *arguments: object) -> Any:
        """One call; again where the actor is lost."""
        for left in reversed(range(RETRIES)):
            actor = self._actors[0] if self._actors else self._actor()
            try:
                return self._ray.get(getattr(actor, method).remote(*arguments))
            except self._ray.exceptions.RayTaskError as error:
                raise error.cause or error from None
            except self._ray.exceptions.RayError as error:
                self._actors.remove(actor)
                if not left:
                    raise LptnRetouchError(
                        f"the cluster does not answer ({reason(error)}); look at it with `ray status`."
                    ) from error
        raise AssertionError("the last try has returned or raised")

    def _actor(self) -> Any:
        """One more; Ray starts it where there is room."""
        settings, room = self._settings, self._ray.cluster_resources()
        gpus = 1 if settings.device in ("auto", "cuda") and room.get("GPU", 0) else 0
        threads = self._cores_of_a_machine() if self._whole else 1
        wanted = self._ray.remote(_Worker).options(
            num_cpus=threads, num_gpus=gpus, max_concurrency=2, scheduling_strategy="SPREAD"
        )
        actor = wanted.remote(threads, settings.timeout, self._torch)
        self._actors.append(actor)
        return actor

    def _another(self, lost: Any) -> dict[Any, Any]:
        """An actor in the place of a lost one."""
        self._actors.remove(lost)
        return self._one_more()

    def _filled(self) -> dict[Any, Any]:
        """Actors for all the room that there is: a cluster may grow."""
        more: dict[Any, Any] = {}
        if not self._whole:
            self.workers = max(self.workers, self._room())
        while len(self._actors) < self.workers:
            more |= self._one_more()
        return more

    def _one_more(self) -> dict[Any, Any]:
        actor = self._actor()
        return {actor.ready.remote(): actor}

    def _room(self) -> int:
        """How many actors there is room for, as far as they are wanted."""
        resources = self._ray.cluster_resources()
        room = int(resources.get("CPU", 1))
        if self._settings.device in ("auto", "cuda") and resources.get("GPU", 0):
            room = int(resources["GPU"])
        return max(1, min(room, self._settings.workers or room))

    def _cores_of_a_machine(self) -> int:
        return max(
            1, int(max((node["Resources"].get("CPU", 1) for node in self._ray.nodes() if node["Alive"]), default=1))
        )


@dataclass
class _Shard:
    """What an actor is at: the photographs that it has not told of, in their order."""

    actor: Any
    left: deque[Work]


class _Queue:
    """What is still to be given out: as much at a time as keeps an actor busy for a while, less and less at the end."""

    def __init__(self, works: Sequence[Work], workers: int) -> None:
        self._left, self.workers = deque(works), workers
        self.lost: dict[str, int] = {}  # actors that were lost, by what they worked on
        self.begun: set[str] = set()
        self._seconds = 0.0  # that a photograph takes

    def __len__(self) -> int:
        return len(self._left)

    def took(self, seconds: float) -> None:
        """Learn from one that has ended."""
        self._seconds += (seconds - self._seconds) * (_SMOOTHING if self._seconds else 1)

    def shard(self) -> list[Work]:
        """The next photographs for one actor; none where there are no more.

        Half of a fair share at most, so that nobody waits long for the last one (guided self-scheduling,
        Polychronopoulos and Kuck, 1987).
        """
        busy = int(SHARD_SECONDS / self._seconds) if self._seconds else 1
        size = max(1, min(busy, MOST_IN_SHARD, len(self._left) // (2 * self.workers)))
        return [self._left.popleft() for _ in range(min(size, len(self._left)))]

    def give_back(self, work: Work) -> None:
        """What a lost actor had not done is next."""
        self._left.appendleft(work)

    def clear(self) -> None:
        """Give out no more."""
        self._left.clear()


class _Told(NamedTuple):
    """What became of a photograph, and what the process that did it has said meanwhile."""

    result: Result
    words: list[str]


class _Worker:
    """An actor: a local runner of one process, somewhere in the cluster."""

    def __init__(self, threads: int, timeout: float | None, torch: bool) -> None:
        self._said: list[str] = []
        self._stopped = threading.Event()
        self._listen()
        self._runner = LocalRunner(1, threads, timeout, torch=torch)

    def ready(self) -> None:
        """Answer when it is started."""

    def call(self, function: Callable[..., T], *arguments: object) -> T:
        return self._runner.call(function, *arguments)

    def do(self, work: Work) -> Result:
        return self._runner.do(work)

    def do_all(self, works: list[Work]) -> Iterator[_Told]:
        """Tell of each as it ends."""
        self._stopped.clear()
        for work in works:
            if self._stopped.is_set():
                return
            result = self._runner.do(work)
            words, self._said = self._said, []
            yield _Told(result, words)

    def stop(self) -> None:
        """Take up none of those that are left."""
        self._stopped.set()

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


def _connected(address: str | None) -> Any:
    """Ray, connected to the cluster at an address or to one that is started on this machine for this run."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if alone := not (address or os.environ.get("RAY_ADDRESS")):  # nobody else is to reach what is started for this run
        for name, value in _ON_THIS_MACHINE.items():
            os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError:
        raise UsageError(f"the engine ray needs Ray, which is not installed; install it with: {INSTALL}") from None
    if ray.is_initialized():
        return ray
    _check_address(address)
    how: dict[str, Any] = {"include_dashboard": False} if alone else {}
    try:
        ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False, **how)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise UsageError(
            f"there is no Ray cluster {f'at {address}' if address else 'to be had'} ({reason(error)}); start one with "
            "`ray start`."
        ) from error
    return ray


def _check_address(address: str | None) -> None:
    """Refuse an address where nobody listens: Ray itself would ask for minutes."""
    host, colon, port = (address or "").rpartition(":")
    if not colon or "/" in host or not port.isdecimal():
        return
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except (OSError, OverflowError) as error:
        raise UsageError(
            f"there is no Ray cluster at {address} ({reason(error)}); start one with `ray start`."
        ) from error
