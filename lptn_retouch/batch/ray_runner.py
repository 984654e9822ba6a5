"""The same work on a cluster, by Ray: an actor a core, each with a process of its own that a photograph may die in.

Photographs and results go between an actor and the storage; what goes through Ray is what to do and what became of it.
An actor is given a few photographs at a time and tells of each as it ends. What a lost actor had not told of is given
to another: results of it that are there already may be replaced. So is what a slow one has not taken up when others
have nothing to do.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from lptn_retouch.batch.needs import Needs
from lptn_retouch.batch.options import Settings
from lptn_retouch.batch.ray_actors import RETRIES, Actors, said_by
from lptn_retouch.batch.ray_cluster import connected, ready_of
from lptn_retouch.batch.ray_worker import Told
from lptn_retouch.batch.shards import Queue
from lptn_retouch.batch.work import Ended, Result, Work, failed
from lptn_retouch.errors import LptnRetouchError

T = TypeVar("T")


class RayRunner:
    """Run work on a Ray cluster.

    Args:
        settings: of the batch; see :class:`lptn_retouch.batch.ray_actors.Actors`.
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
        self._actors = Actors(self._ray, settings, needs, torch=torch, alone=beside is not None)
        self._settings, self._needs, self._torch = settings, needs, torch

    @property
    def workers(self) -> int:
        """Actors that there are to be."""
        return self._actors.wanted

    def __enter__(self) -> RayRunner:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._actors.end()
        self._exits.close()

    def call(self, function: Callable[..., T], *arguments: object) -> T:
        """Make one call on the cluster; see :class:`lptn_retouch.batch.runner.Runner`."""
        return self._on_some_actor("call", function, *arguments)  # type: ignore[no-any-return]

    def do(self, work: Work) -> Result:
        """Do one photograph."""
        return self._on_some_actor("do", work)  # type: ignore[no-any-return]

    def alone(self) -> RayRunner:
        """One photograph at a time, on an actor that has all cores of a machine."""
        self._actors.end()  # which would keep the cores that this one waits for
        return RayRunner(self._settings, self._needs, torch=self._torch, beside=self)

    def run(
        self,
        works: Sequence[Work],
        begin: Callable[[Sequence[Work]], None],
        end: Callable[[Sequence[Ended]], None],
        stopped: Callable[[], bool],
    ) -> Iterator[Result]:
        """Do all work; see :class:`lptn_retouch.batch.runner.Runner`."""
        actors, shards = self._actors, _Shards(self._ray, self._actors, works)
        try:
            while shards:
                if stopped():
                    shards.stop()
                if shards.queue:
                    actors.look_for_more()
                shards.take_back()
                shards.give_out(begin)
                if not shards.running:
                    actors.check_patience()
                ended: list[Ended] = []
                for answer in ready_of(self._ray, [*shards.running, *shards.leaving, *actors.starting]):
                    if answer in actors.starting:
                        actors.welcome(answer)
                    else:
                        ended += shards.hear(answer)
                if ended:
                    end(ended)
                    yield from (result for _, result in ended)
        finally:
            if shards.running:  # left early: interrupted, or nobody wants the rest
                actors.end()

    def _on_some_actor(self, method: str, *arguments: object) -> Any:
        """One call; again where the actor is lost."""
        for left in reversed(range(RETRIES + 1)):
            actor = self._actors.one()
            try:
                return self._ray.get(getattr(actor, method).remote(*arguments))
            except self._ray.exceptions.RayTaskError as error:
                raise error.cause or error from None
            except self._ray.exceptions.RayError as error:
                self._actors.forget(actor)
                if not left:
                    raise LptnRetouchError(
                        f"the cluster does not answer ({said_by(error)}); look at it with `ray status`."
                    ) from error
        raise AssertionError("the last try has returned or raised")


