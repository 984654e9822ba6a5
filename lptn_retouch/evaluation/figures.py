"""Figures of single pictures put together, and made ready for JSON."""

from __future__ import annotations

import math
from typing import Any


def mean(values: list[float]) -> float:
    """The mean of what was measured; 0 where nothing was."""
    return sum(values) / len(values) if values else 0.0


def for_json(figures: dict[str, Any]) -> dict[str, Any]:
    """Figures with None for infinity, which JSON has no word for.

    Example:
        >>> for_json({"psnr": math.inf, "ssim": 1.0})
        {'psnr': None, 'ssim': 1.0}
    """
    return {key: None if value == math.inf else value for key, value in figures.items()}
