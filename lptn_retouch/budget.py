"""The best quality whose file is no larger than allowed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

LEAST = 40  # below, a photograph shows the codec's blocks: better to make it smaller

T = TypeVar("T")


def best_within(most: int, quality: int, encode: Callable[[int], T], size: Callable[[T], int], least: int = LEAST) -> T:
    """Encode at the highest quality whose file fits, by halving the range: the one wanted, and then six more at most.

    Args:
        most: bytes.
        quality: the highest that is tried, 1 to 100.
        encode: makes a file at a quality.
        size: of such a file, in bytes.
        least: the lowest that is tried, or `quality` where that is less.

    Returns:
        The file; where none fits, the one at the lowest quality.

    Example:
        >>> best_within(600, 92, encode=lambda quality: 10 * quality, size=lambda file: file)
        600
    """
    best = encode(quality)
    if size(best) <= most:
        return best
    low, high = min(least, quality), quality - 1
    fits = False
    while low <= high:
        middle = (low + high) // 2
        coded = encode(middle)
        if size(coded) <= most:
            best, fits, low = coded, True, middle + 1
        else:
            best, high = best if fits else coded, middle - 1
    return best
