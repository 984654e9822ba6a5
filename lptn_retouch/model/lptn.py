"""LPTN as published: the low band translated by a small network, the high bands refined by one mask carried upwards.

Liang, Zeng & Zhang, "High-Resolution Photorealistic Image Translation in Real-Time: A Laplacian Pyramid Translation
Network", CVPR 2021. The released code and the paper describe two different refiners; both are here:

* ``"released"``: a 3-channel mask; each high band ``h`` becomes ``block(h * (1 + mask))``, ``block`` a 1x1 conv 3-16-3.
* ``"paper"``: a 1-channel mask, itself refined level by level by a 1x1 conv 1-16-1; ``h`` becomes ``h * mask``.

Module names follow the published state dict, so its weights load as they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from lptn_retouch.errors import InvalidPresetError
from lptn_retouch.model.form import check_shapes, not_finite
from lptn_retouch.model.pyramid import Filters, LaplacianPyramid
from lptn_retouch.model.translation import Translation

Form = Literal["released", "paper"]


class LPTN(nn.Module):
    """The published network, in either form.

    Args:
        depth: high bands, 1 to 8 (the published weights have 3). Fixed by the weights.
        low_blocks: residual blocks of the low band's translator (published: 5); cost at the low band's size.
        high_blocks: residual blocks of the mask's network (published: 3); cost at the coarsest high band's size, the
            most expensive part of the network.
        form: ``"released"`` or ``"paper"``.
        filters: the pyramid's filter pair; published weights want ``"burt-adelson"``.

    Shape:
        (B, 3, H, W) in [0, 1] to (B, 3, H, W), not clipped.

    Example:
        >>> net = LPTN(depth=3, low_blocks=1, high_blocks=1)
        >>> net(torch.rand(1, 3, 75, 53)).shape
        torch.Size([1, 3, 75, 53])
    """

    def __init__(
        self,
        depth: int = 3,
        low_blocks: int = 5,
        high_blocks: int = 3,
        form: Form = "released",
        filters: Filters = "burt-adelson",
    ) -> None:
        super().__init__()
        if not 1 <= depth <= 8:
            raise ValueError(f"LPTN takes 1 to 8 levels, not {depth}")
        self.form = form
        self.pyramid = LaplacianPyramid(depth, filters)
        self.trans_low = _TranslateLow(low_blocks)
        self.trans_high = _RefineHigh(high_blocks, depth, mask_channels=3 if form == "released" else 1)

    @property
    def depth(self) -> int:
        """Number of high bands."""
        return self.pyramid.depth

    def forward(self, picture: Tensor) -> Tensor:
        """Translate a batch of pictures, (B, 3, H, W) in [0, 1]."""
        return self.pyramid.reconstruct(self.translate_bands(self.pyramid.decompose(picture)))

    def translate(self, picture: Tensor) -> Translation:
        """Translate a batch and say apart what was done to the low band and what to the high bands."""
        bands = self.pyramid.decompose(picture)
        *highs, low = bands
        *new_highs, new_low = self.translate_bands(bands)
        return Translation(
            result=self.pyramid.reconstruct([*new_highs, new_low]),
            colour=self.pyramid.reconstruct([*highs, new_low]),
            light=self.pyramid.reconstruct([*(torch.zeros_like(high) for high in highs), new_low - low]),
        )

    def translate_bands(self, bands: list[Tensor]) -> list[Tensor]:
        """Translate a pyramid: high bands, finest first, then the low band; the same out."""
        *highs, low = bands
        new_low = torch.tanh(low + self.trans_low(low))
        size = highs[-1].shape[-2:]
        # (B, 9, h, w): the coarsest high band, the low band before and after
        seen = torch.cat([highs[-1], _nearest(low, size), _nearest(new_low, size)], dim=1)
        mask = self.trans_high(seen)
        refined = []
        for level, high in enumerate(reversed(highs)):
            mask = _nearest(mask, high.shape[-2:])
            block = self.trans_high.block(level)
            if self.form == "released":
                refined.append(block(high + high * mask))
            else:
                mask = block(mask)
                refined.append(high * mask)
        return [*reversed(refined), new_low]

    @classmethod
    def from_state_dict(cls, weights: Mapping[str, Tensor]) -> LPTN:
        """Build the network that a published state dict describes, and load it.

        Args:
            weights: names and tensors of a released or paper LPTN; the released FiveK file's second copy of its last
                block (``trans_high.trans_mask_block.*``) may be there and is left out.

        Returns:
            The network, in eval mode.

        Raises:
            InvalidPresetError: names or shapes are not those of an LPTN.
        """
        weights = {name: tensor for name, tensor in weights.items() if ".trans_mask_block." not in name}
        depth = _count(weights, r"trans_high\.trans_mask_block_(\d+)\.0\.weight")
        low_blocks = _count(weights, r"trans_low\.model\.(\d+)\.block\.0\.weight")
        high_blocks = _count(weights, r"trans_high\.model\.(\d+)\.block\.0\.weight")
        mask = weights.get("trans_high.trans_mask_block_0.0.weight")
        if mask is None or not 1 <= depth <= 8 or mask.ndim != 4 or max(low_blocks, high_blocks) > 64:
            raise InvalidPresetError("these weights are not an LPTN's: no sound refiner block was found in them.")
        form: Form = "released" if mask.shape[1] == 3 else "paper"
        with torch.device("meta"):  # nothing is allocated before the shapes are found right
            net = cls(depth, low_blocks, high_blocks, form)
        load_checked(net, weights)
        return net.eval()


def load_checked(net: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Load weights whose names and shapes must be exactly the network's, and whose values must be finite.

    Raises:
        InvalidPresetError: says which tensor is missing, unknown, of another shape, or not finite.
    """
    check_shapes(weights, {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()})
    checked: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        plain = tensor.layout == torch.strided and tensor.device.type != "meta" and tensor.is_floating_point()
        checked[name] = tensor.detach().to("cpu", torch.float32, copy=True) if plain else torch.tensor(torch.nan)
        if not bool(torch.isfinite(checked[name]).all()):
            raise not_finite(name)
    net.load_state_dict(checked, assign=True)


