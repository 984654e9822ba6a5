"""The Laplacian pyramid: a closed-form split of a picture into a small low band and one high band a level.

A level keeps what its smaller neighbour, enlarged, cannot say. Adding the levels up again returns the picture
exactly, whatever the filters: that is the law the whole house stands on (Burt & Adelson, "The Laplacian Pyramid as a
Compact Image Code", 1983).
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from lptn_retouch.model.form import level_sizes

Filters = Literal["kornia", "burt-adelson"]

_BINOMIAL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
_BINOMIAL_PAIRED = (1 / 32, 5 / 32, 10 / 32, 10 / 32, 5 / 32, 1 / 32)  # the binomial, then the mean of two neighbours


class LaplacianPyramid(nn.Module):
    """Split a batch of pictures into high bands and a low band, and put them together again.

    Two filter pairs:

    * ``"kornia"``: that of ``kornia.geometry.transform.pyrdown`` and ``pyrup`` (binomial blur, bilinear resampling),
      and equal to it on even sizes, borders included. Its samples sit between the pixels they stand for, so flips and
      quarter turns commute with it. An odd size is completed by its last row or column: levels are ``ceil(n / 2)``.
    * ``"burt-adelson"``: that of the published LPTN code (binomial blur, every second sample; zeros inserted).

    Args:
        depth: number of high bands, 0 or more; 0 makes the picture its own low band.
        filters: which pair.

    Example:
        >>> pyramid = LaplacianPyramid(depth=3)
        >>> picture = torch.rand(1, 3, 37, 53)
        >>> bands = pyramid.decompose(picture)
        >>> [tuple(band.shape[-2:]) for band in bands]
        [(37, 53), (19, 27), (10, 14), (5, 7)]
        >>> bool((pyramid.reconstruct(bands) - picture).abs().max() < 1e-6)
        True
    """

    def __init__(self, depth: int, filters: Filters = "kornia") -> None:
        super().__init__()
        if depth < 0:
            raise ValueError(f"a pyramid has 0 or more high bands, not {depth}")
        if filters not in ("kornia", "burt-adelson"):
            raise ValueError(f"filters are 'kornia' or 'burt-adelson', not {filters!r}")
        self.depth = depth
        self.filters = filters

    def decompose(self, picture: Tensor) -> list[Tensor]:
        """Split a picture.

        Args:
            picture: (B, C, H, W), any float dtype, H and W from 1 up.

        Returns:
            ``depth`` high bands, finest first, then the low band.
        """
        bands: list[Tensor] = []
        low = picture
        for _ in range(self.depth):
            smaller = self.down(low)
            bands.append(low - self.up(smaller, low.shape[-2:]))
            low = smaller
        return [*bands, low]

    def low_band(self, picture: Tensor) -> Tensor:
        """The low band alone, (B, C, H, W) to (B, C, h, w), without the high bands' cost."""
        for _ in range(self.depth):
            picture = self.down(picture)
        return picture

    def reconstruct(self, bands: list[Tensor]) -> Tensor:
        """Add the bands up again; the inverse of :meth:`decompose`.

        Args:
            bands: high bands, finest first, then the low band.

        Returns:
            (B, C, H, W), of the size of the finest band.
        """
        picture = bands[-1]
        for band in reversed(bands[:-1]):
            picture = self.up(picture, band.shape[-2:]).add_(band)
        return picture

    def down(self, picture: Tensor) -> Tensor:
        """Halve a picture, (B, C, H, W) to (B, C, ceil(H/2), ceil(W/2))."""
        if self.filters == "kornia":
            return _half(picture)
        return _blur_at_once(picture)[..., ::2, ::2]

    def up(self, picture: Tensor, size: torch.Size | tuple[int, int]) -> Tensor:
        """Enlarge a picture to ``size`` (H, W), the size of the level above it."""
        if self.filters == "kornia":
            return _double(picture)[..., : size[0], : size[1]]
        b, c, h, w = picture.shape
        spread = picture.new_zeros(b, c, h, 2, w, 2)
        spread[:, :, :, 0, :, 0] = picture
        enlarged = 4 * _blur_at_once(spread.view(b, c, 2 * h, 2 * w))
        if enlarged.shape[-2:] != torch.Size(size):  # the published code resizes odd levels by nearest neighbour
            enlarged = F.interpolate(enlarged, size=tuple(size), mode="nearest")
        return enlarged


def enlarge(field: Tensor, size: torch.Size | tuple[int, int]) -> Tensor:
    """Carry a smooth field (a mask, a local transform) up to the next level, (B, C, h, w) to (B, C, H, W).

    Bilinear, and aligned with the ``"kornia"`` pair: sample i of the field stands for pixels 2i and 2i+1.
    """
    doubled = F.interpolate(field, scale_factor=2, mode="bilinear", align_corners=False)
    return doubled[..., : size[0], : size[1]]


def enlarge_by(levels: int, field: Tensor, size: torch.Size | tuple[int, int]) -> Tensor:
    """Carry a smooth field up several levels, (B, C, h, w) to (B, C, H, W)."""
    for finer in reversed(level_sizes(size[0], size[1], levels)[:-1]):
        field = enlarge(field, finer)
    return field


def _half(picture: Tensor) -> Tensor:
    h, w = picture.shape[-2:]
    if h % 2 or w % 2:
        picture = F.pad(picture, (0, w % 2, 0, h % 2), mode="replicate")
    rows = _convolve(_reflect(picture, 2), _BINOMIAL_PAIRED, dim=2, stride=2)
    return _convolve(rows, _BINOMIAL_PAIRED, dim=3, stride=2)


def _double(picture: Tensor) -> Tensor:
    return _blur(F.interpolate(picture, scale_factor=2, mode="bilinear", align_corners=False))


def _blur(picture: Tensor) -> Tensor:
    return _convolve(_convolve(_reflect(picture, 2), _BINOMIAL, dim=2), _BINOMIAL, dim=3)


def _blur_at_once(picture: Tensor) -> Tensor:
    """The same blur as one 5x5 convolution: bit for bit the published code's, whose network amplifies bits."""
    from kornia.filters import filter2d  # here, as it takes as long to import as a photograph to retouch

    taps = picture.new_tensor(_BINOMIAL)
    blurred: Tensor = filter2d(_reflect(picture, 2), torch.outer(taps, taps)[None], padding="valid")
    return blurred


def _convolve(picture: Tensor, taps: tuple[float, ...], dim: int, stride: int = 1) -> Tensor:
    """Weighted sum of shifted views along one dimension: on a CPU four times as fast as a depthwise convolution."""
    n = (picture.shape[dim] - len(taps)) // stride + 1

    def shifted(k: int) -> Tensor:
        rows = slice(k, k + stride * (n - 1) + 1, stride)
        return picture[:, :, rows] if dim == 2 else picture[..., rows]

    total = shifted(0) * taps[0]
    for k, tap in enumerate(taps[1:], start=1):
        total = total.add_(shifted(k), alpha=tap)
    return total


def _reflect(picture: Tensor, margin: int) -> Tensor:
    """Mirror the border without repeating the edge, also where the picture is smaller than the margin."""
    if min(picture.shape[-2:]) > margin:
        return F.pad(picture, (margin,) * 4, mode="reflect")
    for dim in (-2, -1):
        n = picture.shape[dim]
        index = torch.arange(-margin, n + margin, device=picture.device)
        period = max(2 * (n - 1), 1)
        index = index.remainder(period)
        index = torch.minimum(index, (period - index).remainder(period)) if n > 1 else torch.zeros_like(index)
        picture = picture.index_select(dim, index)
    return picture
