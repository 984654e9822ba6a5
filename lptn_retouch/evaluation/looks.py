"""What a look does to pictures, measured without a right answer: colour, content, casts, noise.

Pictures are (1, 3, H, W), sRGB in [0, 1]. The definitions, with their thresholds, stand in docs/evaluation.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F  # noqa: N812
from kornia.color import rgb_to_lab
from torch import Tensor

from lptn_retouch.evaluation.metrics import ssim
from lptn_retouch.training.blur import blur
from lptn_retouch.training.oklab import oklab

GRID = 24  # patches across and down a picture
NEUTRAL, STILL_NEUTRAL = 4.0, 6.0  # CIE chroma of a patch below which it is grey before, and still is after
_EVEN = 2.0  # CIE units, spread within a neutral patch
_FLAT = 1.5  # CIE units, spread of L* within a flat patch
_NOISIER = (2.0, 0.3)  # chroma noise has grown if it is above this factor of what it was, and this many CIE units
_FLOOR = 2.0  # CIE L*, contrast that counts as half: what is fainter is noise rather than content


def colour_cloud(picture: Tensor, side: int = 32) -> Tensor:
    """A picture's colours in OKLab, (side², 3), taken on a grid without averaging: every picture gives as many."""
    return oklab(F.interpolate(picture, size=(side, side), mode="nearest-exact"))[0].flatten(1).T


def sliced_wasserstein(a: Tensor, b: Tensor, directions: int = 64) -> float:
    """Distance between two clouds of points: 0 if they are equal, in the unit of the points.

    Along each of many directions both clouds are sorted and compared quantile by quantile; the root of the mean square
    of all differences (Bonneel, Rabin, Peyré & Pfister, "Sliced and Radon Wasserstein barycenters of measures", 2015).

    Args:
        a, b: (n, d) and (m, d).
        directions: how many; drawn from a fixed seed.

    Example:
        >>> cloud = torch.rand(100, 3)
        >>> sliced_wasserstein(cloud, cloud), sliced_wasserstein(cloud, cloud + 1) > 0.5
        (0.0, True)
    """
    turn = torch.randn(a.shape[1], directions, generator=torch.Generator().manual_seed(11))
    turn = turn / turn.norm(dim=0)
    at = torch.linspace(0, 1, min(2048, max(len(a), len(b))))
    apart = _quantiles(a @ turn, at) - _quantiles(b @ turn, at)
    return float(apart.square().mean().sqrt())


def frechet(a: Tensor, b: Tensor) -> float:
    """Fréchet distance, squared, of two sets of features, each taken as a Gaussian (Heusel et al., NIPS 2017).

    The trace of the root of the covariances' product is the nuclear norm of the centred features' product, so that
    fewer pictures than features will do; but few pictures make it too large, so compare it only between equal counts.

    Args:
        a, b: (n, d) and (m, d), two rows or more each.

    Example:
        >>> features = torch.rand(9, 4)
        >>> round(frechet(features, features), 4), round(frechet(features, features + 1), 4)
        (0.0, 4.0)
    """
    means = a.double().mean(0), b.double().mean(0)
    a, b = (a - means[0]) / math.sqrt(len(a) - 1), (b - means[1]) / math.sqrt(len(b) - 1)
    shared = torch.linalg.matrix_norm(a @ b.T, "nuc")
    distance = (means[0] - means[1]).square().sum() + a.square().sum() + b.square().sum() - 2 * shared
    return max(0.0, float(distance))


def content_kept(before: Tensor, after: Tensor) -> float:
    """How far the structure of a picture is still there, whatever became of its colours and tones: 1 all of it.

    L* minus its local mean, divided by its local contrast (Gaussian, sigma 1 % of the frame); SSIM of the two maps.

    Example:
        >>> picture = torch.rand(1, 3, 40, 60)
        >>> round(content_kept(picture, picture), 3)
        1.0
    """
    return ssim(_structure(before), _structure(after))


def neutral_shift(before: Tensor, after: Tensor) -> Tensor:
    """Follow the patches that are evenly grey before.

    Returns:
        (k, 4): a*, b* before and a*, b* after, for each such patch.
    """
    (mean, spread), (moved, _) = _patches(rgb_to_lab(before)), _patches(rgb_to_lab(after))
    grey = (mean[1:].norm(dim=0) < NEUTRAL) & (spread[1:].amax(0) < _EVEN)
    return torch.cat([mean[1:, grey], moved[1:, grey]]).T


def noise_growth(before: Tensor, after: Tensor) -> Tensor:
    """Tell of each patch that is flat before, such as sky, whether its fine chroma noise has grown: (k,) bool.

    Posterising shows here too: a gradient that falls into steps has fine differences where it had none.
    """
    lab = rgb_to_lab(before)
    _, spread = _patches(lab)
    flat = spread[0] < _FLAT
    factor, least = _NOISIER
    was, became = (_fine_chroma(x)[flat] for x in (lab, rgb_to_lab(after)))
    return (became > factor * was) & (became > was + least)


def _structure(picture: Tensor) -> Tensor:
    light = rgb_to_lab(picture.clamp(0, 1))[:, :1]
    sigma = max(1.0, 0.01 * math.sqrt(light.shape[-2] * light.shape[-1]))
    around = blur(light, sigma)
    contrast = (blur((light - around).square(), sigma) + _FLOOR**2).sqrt()
    # two spreads to either side, about [0, 1]: the range that the constants of SSIM are made for
    structure: Tensor = (light - around) / contrast / 4 + 0.5
    return structure


def _patches(lab: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and spread of each channel in each patch, (3, GRID, GRID) both."""
    mean = F.adaptive_avg_pool2d(lab, GRID)[0]
    square = F.adaptive_avg_pool2d(lab.double().square(), GRID)[0]
    return mean, (square - mean.double().square()).clamp_min(0).sqrt().float()


def _fine_chroma(lab: Tensor) -> Tensor:
    chroma = lab[:, 1:]
    fine = (chroma - blur(chroma, 1.5)).square().sum(1, keepdim=True)
    return F.adaptive_avg_pool2d(fine, GRID)[0, 0].sqrt()


def _quantiles(along: Tensor, at: Tensor) -> Tensor:
    """Quantiles of every column, (len(at), columns); torch.quantile takes no more than 16 million numbers."""
    ordered = along.sort(0).values
    place = at * (len(ordered) - 1)
    low = place.floor().long()
    high = (low + 1).clamp_max(len(ordered) - 1)
    return torch.lerp(ordered[low], ordered[high], (place - low)[:, None])


def rising(distances: Sequence[float], slack: float = 0.01) -> bool:
    """Does each distance reach the one before, but for a hundredth?"""
    return all(b >= a * (1 - slack) for a, b in pairwise(distances))
