"""Our actors on a Ray cluster: one a core where there is room, more as machines come, none where a machine is unfit."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from lptn_retouch.batch.needs import Needs
from lptn_retouch.batch.options import Settings
from lptn_retouch.batch.ray_cluster import nodes, ready_of, room_of
from lptn_retouch.batch.ray_worker import Worker
from lptn_retouch.errors import LptnRetouchError, UsageError

RETRIES = 2  # of what an actor was lost over
LOOK = 5.0  # seconds between looks at how large the cluster is
PATIENCE = 600.0  # seconds without any actor before the run is given up


class Actors:
    """Start actors and know which of them have nothing to do.

    Args:
        ray: connected.
        settings: of the batch; `workers` is how many actors, of which those that there is no room for wait for machines
            to come; None for one a core.
        needs: what a machine must have now.
        torch: whether the work needs torch.
        alone: whether there is to be one only, with all that a machine has.
    """

    def __init__(self, ray: Any, settings: Settings, needs: Callable[[], Needs], *, torch: bool, alone: bool) -> None:
        self._ray, self._settings, self._needs, self._torch, self._alone = ray, settings, needs, torch, alone
        self.idle: list[Any] = []
        self.starting: dict[Any, Any] = {}  # those that are not there yet, by what they answer when they are
        self._all: dict[Any, float] = {}  # with the share of a GPU that each has or is to have
        self._failed_starts = 0
        self._unfit = ""  # why the last machine that was left out is
        self._said: set[str] = set()
        self._looked = -LOOK
        self._waiting = time.monotonic()  # since when there may be none
        self.wanted = len(self._places())

    def end(self) -> None:
        """End them all."""
        for actor in self._all:
            self._ray.kill(actor)
        for those in (self._all, self.starting, self.idle):
            those.clear()

    def look_for_more(self) -> None:
        """Start actors where machines have come or actors were lost; every few seconds."""
        if time.monotonic() - self._looked > LOOK:
            self._looked = time.monotonic()
            self._ask_for_more()

    def welcome(self, answer: Any) -> None:
        """An actor is there; or its machine is left out: it keeps its place there, so that no other gets it."""
        actor = self.starting.pop(answer)
        try:
            lacking = self._ray.get(answer)
        except self._ray.exceptions.RayError as error:
            self._failed_starts += 1
            if self._failed_starts <= RETRIES * self.wanted:  # its machine was lost, or slow
                del self._all[actor]
                return
            lacking = f"a machine is left out, since nothing can be started there ({said_by(error)})."
        if lacking is None:
            self.idle.append(actor)
        else:
            self._unfit = lacking
            self.say([f"lptn-retouch: {lacking}"])

    def forget(self, lost: Any) -> None:
        """An actor is no more, and another may have its place."""
        self._all.pop(lost, None)
        if lost in self.idle:
            self.idle.remove(lost)
        self._looked, self._waiting = -LOOK, time.monotonic()

    def one(self) -> Any:
        """One that has nothing to do; it is started if none is there."""
        while not self.idle:
            if not self.starting:
                self._ask_for_more(1)
            self.check_patience()
            for answer in ready_of(self._ray, list(self.starting)):
                self.welcome(answer)
        return self.idle[-1]

    def check_patience(self) -> None:
        """Give up where no machine works, or is going to.

        Raises:
            UsageError: all machines are left out.
            LptnRetouchError: none has come.
        """
        if self.idle:
            return
        if self._unfit and not self.starting and len(self._all) >= self.wanted:
            raise UsageError(f"no machine of the cluster can work on this batch: {self._unfit}")
        if time.monotonic() - self._waiting > PATIENCE:
            raise LptnRetouchError(
                f"no machine of the cluster took up work for {PATIENCE:.0f} seconds; look at it with `ray status`, and "
                "run the same again, which goes on."
            )

    def say(self, words: list[str]) -> None:
        """What processes of the cluster say, each thing once."""
        for line in words:
            if line not in self._said:
                self._said.add(line)
                print(line, file=sys.stderr)

    def _ask_for_more(self, most: int | None = None) -> None:
        """Start actors, so many at most, where there is room for more; Ray does so when there is."""
        if not self._all:
            self._waiting = time.monotonic()
        places = self._places()
        self.wanted = len(places)
        free = Counter(places) - Counter(self._all.values())
        for share in list(free.elements())[:most]:
            threads = self._cores_of_a_machine() if self._alone else 1
            wanted = self._ray.remote(Worker).options(
                num_cpus=threads,
                num_gpus=share,
                max_concurrency=2,  # to be told to leave
                scheduling_strategy="SPREAD",  # else one may wait for a core of a machine while another's is free
            )
            actor = wanted.remote(self._settings, threads, torch=self._torch)
            self._all[actor] = share
            self.starting[actor.ready.remote(self._needs())] = actor

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


def said_by(error: BaseException) -> str:
    """What Ray says, which goes on for a page, by its last line: what was raised there."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else type(error).__name__
