"""Rules: which photograph gets which look, by its folder, its name, its camera, its light or the time of day.

A file in TOML, read from the top; the first rule that fits decides ::

    [[rule]]
    folder = "weddings/*"        # or name = "*.cr2": a pattern, or a list of them
    camera = "Canon*"            # maker and model; lens = "*50mm*"
    iso = ">=1600"               # or iso = "100..400"; aperture, exposure (seconds), focal-length (mm), rating
    time = "18:00..06:00"        # when it was taken, by the camera's clock; date = "2024-06-01..2024-08-31"
    preset = "night"             # what it gets, or ["retouch", "night:0.6"]; also amount, detail, mask; or skip = true
"""

from __future__ import annotations

import fnmatch
import operator
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from lptn_retouch.batch.settings import Look
from lptn_retouch.batch.shot import Shot
from lptn_retouch.errors import UsageError, reason, shown
from lptn_retouch.stack import Step, parse_step, steps_of

_PATTERNS = ("folder", "name", "camera", "lens")
_NUMBERS = ("iso", "aperture", "exposure", "focal-length", "rating")
_TIMES = ("time", "date")
_GIVES = ("preset", "amount", "detail", "mask", "skip")
_COMPARED: tuple[tuple[str, Callable[[Any, Any], bool]], ...] = (
    (">=", operator.ge), ("<=", operator.le), (">", operator.gt), ("<", operator.lt), ("=", operator.eq),
)  # fmt: skip


@dataclass(frozen=True)
class Rule:
    """Conditions, each a test of a file's path and how it was taken, and what fits them all gets."""

    conditions: tuple[Callable[[str, Shot], bool], ...]
    gives: dict[str, Any]

    def fits(self, file: str, shot: Shot) -> bool:
        """Whether a photograph, by its path from the folder, meets every condition."""
        return all(condition(file, shot) for condition in self.conditions)


def read_rules(path: Path) -> tuple[Rule, ...]:
    """Read a file of rules.

    Raises:
        UsageError: it is not there, not TOML, or a rule says something that no rule can.
    """
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"{shown(path)}: the rules cannot be read ({error.strerror}); check the path.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{shown(path)}: this is not TOML ({reason(error)}); mend it there.") from None
    rules = content.pop("rule", None)
    if content or not isinstance(rules, list) or not rules or not all(isinstance(rule, dict) for rule in rules):
        raise UsageError(f"{shown(path)}: rules are written as [[rule]], one after the other, and nothing else is.")
    return tuple(_rule(rule, f"{shown(path)}, rule {number}") for number, rule in enumerate(rules, 1))


def decide(rules: tuple[Rule, ...], file: str, shot: Shot, look: Look) -> Look | None:
    """The look of a photograph: the first rule's that fits, or else the one given; None if it is to be passed over.

    Example:
        >>> rule = Rule((lambda file, shot: file.startswith("night"),), {"preset": "night", "amount": 0.5})
        >>> decide((rule,), "night/a.jpg", Shot(), Look()), decide((rule,), "day/a.jpg", Shot(), Look()).preset
        (Look(preset='night', amount=0.5, detail=1.0, mask=None), 'retouch')
    """
    for rule in rules:
        if rule.fits(file, shot):
            given = dict(rule.gives)
            return None if given.pop("skip", False) else replace(look, **given)
    return look


def matches(file: str, pattern: str) -> bool:
    """Whether a path, its name or a folder that it lies in fits a pattern of ``*``, ``?`` and ``[...]``, in any case.

    Example:
        >>> matches("2024/june/IMG_1.JPG", "*.jpg"), matches("2024/june/IMG_1.JPG", "2024/june")
        (True, True)
    """
    parts = Path(file).parts
    paths = [*parts, *("/".join(parts[: length + 1]) for length in range(len(parts)))]
    return any(fnmatch.fnmatchcase(path.casefold(), pattern.casefold().rstrip("/")) for path in paths)


