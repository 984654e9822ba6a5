"""What an editor is told of an error: a code for itself, and a sentence to show."""

from __future__ import annotations

import sys
import traceback

from lptn_retouch.errors import LptnRetouchError, PresetError, TooLargeError, UsageError, reason, shown

_LONGEST = 4000  # characters of a sentence: a list of presets may be in it


class CancelledError(Exception):
    """The editor wants this no more."""


def told(error: Exception) -> tuple[str, str]:
    """Code and sentence; what nobody foresaw goes to standard error whole.

    Example:
        >>> told(UsageError("amount is a number from 0 to 2, not 3."))
        ('usage', 'amount is a number from 0 to 2, not 3.')
    """
    if isinstance(error, CancelledError):
        return "cancelled", "this was cancelled; ask again if it is wanted after all."
    if isinstance(error, TooLargeError):
        return "memory", _sentence(error)
    if isinstance(error, UsageError):
        return "usage", _sentence(error)
    if isinstance(error, PresetError):
        return "preset", _sentence(error)
    if isinstance(error, LptnRetouchError):
        return "internal", _sentence(error)
    if isinstance(error, MemoryError) or "allocate memory" in str(error) or type(error).__name__ == "OutOfMemoryError":
        return "memory", "there is not enough memory for it; close other programs, or make the picture smaller first."
    traceback.print_exception(error, file=sys.stderr)
    return "internal", (
        f"the engine met a fault of its own ({type(error).__name__}: {reason(error)}); try again, and if it stays, "
        "report it with what standard error says."
    )


def _sentence(error: Exception) -> str:
    words = shown(str(error))
    return words if len(words) <= _LONGEST else f"{words[:_LONGEST]}..."
