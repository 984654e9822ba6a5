"""The two numbers that say how strong a look is."""

from __future__ import annotations

import numbers

from lptn_retouch.errors import UsageError


def strengths(amount: float, detail: float) -> tuple[float, float]:
    """Both as floats.

    Raises:
        UsageError: one is not a number from 0 to 2.

    Example:
        >>> from fractions import Fraction
        >>> strengths(Fraction(1, 2), 2)
        (0.5, 2.0)
    """
    for name, value in (("amount", amount), ("detail", detail)):
        if not isinstance(value, numbers.Real) or not 0 <= value <= 2:
            raise UsageError(f"{name} is a number from 0 to 2, not {str(value)[:40]!r}.")
    return float(amount), float(detail)
