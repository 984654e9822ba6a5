"""Times and sizes as people say them."""

from __future__ import annotations


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
