"""Photographs one after the other in this very process: for what lies in its memory. A decoder that dies ends it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from lptn_retouch.batch.photograph import do
from lptn_retouch.batch.work import Ended, Result, Work

T = TypeVar("T")


class HereRunner:
    """Run work in this process."""

    workers = 1

    def __enter__(self) -> HereRunner:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        pass

    def call(self, function: Callable[..., T], *arguments: object) -> T:
        """Make one call."""
        return function(*arguments)

    def do(self, work: Work) -> Result:
        """Do one photograph."""
        return do(work)

    def run(
        self,
        works: Sequence[Work],
        begin: Callable[[Sequence[Work]], None],
        end: Callable[[Sequence[Ended]], None],
        stopped: Callable[[], bool],
    ) -> Iterator[Result]:
        """Do all work in order; see :class:`lptn_retouch.batch.runner.Runner`."""
        for work in works:
            if stopped():
                return
            begin([work])
            result = do(work)
            end([(work, result)])
            yield result

    def alone(self) -> HereRunner:
        """Each is alone."""
        return self