class _Shards:
    """What is still to be done, and which actor is at what.

    Args:
        ray: connected.
        actors: that do it.
        works: all of it.
    """

    def __init__(self, ray: Any, actors: Actors, works: Sequence[Work]) -> None:
        self._ray, self._actors = ray, actors
        self.queue = Queue(works, actors.wanted)
        self.running: dict[Any, _Shard] = {}  # by the stream of an actor's answers
        self.leaving: dict[Any, _Shard] = {}  # by what an actor answers that is to take up no more
        self._begun: set[str] = set()
        self._lost: Counter[str] = Counter()  # actors, by the photograph that they worked on

    def __bool__(self) -> bool:
        return bool(self.queue or self.running)

    def stop(self) -> None:
        """Let what is taken up be the last."""
        self.queue.clear()
        self._leave(len(self.running))

    def take_back(self) -> None:
        """Have slow actors leave what they have not taken up, where others have nothing to do."""
        if not self.queue:
            self._leave(len(self._actors.idle))

    def _leave(self, most: int) -> None:
        slow = [shard for shard in self.running.values() if len(shard.left) > 1 and not shard.leaves]
        for shard in sorted(slow, key=lambda shard: -len(shard.left))[:most]:
            shard.leaves = True
            self.leaving[shard.actor.leave.remote()] = shard

    def give_out(self, begin: Callable[[Sequence[Work]], None]) -> None:
        """Give a shard to each actor that has none; `begin` is told of what is given out for the first time."""
        self.queue.workers = self._actors.wanted
        given = []
        while self._actors.idle and self.queue:
            works = self.queue.shard()
            given.append(_Shard(self._actors.idle.pop(), deque(works), len(works)))
        if fresh := [work for shard in given for work in shard.left if work.file not in self._begun]:
            self._begun.update(work.file for work in fresh)
            begin(fresh)
        for shard in given:
            self.running[shard.actor.do_all.remote(list(shard.left))] = shard

    def hear(self, answer: Any) -> list[Ended]:
        """Take in an answer that is there; what has ended by it."""
        if answer in self.leaving:
            self._hear_of_leaving(answer)
            return []
        shard = self.running[answer]
        try:
            told: Told = self._ray.get(next(answer))
        except StopIteration:
            del self.running[answer]
            self._actors.idle.append(shard.actor)
            self._give_back(shard)
            return []
        except self._ray.exceptions.RayError:
            del self.running[answer]
            return self._lose(shard)
        self._actors.say(told.words)
        self.queue.took(told.result.seconds)
        return [(shard.left.popleft(), told.result)]

    def _hear_of_leaving(self, answer: Any) -> None:
        shard = self.leaving.pop(answer)
        with suppress(self._ray.exceptions.RayError):  # where it is lost, the stream of its answers says so
            taken_up: int = self._ray.get(answer)
            self._give_back(shard, keep=taken_up - (shard.size - len(shard.left)))

    def _give_back(self, shard: _Shard, keep: int = 0) -> None:
        """All but the first of what a shard has left is for others."""
        while len(shard.left) > max(keep, 0):
            self.queue.give_back(shard.left.pop())

    def _lose(self, shard: _Shard) -> list[Ended]:
        """An actor is lost: what it had is for others, but for what too many were lost over."""
        self._actors.forget(shard.actor)
        self._actors.say(["lptn-retouch: a machine or process of the cluster was lost; others do what it had."])
        at_work = shard.left[0] if shard.left else None
        # What the lost one has written is its own, and may be replaced.
        shard.left = deque(replace(work, new=frozenset()) for work in shard.left)
        ended = []
        if at_work is not None:
            self._lost[at_work.file] += 1
            if self._lost[at_work.file] > RETRIES:
                ended.append((shard.left.popleft(), _given_up(at_work)))
        self._give_back(shard)
        return ended


@dataclass
class _Shard:
    """What an actor is at: the photographs that it has not told of, in their order."""

    actor: Any
    left: deque[Work]
    size: int
    leaves: bool = False  # it is to take up no more


def _given_up(work: Work) -> Result:
    """What has lost too many actors is done alone, as what is too large for its share of the memory."""
    sentence = f"{RETRIES + 1} machines or processes were lost while they worked on it; try it with apply."
    return failed(work, sentence, alone=True)
