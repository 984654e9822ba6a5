"""What a picture will take, known from its size before any work: levels, and memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lptn_retouch.model.form import depth_for

FULL_SCALE = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535, np.dtype(np.float32): 1}  # white


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
