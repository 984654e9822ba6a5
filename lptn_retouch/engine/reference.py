"""The reference engine: the network's mathematics in torch, on any device torch has. Others are held to it."""

from __future__ import annotations

import torch
from torch import Tensor

from lptn_retouch.errors import UsageError
from lptn_retouch.model.checkpoint import Network


def choose_device(device: str) -> torch.device:
    """The device to compute on.

    Args:
        device: "auto" (an accelerator if torch finds one, else the CPU), or torch's own word: "cpu", "cuda:1", "mps".

    Raises:
        UsageError: torch does not know or does not have that device.

    Example:
        >>> choose_device("cpu")
        device(type='cpu')
    """
    if device == "auto":
        accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
        return accelerator or torch.device("cpu")
    try:
        chosen = torch.device(device)
        torch.zeros(1, device=chosen).cpu()  # the device can be written to and read from
    except (RuntimeError, AssertionError, NotImplementedError, TypeError):
        raise UsageError(f"there is no device {device!r} here; use 'auto' or 'cpu'.") from None
    return chosen


def apply_network(net: Network, picture: Tensor, amount: float = 1.0, detail: float = 1.0) -> Tensor:
    """Retouch a batch of pictures.

    Args:
        net: in eval mode, on the pictures' device.
        picture: (B, 3, H, W) in [0, 1].
        amount: 0 to 2, the change of colour and light.
        detail: 0 to 2, the change of the high bands.

    Returns:
        (B, 3, H, W), clipped to [0, 1].
    """
    with torch.no_grad():  # not inference_mode: results are handed to users, who may write to them
        if amount == 1 and detail == 1:
            return net(picture).clamp(0, 1)  # type: ignore[no-any-return]
        return net.translate(picture).dose(picture, amount, detail).clamp(0, 1)
