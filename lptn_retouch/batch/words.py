"""Times and sizes as people say them."""

from __future__ import annotations

import re

from lptn_retouch.errors import UsageError

_SIZE = re.compile(r"(\d{1,12}(?:[.,]\d{1,6})?) ?([kmg]?)b?", re.IGNORECASE)
_THOUSANDS = {"": 1, "k": 1_000, "m": 1_000_000, "g": 1_000_000_000}


def duration(seconds: float) -> str:
    """A length of time.

    Example:
        >>> duration(0.4), duration(42), duration(75), duration(7300)
        ('0.4 s', '42 s', '1 min 15 s', '2 h 1 min')
    """
    if seconds < 59.5:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def said(size: float) -> str:
    """An amount of bytes.

    Example:
        >>> said(0), said(25_300_000), said(1.5e12)
        ('0 MB', '25 MB', '1500.0 GB')
    """
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def bytes_of(text: str) -> int:
    """An amount of bytes as people write it; a KB is 1000 of them.

    Raises:
        UsageError: it is none, or 0.

    Example:
        >>> bytes_of("500KB"), bytes_of("1.5 MB"), bytes_of("2m"), bytes_of("800000")
        (500000, 1500000, 2000000, 800000)
    """
    found = _SIZE.fullmatch(text.strip())
    size = int(float(found[1].replace(",", ".")) * _THOUSANDS[found[2].lower()]) if found else 0
    if size < 1:
        raise UsageError(f"a size is written like 500KB or 2MB, not {text[:40]!r}.")
    return size
