"""Who does the work of a batch. The plan knows of none of them; another is a class like these and a line below."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol, TypeVar

from lptn_retouch.batch.work import Ended, Result, Work
from lptn_retouch.errors import UsageError

if TYPE_CHECKING:
    from lptn_retouch.batch.needs import Needs
    from lptn_retouch.batch.options import Settings

T = TypeVar("T")


class Runner(Protocol):
    """Does photographs, some at once. When it is left, nothing of it goes on."""

    @property
    def workers(self) -> int:
        """Photographs in work at once."""

    def __enter__(self) -> Runner: ...

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None: ...

    def call(self, function: Callable[..., T], *arguments: object) -> T:
        """Make one call where photographs are done.

        Raises:
            LptnRetouchError: what made it died, or hung, or is not to be had.
            Exception: what the call raised.
        """

    def do(self, work: Work) -> Result:
        """Do one photograph, whatever comes of it."""

    def run(
        self,
        works: Sequence[Work],
        begin: Callable[[Sequence[Work]], None],
        end: Callable[[Sequence[Ended]], None],
        stopped: Callable[[], bool],
    ) -> Iterator[Result]:
        """Do all work, in no particular order.

        Args:
            works: what there is to do.
            begin: told of each before it is done, `end` when it is, of several at once where they come so. Not at the
                same time as each other. What they raise ends the run, when what is in work has ended.
            stopped: whether no more is to be taken up; asked before each.

        Yields:
            What became of each.
        """

    def alone(self) -> AbstractContextManager[Runner]:
        """A runner for what is too large to be done beside others: one at a time, with all that a machine has."""


def runner_for(settings: Settings, needs: Callable[[], Needs], *, torch: bool, in_one_process: bool) -> Runner:
    """The runner that the settings ask for.

    Args:
        settings: the batch's.
        needs: what a machine must have, at any time.
        torch: whether the work needs torch.
        in_one_process: whether photographs or results lie in this process' memory.

    Raises:
        UsageError: it cannot be had.
    """
    if settings.engine == "ray":
        if in_one_process:
            raise UsageError("memory:// is this process' own, which no cluster reaches; leave out the engine ray.")
        from lptn_retouch.batch.ray_runner import RayRunner

        return RayRunner(settings, needs, torch=torch)
    if in_one_process:
        from lptn_retouch.batch.here import HereRunner

        return HereRunner()
    from lptn_retouch.batch.local import LocalRunner

    workers, threads, _ = settings.shares()
    return LocalRunner(workers, threads, settings.timeout, torch=torch)
