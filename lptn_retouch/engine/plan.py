"""What a picture will take, known from its size before any work: levels, and memory."""

from __future__ import annotations

import numpy as np

from lptn_retouch.model.form import depth_for, level_sizes, seen_level

FULL_SCALE = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535, np.dtype(np.float32): 1}  # white

_LEVEL = 32  # bytes for a sample of the level that the network sees: itself, and all below
_MASK = 280  # bytes for a sample where the mask is predicted, on the level above the low band: its network's features


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
    finest, masked = (rows * columns for rows, columns in (sizes[seen_level(depth)], sizes[max(depth - 1, 0)]))
    return max(_LEVEL * finest, _MASK * masked)
