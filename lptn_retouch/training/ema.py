"""The moving average of a network's weights while it learns: what is measured and kept in its stead."""

from __future__ import annotations

from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


def move_average(average: nn.Module, net: nn.Module, step: int, decay: float) -> None:
    """Move an average towards a network, faster in the first steps, as its first weights say little.

    Batch norm's statistics go with the weights that they belong to.

    Args:
        average: moved.
        net: of the same form.
        step: counted from 0.
        decay: what is kept of the average once many steps are done, 0 to 1.

    Example:
        >>> import torch
        >>> average, net = nn.Linear(1, 1), nn.Linear(1, 1)
        >>> expected = 0.1 * average.weight + 0.9 * net.weight
        >>> move_average(average, net, 0, 0.99)
        >>> torch.testing.assert_close(average.weight, expected)
    """
    floats = [[x for x in each.state_dict().values() if x.is_floating_point()] for each in (average, net)]
    get_ema_multi_avg_fn(min(decay, (1 + step) / (10 + step)))(*floats, step)  # type: ignore[no-untyped-call]
