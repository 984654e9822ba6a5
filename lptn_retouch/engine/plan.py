"""What a picture will take, known from its size before any work: levels, and memory."""

from __future__ import annotations

import numpy as np

from lptn_retouch.model.form import MASKED_LEVELS, depth_for

FULL_SCALE = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535, np.dtype(np.float32): 1}  # white

_LEVEL = 32  # bytes for a sample of the finest level that the mask reaches: itself, and all below
_MASK = 280  # bytes for a sample where the mask is predicted, on the level above the low band: its network's features


def level_sizes(height: int, width: int, depth: int) -> tuple[tuple[int, int], ...]:
    """Heights and widths of a pyramid's levels, the picture's own first.

    Example:
        >>> level_sizes(5, 9, 2)
        ((5, 9), (3, 5), (2, 3))
    """
    return tuple((-(-height // 2**level), -(-width // 2**level)) for level in range(depth + 1))


def finest_masked(depth: int) -> int:
    """The finest level that the mask reaches, counted from the picture, 0.

    Between it and the picture nothing is computed and nothing is kept; see :mod:`lptn_retouch.engine.cpu`.

    Example:
        >>> finest_masked(6), finest_masked(2)
        (3, 0)
    """
    return max(depth - MASKED_LEVELS, 0)


def work_bytes(height: int, width: int) -> int:
    """What the CPU engine takes at its peak besides the picture and its result.

    Above a megapixel that is about the same for all pictures, 8 to 19 MB. There is no choice of tiles: the kernels go
    row by row, so a picture of any size needs a few hundred kilobytes more for each thread, and there are no seams.

    Example:
        >>> [round(work_bytes(*size) / 1e6, 1) for size in ((4000, 6000), (40_000, 60_000))]
        [12.0, 18.8]
    """
    depth = depth_for(height, width)
    sizes = level_sizes(height, width, depth)
    finest, masked = (rows * columns for rows, columns in (sizes[finest_masked(depth)], sizes[max(depth - 1, 0)]))
    return max(_LEVEL * finest, _MASK * masked)
