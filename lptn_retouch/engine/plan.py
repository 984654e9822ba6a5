"""What a picture will cost, known before any work."""

from __future__ import annotations

import os

from lptn_retouch.errors import UsageError

BYTES_PER_PIXEL = 100  # of the reference engine at its peak, measured at 12 and 24 megapixels: benchmarks/results


def check_memory(pixels: int) -> None:
    """Refuse a picture that this machine's memory cannot hold while it is retouched, instead of being killed half way.

    Args:
        pixels: of the picture or the whole batch.

    Raises:
        UsageError: it needs more than the machine has.

    Example:
        >>> check_memory(24_000_000)
    """
    if not hasattr(os, "sysconf"):
        return  # Windows pages out rather than kills
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    needed = pixels * BYTES_PER_PIXEL
    if needed > there:
        raise UsageError(
            f"this picture of {pixels / 1e6:.0f} megapixels needs {needed / 1e9:.0f} GB of memory and there are "
            f"{there / 1e9:.0f}; make it smaller first."
        )
