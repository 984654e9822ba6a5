"""Seconds, taken in turn: what a machine does beside its work then falls on all that is compared."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

Work = Callable[[], object]


def interleaved(
    works: Mapping[str, Work],
    repeats: int,
    few: Mapping[str, int] | None = None,
    clock: Callable[[Work], float] | None = None,
) -> dict[str, list[float]]:
    """Time several things A B A B ..., after a first run of each that does not count.

    Args:
        works: what is timed, by name.
        repeats: how often.
        few: for works that take very long, how often instead; these have no first run that does not count.
        clock: tells the seconds of a call; None for :func:`timed`.

    Returns:
        For each name its seconds, in order.

    Example:
        >>> done = []
        >>> seconds = interleaved({"a": lambda: done.append("a"), "b": lambda: done.append("b")}, 2, {"b": 1})
        >>> "".join(done), {name: len(runs) for name, runs in seconds.items()}
        ('aaba', {'a': 2, 'b': 1})
    """
    few, clock = few or {}, clock or timed
    for name, work in works.items():
        if name not in few:
            work()
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(repeats):
        for name, work in works.items():
            if turn < few.get(name, repeats):
                seconds[name].append(clock(work))
    return seconds


def timed(work: Work, clock: Callable[[], float] = time.perf_counter) -> float:
    """Seconds that a call takes, to the microsecond.

    Example:
        >>> timed(lambda: None) < 1
        True
    """
    started = clock()
    work()
    return round(clock() - started, 6)


def worked(work: Work) -> float:
    """Seconds of a core that a call takes on all of this process's threads.

    Example:
        >>> worked(lambda: None) < 1
        True
    """
    return timed(work, time.process_time)
