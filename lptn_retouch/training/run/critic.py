"""The critic of the published recipe: it learns to tell results from real pictures of the style.

Three small networks look at a picture at three scales, as in Liang, Zeng & Zhang, "High-Resolution Photorealistic
Image Translation in Real-Time", CVPR 2021, section 3.4: strided convolutions, one instance norm, LeakyReLU 0.2, one
score a picture. Scores are learnt by least squares (Mao et al., "Least Squares Generative Adversarial Networks", ICCV
2017: 1 for real, 0 for a result), held smooth by a gradient penalty (Gulrajani et al., "Improved Training of
Wasserstein GANs", NeurIPS 2017).
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

SEEN = 256  # px, the square that every picture is brought to
SCALES = 3


class Critic(nn.Module):
    """Three discriminators, each at half the size of the one before.

    Shape:
        (B, 3, H, W) in [0, 1], any size, to (B, 3): a score from each.

    Example:
        >>> Critic()(torch.rand(2, 3, 40, 60)).shape
        torch.Size([2, 3])
    """

    def __init__(self) -> None:
        super().__init__()
        self.judges = nn.ModuleList(_discriminator() for _ in range(SCALES))  # so named in checkpoints

    def forward(self, picture: Tensor) -> Tensor:
        scores = []
        for discriminator in self.judges:
            scores.append(discriminator(_square(picture)).flatten(1))
            picture = F.avg_pool2d(picture, 3, 2, 1, count_include_pad=False)
        return torch.cat(scores, dim=1)


def generator_loss(critic: Critic, result: Tensor) -> Tensor:
    """How far results, (B, 3, H, W), are from being taken for real."""
    return (critic(result) - 1).square().mean()  # type: ignore[no-any-return]


def critic_loss(critic: Critic, real: Tensor, result: Tensor, penalty: float, between: Tensor) -> Tensor:
    """How badly the critic tells real pictures from results.

    Args:
        real, result: (B, 3, H, W) each, of any sizes.
        penalty: weight of the gradient's distance from length 1.
        between: (B,) in [0, 1], where between the two the gradient is looked at.
    """
    real, result = _square(real), _square(result.detach())
    told = (critic(real) - 1).square().mean() + critic(result).square().mean()
    share = between.view(-1, 1, 1, 1).to(real)
    middle = (share * real + (1 - share) * result).requires_grad_()
    (slope,) = torch.autograd.grad(critic(middle).sum(), middle, create_graph=True)
    return told + penalty * (slope.flatten(1).norm(dim=1) - 1).square().mean()  # type: ignore[no-any-return]


def _square(picture: Tensor) -> Tensor:
    return F.interpolate(picture, size=(SEEN, SEEN), mode="bilinear", align_corners=False)


def _discriminator() -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(3, 16, 3, stride=2, padding=1), nn.LeakyReLU(0.2)]
    layers.append(nn.InstanceNorm2d(16, affine=True))
    for before, after in pairwise((16, 32, 64, 128, 128)):
        layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Conv2d(128, 1, SEEN // 32))
