"""The reference engine: the network's mathematics in torch, on any device torch has. Others are held to it."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lptn_retouch.engine.finite import check_finite
from lptn_retouch.engine.plan import FULL_SCALE
from lptn_retouch.engine.retouched import Retouched, Retouching
from lptn_retouch.model.checkpoint import Network
from lptn_retouch.model.graded import GradedLPTN
from lptn_retouch.threads import on_one

Array = npt.NDArray[Any]

SMALL = 512 * 512  # px; below, sharing out a picture's work among torch's threads costs more waiting than it saves


class ReferenceEngine(Retouching):
    """Retouch pictures as the network was trained: whole, in float32.

    Args:
        net: in eval mode, on the device.
        device: where to compute.
    """

    name = "reference"

    def __init__(self, net: Network, device: torch.device) -> None:
        self._net = net
        self.device = device

    def retouch(
        self, picture: Array, amount: float, detail: float, where: Array | None = None, out: Array | None = None
    ) -> Retouched:
        """Retouch one picture; as :meth:`Retouching.retouch`."""
        work = partial(self._retouch, picture, amount, detail, where, out)
        return on_one(work) if self._is_small(picture.shape[0] * picture.shape[1]) else work()

    def _is_small(self, pixels: int) -> bool:
        return self.device.type == "cpu" and pixels < SMALL

    def _retouch(
        self, picture: Array, amount: float, detail: float, where: Array | None, out: Array | None
    ) -> Retouched:
        full = FULL_SCALE[picture.dtype]
        out = np.empty_like(picture) if out is None else out
        # (H, W, C) to (1, 3, H, W)
        planes = torch.from_numpy(np.array(picture[..., :3].transpose(2, 0, 1), order="C"))[None]
        before = planes.to(self.device).to(torch.float32) / full
        result = self._translate(before, amount, detail)
        share = self._share(before)
        if where is not None:
            result = torch.lerp(before, result, torch.from_numpy(where).to(self.device))
        del before
        if full != 1:
            result = result.mul_(full).add_(0.5)  # the copy to whole numbers cuts, so this rounds
        if out is not picture:
            out[..., 3:] = picture[..., 3:]
        out[..., :3] = result[0].cpu().numpy().transpose(1, 2, 0)
        return Retouched(out, (share,))

    def tensors(self, pictures: Tensor, amount: float, detail: float) -> Tensor:
        """Retouch a batch of pictures.

        Args:
            pictures: (B, 3, H, W), float32 in [0, 1], on the device.
            amount, detail: 0 to 2.

        Returns:
            (B, 3, H, W), clipped to [0, 1].

        Raises:
            InvalidPresetError: the weights overflow.
        """
        work = partial(self._translate, pictures, amount, detail)
        return on_one(work) if self._is_small(pictures.numel() // 3) else work()

    def _translate(self, pictures: Tensor, amount: float, detail: float) -> Tensor:
        with torch.no_grad():  # not inference_mode: results are handed to users, who may write to them
            if amount == 1 and detail == 1:
                result = self._net(pictures)
            else:
                result = self._net.translate(pictures).dose(pictures, amount, detail)
            check_finite(result)
            return result.clamp(0, 1)  # type: ignore[no-any-return]

    def _share(self, picture: Tensor) -> float:
        """Of the look, as the network chose: it is asked once more, for it answers with a picture alone."""
        if not isinstance(self._net, GradedLPTN) or self._net.gate is None:
            return 1.0
        with torch.no_grad():
            return float(self._net.glance(picture).share)

    def memory(self, height: int, width: int, dtype: npt.DTypeLike) -> int:
        """Bytes at the peak besides the picture and its result: measured at 12 and 24 megapixels.

        Args:
            height, width, dtype: of the picture; for a batch, `height` times as many.
        """
        del dtype
        return 100 * height * width