class ResidualBlock(nn.Module):
    """Two 3x3 convs and a way round them."""

    def __init__(self, channels: int, padding_mode: Literal["zeros", "replicate"] = "zeros") -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, padding_mode=padding_mode),
            nn.LeakyReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, padding_mode=padding_mode),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.block(x)  # type: ignore[no-any-return]


class _InstanceNorm(nn.Module):
    """Instance norm without parameters, also of a single sample, whose deviation from its own mean is none."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x) if x.shape[-2] * x.shape[-1] == 1 else F.instance_norm(x)


class _TranslateLow(nn.Module):
    def __init__(self, blocks: int) -> None:
        super().__init__()
        self.model = nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1),
            _InstanceNorm(),  # the whole picture's statistics come in here
            nn.LeakyReLU(),
            nn.Conv2d(16, 64, 3, padding=1),
            nn.LeakyReLU(),
            *(ResidualBlock(64) for _ in range(blocks)),
            nn.Conv2d(64, 16, 3, padding=1),
            nn.LeakyReLU(),
            nn.Conv2d(16, 3, 3, padding=1),
        )

    def forward(self, low: Tensor) -> Tensor:
        return self.model(low)  # type: ignore[no-any-return]


class _RefineHigh(nn.Module):
    def __init__(self, blocks: int, depth: int, mask_channels: int) -> None:
        super().__init__()
        self.model = nn.Sequential(
            nn.Conv2d(9, 64, 3, padding=1),
            nn.LeakyReLU(),
            *(ResidualBlock(64) for _ in range(blocks)),
            nn.Conv2d(64, mask_channels, 3, padding=1),
        )
        for level in range(depth):
            refine = nn.Sequential(nn.Conv2d(mask_channels, 16, 1), nn.LeakyReLU(), nn.Conv2d(16, mask_channels, 1))
            self.add_module(f"trans_mask_block_{level}", refine)

    def block(self, level: int) -> nn.Module:
        """The 1x1 convs of a level, 0 the coarsest."""
        return self.get_submodule(f"trans_mask_block_{level}")

    def forward(self, seen: Tensor) -> Tensor:
        return self.model(seen)  # type: ignore[no-any-return]


def _nearest(x: Tensor, size: torch.Size) -> Tensor:
    return F.interpolate(x, size=tuple(size), mode="nearest")


def _count(names: Mapping[str, Tensor], pattern: str) -> int:
    return sum(re.fullmatch(pattern, name) is not None for name in names)