def _rule(rule: dict[str, Any], where: str) -> Rule:
    known = (*_PATTERNS, *_NUMBERS, *_TIMES, *_GIVES)
    for key in rule:
        if key not in known:
            raise UsageError(f"{where}: there is no {key!r} in rules; there are {', '.join(known)}.")
    gives = {key: rule[key] for key in _GIVES if key in rule}
    if not gives:
        raise UsageError(f"{where}: it gives nothing; add preset, amount, detail, mask or skip.")
    kinds: dict[str, tuple[type, ...]] = {"preset": (str, list), "mask": (str,), "skip": (bool,)}
    for key, value in gives.items():
        good = isinstance(value, kinds.get(key, (int, float))) and (key == "skip" or not isinstance(value, bool))
        if not good or (key in ("amount", "detail") and not 0 <= value <= 2):
            raise UsageError(f"{where}: {key} cannot be {value!r}; see docs/batch.md for what it can be.")
    if "preset" in gives:
        gives["preset"] = _presets(gives["preset"], where)
    conditions = [
        *(_pattern(key, rule[key], where) for key in _PATTERNS if key in rule),
        *(_range(key, rule[key], where, float, _number_of(key)) for key in _NUMBERS if key in rule),
    ]
    if "time" in rule:
        conditions.append(_range("time", rule["time"], where, _clock, lambda shot: shot.taken and shot.taken.time()))
    if "date" in rule:
        conditions.append(_range("date", rule["date"], where, _day, lambda shot: shot.taken and shot.taken.date()))
    return Rule(tuple(conditions), gives)


def _presets(value: str | list[Any], where: str) -> tuple[Step, ...]:
    """The presets of a rule: ``"NAME"``, ``"NAME:AMOUNT"``, or a list of such."""
    named = [value] if isinstance(value, str) else value
    if not named or not all(isinstance(text, str) for text in named):
        raise UsageError(
            f'{where}: preset is a name in quotes, or a list like ["retouch", "winter:0.6"], not {value!r}.'
        )
    try:
        return steps_of([parse_step(text) for text in named])
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from None


def _pattern(key: str, value: Any, where: str) -> Callable[[str, Shot], bool]:
    patterns = [value] if isinstance(value, str) else value
    if not isinstance(patterns, list) or not all(isinstance(pattern, str) for pattern in patterns):
        raise UsageError(f"{where}: {key} is a pattern in quotes, or a list of them, not {value!r}.")

    def fits(file: str, shot: Shot) -> bool:
        if key == "folder":
            return any(matches(str(Path(file).parent), pattern) for pattern in patterns)
        text = Path(file).name if key == "name" else getattr(shot, key)
        return any(fnmatch.fnmatchcase(text.casefold(), pattern.casefold()) for pattern in patterns)

    return fits


def _number_of(key: str) -> Callable[[Shot], Any]:
    return lambda shot: getattr(shot, key.replace("-", "_"))


def _range(
    key: str, value: Any, where: str, read: Callable[[str], Any], of: Callable[[Shot], Any]
) -> Callable[[str, Shot], bool]:
    """A condition on a number or a time: ``>=1600``, ``100..400``, or one value. A range of times may pass midnight."""
    text = str(value).replace(" ", "")
    try:
        if ".." in text:
            test = _between(*(read(part) for part in text.split("..", 1)), around=key == "time")
        else:
            sign, compared = next(((s, c) for s, c in _COMPARED if text.startswith(s)), ("", operator.eq))
            bound = read(text[len(sign) :])
            test = lambda here: compared(here, bound)  # noqa: E731
    except ValueError:
        example = {"time": "18:00..06:00", "date": "2024-06-01..2024-08-31"}.get(key, ">=3 or 1..5")
        raise UsageError(f"{where}: {key} is written like {example}, not {value!r}.") from None
    return lambda _, shot: (here := of(shot)) is not None and test(here)


def _between(first: Any, last: Any, *, around: bool) -> Callable[[Any], bool]:
    """A test of lying in a range, its ends included; it may go `around` midnight."""
    if around and first > last:
        return lambda here: here >= first or here <= last
    return lambda here: bool(first <= here <= last)


def _clock(text: str) -> time:
    return time.fromisoformat(text)


def _day(text: str) -> date:
    return datetime.strptime(text, "%Y-%m-%d").date()
