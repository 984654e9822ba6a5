"""Which photographs a worker of a cluster is given next: many at a time, few at the end."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from lptn_retouch.batch.work import Work

SHARD_SECONDS = 10.0  # of work that an actor is given at a time: a thousandth of it is spent on asking for more
MOST_IN_SHARD = 32
_SMOOTHING = 0.2  # of the mean time that a photograph takes


class Queue:
    """What is still to be given out.

    Args:
        works: all of it.
        workers: that share it.
    """

    def __init__(self, works: Sequence[Work], workers: int) -> None:
        self._left, self.workers = deque(works), workers
        self._seconds = 0.0  # that a photograph takes

    def __len__(self) -> int:
        return len(self._left)

    def took(self, seconds: float) -> None:
        """Learn from one that has ended."""
        self._seconds += (seconds - self._seconds) * (_SMOOTHING if self._seconds else 1)

    def shard(self) -> list[Work]:
        """The next photographs for one worker; none where there are no more.

        Half of a fair share at most, so that nobody waits long for the last one (guided self-scheduling,
        Polychronopoulos and Kuck, 1987).
        """
        busy = int(SHARD_SECONDS / self._seconds) if self._seconds else 1
        size = max(1, min(busy, MOST_IN_SHARD, len(self._left) // (2 * self.workers)))
        return [self._left.popleft() for _ in range(min(size, len(self._left)))]

    def give_back(self, work: Work) -> None:
        """What a lost worker had not done is next."""
        self._left.appendleft(work)

    def clear(self) -> None:
        """Give out no more."""
        self._left.clear()
