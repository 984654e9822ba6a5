"""How near a result is to its target: PSNR, SSIM, CIE dE2000. Pictures are (1, 3, H, W), sRGB in [0, 1]."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor

from lptn_retouch.errors import UsageError
from lptn_retouch.training import INSTALL

Apply = Callable[[Tensor], Tensor]  # a look: (1, 3, H, W) in [0, 1] to the same


def psnr(a: Tensor, b: Tensor) -> float:
    """Peak signal-to-noise ratio, dB; infinity for equal pictures.

    Example:
        >>> import torch
        >>> round(psnr(torch.zeros(1, 3, 4, 4), torch.full((1, 3, 4, 4), 0.1)), 3)
        20.0
    """
    error = float((a.double() - b.double()).square().mean())
    return math.inf if error == 0 else -10 * math.log10(error)


def ssim(a: Tensor, b: Tensor) -> float:
    """Structural similarity, -1 to 1, Gaussian window of 11 px and sigma 1.5 (Wang et al., IEEE TIP 2004)."""
    from kornia.metrics import ssim as ssim_map

    return float(ssim_map(a, b, window_size=11, padding="valid").mean())


def delta_e(a: Tensor, b: Tensor) -> float:
    """Mean colour difference by CIEDE2000 (Sharma, Wu & Dalal 2005), D65; about 1 is just noticeable.

    Raises:
        UsageError: scikit-image is not installed.
    """
    return float(np.mean(delta_e_map(a, b)))


def delta_e_map(a: Tensor, b: Tensor) -> Any:
    """The colour difference of every pixel by CIEDE2000, (H, W); see :func:`delta_e`."""
    try:
        from skimage.color import deltaE_ciede2000
    except ImportError:
        raise UsageError(f"dE2000 needs scikit-image; install it with: {INSTALL}") from None
    return deltaE_ciede2000(lab(a), lab(b))


def lab(picture: Tensor) -> Any:
    """CIE L*a*b* of a picture, (H, W, 3), D65."""
    from kornia.color import rgb_to_lab

    return rgb_to_lab(picture.clamp(0, 1))[0].permute(1, 2, 0).cpu().numpy()
