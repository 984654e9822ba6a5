"""The same work on a cluster, by Ray: an actor a core, each with a process of its own that a photograph may die in.

Photographs and results go between an actor and the storage; what goes through Ray is what to do and what became of it.
An actor is given a few photographs at a time and tells of each as it ends. What a lost actor had not told of is given
to another: results of it that are there already may be replaced.
"""

from __future__ import annotations

import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from lptn_retouch.batch.needs import Needs
from lptn_retouch.batch.options import Settings
from lptn_retouch.batch.ray_cluster import connected, nodes, ready_of, room_of
from lptn_retouch.batch.ray_worker import Told, Worker
from lptn_retouch.batch.shards import Queue
from lptn_retouch.batch.work import Ended, Result, Work, failed
from lptn_retouch.errors import LptnRetouchError, UsageError

T = TypeVar("T")

RETRIES = 2  # of a photograph whose actors were lost, before it is tried alone
LOOK = 5.0  # seconds between looks at how large the cluster is
PATIENCE = 600.0  # seconds without any actor before the run is given up
_LOST, _ENDED = object(), object()


class RayRunner:
    """Run work on a Ray cluster.

    Args:
        settings: of the batch; `workers` is how many actors, of which those that there is no room for wait for machines
            to come; None for one a core.
        needs: what a machine must have now.
        torch: whether the work needs torch.
        beside: a runner whose cluster this one is to use, one photograph at a time, with all that a machine has.

    Raises:
        UsageError: Ray is not installed, or there is no cluster at the address.
    """

    def __init__(
        self, settings: Settings, needs: Callable[[], Needs], *, torch: bool = False, beside: RayRunner | None = None
    ) -> None:
        self._exits = ExitStack()
        self._ray: Any = beside._ray if beside else self._exits.enter_context(connected(settings.address))
        self._settings, self._needs, self._torch, self._alone = settings, needs, torch, beside is not None
        self._actors: dict[Any, float] = {}  # all that were asked for, with their share of a GPU
        self._starting: dict[Any, Any] = {}  # those that are not there yet, by what they answer when they are
        self._idle: list[Any] = []
        self._failed_starts = 0
        self._unfit = ""  # why the last machine that was left out is
        self._heard: set[str] = set()
        self.workers = len(self._places())

    def __enter__(self) -> RayRunner:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._end()
        self._exits.close()

    def _end(self) -> None:
        for actor in self._actors:
            self._ray.kill(actor)
        for those in (self._actors, self._starting, self._idle):
            those.clear()

    def call(self, function: Callable[..., T], *arguments: object) -> T:
        """Make one call on the cluster; see :class:`lptn_retouch.batch.runner.Runner`."""
        return self._on_some_actor("call", function, *arguments)  # type: ignore[no-any-return]

    def do(self, work: Work) -> Result:
        """Do one photograph."""
        return self._on_some_actor("do", work)  # type: ignore[no-any-return]

    def alone(self) -> RayRunner:
        """One photograph at a time, on an actor that has all cores of a machine."""
        self._end()  # which would keep the cores that this one waits for
        return RayRunner(self._settings, self._needs, torch=self._torch, beside=self)

    def run(
        self,
        works: Sequence[Work],
        begin: Callable[[Sequence[Work]], None],
        end: Callable[[Sequence[Ended]], None],
        stopped: Callable[[], bool],
    ) -> Iterator[Result]:
        """Do all work; see :class:`lptn_retouch.batch.runner.Runner`."""
        queue = Queue(works, self.workers)
        running: dict[Any, _Shard] = {}  # by the stream of an actor's answers
        begun: set[str] = set()
        lost: Counter[str] = Counter()  # actors, by the photograph that they worked on
        told_to_stop = False
        seen, looked = time.monotonic(), 0.0
        try:
            while queue or running:
                if stopped():
                    queue.clear()
                    if not told_to_stop:
                        told_to_stop = True
                        for shard in running.values():
                            shard.actor.stop.remote()
                if queue and time.monotonic() - looked > LOOK:  # machines may have come
                    looked = time.monotonic()
                    self._ask_for_more()
                    queue.workers = self.workers
                given = self._given_out(queue)
                if fresh := [work for shard in given for work in shard.left if work.file not in begun]:
                    begun.update(work.file for work in fresh)
                    begin(fresh)
                for shard in given:
                    running[shard.actor.do_all.remote(list(shard.left))] = shard
                if running or self._idle:
                    seen = time.monotonic()
                else:
                    self._check_patience(seen)
                ended: list[Ended] = []
                for answer in ready_of(self._ray, [*running, *self._starting]):
                    if answer in self._starting:
                        self._welcome(answer)
                        continue
                    shard = running[answer]
                    told = self._next(answer)
                    if isinstance(told, Told):
                        self._say(told.words)
                        queue.took(told.result.seconds)
                        ended.append((shard.left.popleft(), told.result))
                        continue
                    del running[answer]
                    if told is _ENDED:
                        self._idle.append(shard.actor)
                        continue
                    self._forget(shard.actor)
                    self._say(["lptn-retouch: a machine or process of the cluster was lost; others do what it had."])
                    looked = 0.0
                    lost.update(work.file for work in list(shard.left)[:1])
                    for work in reversed(shard.left):
                        if lost[work.file] <= RETRIES:  # what the lost one has written of it is its own
                            queue.give_back(replace(work, new=frozenset()))
                        else:
                            ended.append((work, _given_up(work)))
                if ended:
                    end(ended)
                    yield from (result for _, result in ended)
        finally:
            if running:  # left early: interrupted, or nobody wants the rest
                self._end()

    def _given_out(self, queue: Queue) -> list[_Shard]:
        """A shard for each actor that has none."""
        given = []
        while self._idle and queue:
            given.append(_Shard(self._idle.pop(), deque(queue.shard())))
        return given

    def _next(self, answers: Any) -> Told | object:
        """The next of an actor's answers, of which one is there; `_LOST` where the actor is, or `_ENDED`."""
        try:
            answer = next(answers)
            told: Told = self._ray.get(answer)
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

    def _on_some_actor(self, method: str, *arguments: object) -> Any:
        """One call; again where the actor is lost."""
        for left in reversed(range(RETRIES + 1)):
            actor = self._someone()
            try:
                return self._ray.get(getattr(actor, method).remote(*arguments))
            except self._ray.exceptions.RayTaskError as error:
                raise error.cause or error from None
            except self._ray.exceptions.RayError as error:
                self._forget(actor)
                if not left:
                    raise LptnRetouchError(
                        f"the cluster does not answer ({_said(error)}); look at it with `ray status`."
                    ) from error
        raise AssertionError("the last try has returned or raised")

    def _someone(self) -> Any:
        """An actor that is there; one is started if none is."""
        since = time.monotonic()
        while not self._idle:
            if not self._starting:
                self._ask_for_more(1)
            self._check_patience(since)
            for answer in ready_of(self._ray, list(self._starting)):
                self._welcome(answer)
        return self._idle[-1]

    def _ask_for_more(self, most: int | None = None) -> None:
        """Start actors, so many at most, where there is room for more; Ray does so when there is."""
        places = self._places()
        self.workers = len(places)
        free = Counter(places) - Counter(self._actors.values())
        for share in list(free.elements())[:most]:
            threads = self._cores_of_a_machine() if self._alone else 1
            wanted = self._ray.remote(Worker).options(
                num_cpus=threads,
                num_gpus=share,
                max_concurrency=2,  # to be told to stop
                scheduling_strategy="SPREAD",  # else one may wait for a core of a machine while another's is free
            )
            actor = wanted.remote(self._settings, threads, torch=self._torch)
            self._actors[actor] = share
            self._starting[actor.ready.remote(self._needs())] = actor

    def _welcome(self, answer: Any) -> None:
        """An actor is there; or its machine is left out: it keeps its place there, so that no other gets it."""
        actor = self._starting.pop(answer)
        try:
            lacking = self._ray.get(answer)
        except self._ray.exceptions.RayError as error:
            self._failed_starts += 1
            if self._failed_starts <= RETRIES * self.workers:  # its machine was lost, or slow
                self._forget(actor)
                return
            lacking = f"a machine is left out, since nothing can be started there ({_said(error)})."
        if lacking is None:
            self._idle.append(actor)
        else:
            self._unfit = lacking
            self._say([f"lptn-retouch: {lacking}"])

    def _forget(self, lost: Any) -> None:
        """An actor is no more, and another may have its place."""
        self._actors.pop(lost, None)
        if lost in self._idle:
            self._idle.remove(lost)

    def _check_patience(self, since: float) -> None:
        """Give up where no machine works, or is going to."""
        if self._unfit and not self._starting and len(self._actors) >= self.workers:
            raise UsageError(f"no machine of the cluster can work on this batch: {self._unfit}")
        if time.monotonic() - since > PATIENCE:
            raise LptnRetouchError(
                f"no machine of the cluster took up work for {PATIENCE:.0f} seconds; look at it with `ray status`, and "
                "run the same again, which goes on."
            )

    def _places(self) -> list[float]:
        """The share of a GPU of each actor that is wanted, those with one first: Ray gives the others' machines to
        those without."""
        rooms = [room_of(machine, self._settings.device) for machine in self._machines()]
        if self._alone:
            return [1.0 if any(share for _, share in rooms) else 0.0]
        places = sorted((share for count, share in rooms for _ in range(count)), reverse=True) or [0.0]
        wanted = self._settings.workers or len(places)
        return (places + places[-1:] * wanted)[:wanted]

    def _machines(self) -> list[dict[str, float]]:
        """The resources of each machine that is there."""
        return [node["Resources"] for node in nodes(self._ray)]

    def _cores_of_a_machine(self) -> int:
        return max(1, *(int(machine.get("CPU", 0)) for machine in self._machines()), 0)


@dataclass
class _Shard:
    """What an actor is at: the photographs that it has not told of, in their order."""

    actor: Any
    left: deque[Work]


def _said(error: BaseException) -> str:
    """What Ray says, which goes on for a page, by its last line: what was raised there."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else type(error).__name__


def _given_up(work: Work) -> Result:
    """What has lost too many actors is done alone, as what is too large for its share of the memory."""
    sentence = f"{RETRIES + 1} machines or processes were lost while they worked on it; try it with apply."
    return failed(work, sentence, alone=True)
