"""How much memory there is, and whether a picture fits in it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from lptn_retouch.errors import TooLargeError

_CGROUP = Path("/sys/fs/cgroup/memory.max")  # Linux: what a container may use


def memory_here() -> int | None:
    """Bytes of memory that this process can hope for: the machine's, or its container's; None if unknown.

    Example:
        >>> (memory_here() or 1) > 0
        True
    """
    if not hasattr(os, "sysconf"):
        return None  # Windows pages out rather than kills
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with suppress(OSError, ValueError):  # "max" is no number
        there = min(there, int(_CGROUP.read_text()))
    return there


def check_memory(pixels: int, needed: float, limit: int | None) -> None:
    """Refuse a picture that the memory cannot hold while it is retouched, instead of being killed half way.

    Args:
        pixels: of the picture or the whole batch.
        needed: bytes at the peak.
        limit: bytes; None for what the machine has.

    Raises:
        TooLargeError: it needs more.

    Example:
        >>> check_memory(24_000_000, 200e6, None)
    """
    there = memory_here() if limit is None else limit
    if there is not None and needed > there:
        bound = f"there are {_gigabytes(there)}" if limit is None else f"the limit is {_gigabytes(there)}"
        cure = "make it smaller first" if limit is None else "make it smaller first or raise the limit"
        raise TooLargeError(
            f"this picture of {pixels / 1e6:,.0f} megapixels needs {_gigabytes(needed)} GB of memory and {bound}; "
            f"{cure}."
        )


def _gigabytes(size: float) -> str:
    """Told apart where they are few: 0.0792 and 0.05, not 0.1 and 0.1.

    Example:
        >>> _gigabytes(79.2e6), _gigabytes(25.3e9)
        ('0.0792', '25.3')
    """
    return f"{size / 1e9:,.1f}" if size >= 1e10 else f"{size / 1e9:.3g}"
