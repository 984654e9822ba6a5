"""What a picture will take, known from its size before any work: levels, and memory."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lptn_retouch.errors import UsageError
from lptn_retouch.model.graded import depth_for

_CGROUP = Path("/sys/fs/cgroup/memory.max")  # Linux: what a container may use


@dataclass(frozen=True)
class Plan:
    """How the CPU engine goes about a picture.

    There is no choice of tiles: the kernels go row by row, so a picture of any size needs the same few hundred
    kilobytes for each thread besides what is listed here, and there are no seams.

    Args:
        sizes: heights and widths of the pyramid's levels, the picture's own first.
        level_type: how levels are held: int16 for 8-bit pictures, else float32.
        picture_bytes: the picture itself.
        level_bytes: the pyramid and the result's half of it, at the peak.
    """

    sizes: tuple[tuple[int, int], ...]
    level_type: np.dtype[np.int16] | np.dtype[np.float32]
    picture_bytes: int
    level_bytes: int

    @property
    def depth(self) -> int:
        """Number of high bands."""
        return len(self.sizes) - 1


def plan_picture(height: int, width: int, dtype: npt.DTypeLike = np.uint8, channels: int = 3) -> Plan:
    """Plan a picture.

    Args:
        height, width: px.
        dtype: uint8, uint16 or float32.
        channels: 3, or 4 with alpha.

    Example:
        >>> plan = plan_picture(4000, 6000)
        >>> plan.depth, plan.sizes[-1], plan.picture_bytes / 1e6, plan.level_bytes / 1e6
        (6, (63, 94), 72.0, 90.0)
    """
    sizes = level_sizes(height, width, depth_for(height, width))
    samples = [3 * level[0] * level[1] for level in (*sizes[1:], (0, 0), (0, 0))]
    level_type = np.dtype(np.int16) if np.dtype(dtype) == np.uint8 else np.dtype(np.float32)
    # The peak is at the second finest level: two levels of the pyramid, their sum, and the result's two.
    peak = max(2 * samples[0] + 2 * samples[1], sum(samples) + samples[0])
    return Plan(sizes, level_type, height * width * channels * np.dtype(dtype).itemsize, peak * level_type.itemsize)


def level_sizes(height: int, width: int, depth: int) -> tuple[tuple[int, int], ...]:
    """Heights and widths of a pyramid's levels, the picture's own first.

    Example:
        >>> level_sizes(5, 9, 2)
        ((5, 9), (3, 5), (2, 3))
    """
    return tuple((-(-height // 2**level), -(-width // 2**level)) for level in range(depth + 1))


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
        UsageError: it needs more.

    Example:
        >>> check_memory(24_000_000, 200e6, None)
    """
    there = memory_here() if limit is None else limit
    if there is not None and needed > there:
        bound = f"there are {there / 1e9:.1f}" if limit is None else f"the limit is {there / 1e9:.1f}"
        cure = "make it smaller first" if limit is None else "make it smaller first or raise the limit"
        raise UsageError(
            f"this picture of {pixels / 1e6:,.0f} megapixels needs {needed / 1e9:.1f} GB of memory and {bound}; {cure}."
        )
