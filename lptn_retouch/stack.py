"""A stack: presets that are applied one after the other, and how strong each of them is."""

from __future__ import annotations

import numbers
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lptn_retouch.errors import UsageError
from lptn_retouch.strength import strengths

MOST = 16  # presets in a stack

Step = tuple[Any, float]  # a preset (its name, its file, or loaded) and its strength


def steps_of(preset: Any) -> tuple[Step, ...]:
    """The presets of a stack with their strengths, first to last; one preset alone is a stack of one.

    Args:
        preset: a preset, or a list of them; ``("winter", 0.6)`` in place of one says how strong it is, from 0 to 2.

    Raises:
        UsageError: it holds none, too many, or something else.

    Example:
        >>> steps_of("retouch"), steps_of(["retouch", ("winter", 0.6)])
        ((('retouch', 1.0),), (('retouch', 1.0), ('winter', 0.6)))
    """
    given = list(preset) if isinstance(preset, list | tuple) and not _is_step(preset) else [preset]
    if not 1 <= len(given) <= MOST:
        raise UsageError(f"a stack has 1 to {MOST} presets, not {len(given)}.")
    return tuple(_step(item) for item in given)


def _is_step(item: Any) -> bool:
    return isinstance(item, tuple) and len(item) == 2 and isinstance(item[1], numbers.Real)


def _step(item: Any) -> Step:
    named, strength = item if _is_step(item) else (item, 1.0)
    if isinstance(named, list | tuple | numbers.Real):
        raise UsageError(f'a stack is a list of presets, ["retouch", ("winter", 0.6)] for example, not {item!r}.')
    return os.fspath(named) if isinstance(named, os.PathLike) else named, strengths(strength, strength)[0]


def parse_step(text: str) -> tuple[str, float]:
    """A preset as the command line and rules write it: ``NAME`` or ``FILE``, or either with ``:AMOUNT``.

    Raises:
        UsageError: the amount is not a number from 0 to 2.

    Example:
        >>> parse_step("winter:0.6"), parse_step(r"C:\\looks\\dusk.safetensors")
        (('winter', 0.6), ('C:\\\\looks\\\\dusk.safetensors', 1.0))
    """
    name, colon, amount = text.rpartition(":")
    if not colon or not name or set(amount) & set("/\\"):  # the colon of a drive, or of hf://
        return text, 1.0
    try:
        value = float(amount.replace(",", "."))
    except ValueError:
        value = -1.0
    if not 0 <= value <= 2:
        raise UsageError(f"the amount after {name}: is a number from 0 to 2, not {amount[:40]!r}.")
    return name, value


def stack_name(steps: Sequence[Step]) -> str:
    """What a stack is called where one preset's name would stand.

    Example:
        >>> stack_name(steps_of(["retouch", ("looks/dusk.safetensors", 0.6)]))
        'retouch-dusk'
    """
    return "-".join(Path(preset).stem if isinstance(preset, str) else preset.name for preset, _ in steps)


def check_strengths(steps: Sequence[Step], amount: float, detail: float) -> tuple[float, float]:
    """The strengths of a call, which scale those of every step.

    Raises:
        UsageError: one is not a number from 0 to 2, or is more than that for a step.

    Example:
        >>> check_strengths(steps_of([("winter", 0.5)]), 2, 1)
        (2.0, 1.0)
    """
    amount, detail = strengths(amount, detail)
    for preset, strength in steps:
        if strength * max(amount, detail) > 2:
            raise UsageError(
                f"{stack_name([(preset, strength)])} at {strength:g} times {max(amount, detail):g} is more than 2; "
                "lower one of them."
            )
    return amount, detail
