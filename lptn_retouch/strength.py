"""The two numbers that say how strong a look is."""

from __future__ import annotations

import numbers

from lptn_retouch.errors import UsageError


def check_strength(amount: float, detail: float) -> None:
    """Raise a UsageError unless both are numbers from 0 to 2."""
    for name, value in (("amount", amount), ("detail", detail)):
        if not isinstance(value, numbers.Real) or not 0 <= value <= 2:
            raise UsageError(f"{name} is a number from 0 to 2, not {str(value)[:40]!r}.")
