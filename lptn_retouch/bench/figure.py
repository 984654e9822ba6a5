"""A figure: what was measured, what was aimed at, and the seconds it comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

Seconds = Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class Figure:
    """One figure of a benchmark.

    Args:
        name: what was measured, told apart within its benchmark.
        measured: the figure, in `unit`; kept to four digits.
        at_least, at_most: the target, if there is one.
        megapixels: of the picture, where there is one.
        seconds: everything that was timed for it, run by run.
        facts: what else is worth knowing.

    Example:
        >>> figure = Figure("24 MP", 1.7213, "times the codec's time", at_most=2.5)
        >>> figure.measured, figure.target, figure.met
        (1.721, 'at most 2.5', True)
    """

    name: str
    measured: float
    unit: str
    at_least: float | None = None
    at_most: float | None = None
    megapixels: float | None = None
    seconds: Seconds = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "measured", float(f"{self.measured:.4g}"))

    @property
    def met(self) -> bool | None:
        """Whether the target was met; None where there is none."""
        if self.at_least is None and self.at_most is None:
            return None
        above = self.at_least is None or self.measured >= self.at_least
        return above and (self.at_most is None or self.measured <= self.at_most)

    @property
    def target(self) -> str:
        """The target in words; empty where there is none."""
        bounds = {"at least": self.at_least, "at most": self.at_most}
        return ", ".join(f"{words} {bound:g}" for words, bound in bounds.items() if bound is not None)

    def to_json(self) -> dict[str, Any]:
        """As it stands in the report: only what there is; `met` beside every target."""
        told: dict[str, Any] = {"name": self.name, "megapixels": self.megapixels}
        told |= {"measured": self.measured, "unit": self.unit}
        told |= {"target": self.target, "at_least": self.at_least, "at_most": self.at_most, "met": self.met}
        told |= {"seconds": {name: list(runs) for name, runs in self.seconds.items()}, "facts": dict(self.facts)}
        return {key: value for key, value in told.items() if value not in (None, "", {})}


def ratio(name: str, seconds: Seconds, over: str, under: str, unit: str, **rest: Any) -> Figure:
    """The median of one thing's seconds over the median of another's.

    Args:
        over, under: keys of `seconds`.
        rest: of the :class:`Figure`.

    Example:
        >>> ratio("4K", {"slow": [9.0, 8.0], "fast": [0.25]}, "slow", "fast", "times faster", at_least=25).measured
        34.0
    """
    return Figure(name, median(seconds[over]) / median(seconds[under]), unit, seconds=seconds, **rest)


def duration(name: str, runs: Sequence[float], **rest: Any) -> Figure:
    """The median of some seconds.

    Example:
        >>> duration("12 MP", [1.2, 1.0, 1.1], at_most=2.5).measured
        1.1
    """
    return Figure(name, median(runs), "s", seconds={"whole": runs}, **rest)
