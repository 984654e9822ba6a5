"""Pictures that are torch tensors: what they may be, and how an engine retouches them."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lptn_retouch.engine.choose import Engine, TensorEngine
from lptn_retouch.engine.stack import StackEngine
from lptn_retouch.errors import UsageError

_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def check_tensor(image: Tensor) -> None:
    """Refuse what is no picture.

    Raises:
        UsageError: it is not (3, H, W) or (B, 3, H, W) of floats, or has no content.

    Example:
        >>> check_tensor(torch.zeros(3, 40, 60))
    """
    if image.ndim not in (3, 4) or image.shape[-3] != 3 or image.numel() == 0 or image.dtype not in _FLOATS:
        kind = f"{tuple(image.shape)} {str(image.dtype).removeprefix('torch.')}"
        raise UsageError(f"a tensor picture is (3, H, W) or (B, 3, H, W) of floats, not {kind}.")
    if image.is_meta or image.layout != torch.strided:
        raise UsageError("a tensor picture is dense and has content, so no sparse or meta tensor; make it dense.")


def retouch_tensor(
    engine: Engine, image: Tensor, amount: float, detail: float, weights: npt.NDArray[np.float32] | None
) -> Tensor:
    """Retouch one picture, or several of a size.

    Args:
        image: one that :func:`check_tensor` lets pass, in [0, 1].
        amount, detail: 0 to 2.
        weights: (H, W) in [0, 1]: where to apply the retouch; None for everywhere.

    Returns:
        A new tensor, of the picture's device and type.

    Raises:
        InvalidPresetError: the network's weights overflow.
    """
    batch = image if image.ndim == 4 else image[None]
    device = torch.device(engine.device)
    picture = batch.to(device, torch.float32)
    steps = engine.steps if isinstance(engine, StackEngine) else ((engine, 1.0),)
    result = picture.clone() if not steps else picture
    for step, strength in steps:
        if hasattr(step, "tensors"):
            result = cast(TensorEngine, step).tensors(result, strength * amount, strength * detail)
        else:
            result = _by_arrays(step, result, strength * amount, strength * detail)
    if weights is not None:
        result = torch.lerp(picture, result, torch.from_numpy(weights).to(device))
    if image.dtype == torch.float64:  # what was not changed is not rounded to float32 either
        same = (result == picture).to(image.device)
        result = torch.where(same, batch, result.to(batch))
    result = result.to(batch)
    return result if image.ndim == 4 else result[0]


def _by_arrays(engine: Engine, pictures: Tensor, amount: float, detail: float) -> Tensor:
    """Tensors on the CPU, (B, 3, H, W), through an engine that takes arrays alone."""
    rows = pictures.permute(0, 2, 3, 1).contiguous()  # (B, 3, H, W) to (B, H, W, 3)
    results: list[npt.NDArray[Any]] = [engine(picture, amount, detail) for picture in rows.numpy()]
    return torch.from_numpy(np.stack(results)).permute(0, 3, 1, 2).contiguous()
