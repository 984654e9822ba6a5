"""Our LPTN: a global grade, a low band translated by local colour transforms, high bands that follow them.

The published network moves the low band pixel by pixel and leaves the high bands to a separate mask, so wherever the
two disagree an edge keeps a glow; and it fixes three levels, so the look changes with the picture's size. Here

* the picture is **seen** at a level of about the same size whatever its own (:func:`~.form.seen_level`), and all that
  follows is decided there: the same for a preview and for the export;
* the **grade** is one smooth colour curve for the whole picture, applied to every pixel: it has no edges to get wrong;
* the **translator** does not predict new low-band pixels but a smooth field of affine colour transforms, ``low' = low +
  A low + b``, on a canonical small copy of the low band;
* each **high band** is moved by the same ``A`` (``h' = h + A h``): the transform of a sum is the sum of the transforms,
  so the bands meet again without a glow. A light mask, predicted once from the coarsest high band and carried upwards
  to the level that is seen, adds what the affine cannot say (local contrast). Whatever is done to a band is a product
  with it: nothing is added where the band is zero. What lies between that level and the picture is one band, however
  many octaves a large photograph has.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from lptn_retouch.model.form import (
    COLOURED,
    COLOURLESS,
    CURVE,
    EMPTY,
    FILLED,
    INWARD,
    LOW_SPAN,
    MASKED_LEVELS,
    TERMS,
    THUMBNAIL,
    TRANSFORM,
    depth_for,
    level_sizes,
    read_form,
    seen_level,
)
from lptn_retouch.model.glance import Choice, Glance, share_of
from lptn_retouch.model.lptn import ResidualBlock, load_checked
from lptn_retouch.model.pyramid import LaplacianPyramid, enlarge, enlarge_by
from lptn_retouch.model.translation import Translation, in_part

_STRIP = 1 << 16  # px at a time where there are many numbers a pixel: what a core's cache holds


class GradedLPTN(nn.Module):
    """A Laplacian pyramid translation network behind a global grade.

    Args:
        width: channels of the translator's residual blocks; its cost does not depend on the picture's size.
        blocks: residual blocks of the translator.
        mask_width: channels of the mask's network, run once at twice the low band's size.
        gated: whether the network decides how much of its look a picture gets; else it is all.

    Shape:
        (B, 3, H, W) in [0, 1] to (B, 3, H, W), not clipped; any size from 1x1, any float dtype.

    Example:
        >>> net = GradedLPTN(width=8, blocks=1, mask_width=4)
        >>> net(torch.rand(1, 3, 75, 53)).shape
        torch.Size([1, 3, 75, 53])
    """

    def __init__(self, width: int = 48, blocks: int = 3, mask_width: int = 16, gated: bool = False) -> None:
        super().__init__()
        self.grade = Glance(CURVE)  # one cubic colour curve for the whole picture
        self.gate = Glance(1) if gated else None  # whether the look has business with it
        self.low = LowBandTransform(width, blocks)
        self.high = HighBandMask(mask_width)

    def forward(self, picture: Tensor) -> Tensor:
        """Translate a batch of pictures."""
        translation, (_, share, grey) = self._run(picture, apart=False)
        return in_part(picture, translation.result, share, grey)

    def translate(self, picture: Tensor) -> Translation:
        """Translate a batch and say apart what was done to colour and light, and what to the high bands alone."""
        translation, (_, share, grey) = self._run(picture, apart=True)
        return translation.in_part(picture, share, grey)

    def glance(self, picture: Tensor) -> Choice:
        """What is chosen for a batch of pictures, (B, 3, H, W); see :meth:`decide`."""
        return self.decide(LaplacianPyramid(seen_level(depth_for(*picture.shape[-2:]))).low_band(picture))

    def decide(self, seen: Tensor) -> Choice:
        """Look at a picture as the network sees it, (B, 3, H, W), and choose.

        In training the share is the whole: what a look does, and when, is learnt apart.
        """
        thumbnail = F.adaptive_avg_pool2d(seen, THUMBNAIL)
        share = torch.ones_like(seen[:, :1, :1, :1])
        if self.gate is not None and not self.training:
            varies = (thumbnail.amax((2, 3)) - thumbnail.amin((2, 3))).amax(1)
            filled = ((varies - EMPTY) / (FILLED - EMPTY)).clamp(0, 1)  # in an empty frame there is no scene
            share = (filled[:, None] * share_of(self.gate(thumbnail))).to(seen.dtype).view(-1, 1, 1, 1)
        differ = (thumbnail.amax(1, keepdim=True) - thumbnail.amin(1, keepdim=True)).amax((2, 3), keepdim=True)
        grey = ((COLOURED - differ) / (COLOURED - COLOURLESS)).clamp(0, 1)
        return Choice(self.grade(thumbnail).view(-1, 3, TERMS), share, grey)

    def _run(self, picture: Tensor, *, apart: bool) -> tuple[Translation, Choice]:
        depth = depth_for(*picture.shape[-2:])
        outer = LaplacianPyramid(seen_level(depth))
        inner = LaplacianPyramid(depth - outer.depth)
        seen = outer.low_band(picture)
        choice = self.decide(seen)
        graded = graded_by(choice.curve, seen)
        *highs, low = inner.decompose(graded)
        transform = self.low(low)
        result = colour = new_low = low + apply_affine(transform, low)
        light = new_low - inner.low_band(seen) if apart else new_low
        mask = low
        for level, high in enumerate(reversed(highs)):
            here = high.shape[-2:]
            mask = enlarge(mask, here) if level else self.high(high, enlarge(low, here), enlarge(new_low, here))
            followed = apply_enlarged(transform, high).add_(high)
            result = inner.up(result, here).add_(followed + self.high.gain[level] * mask * high)
            if apart:
                colour = inner.up(colour, here).add_(followed)
                light = inner.up(light, here)
            if outer.depth or level + 1 < len(highs):
                transform = enlarge(transform, here)
        if outer.depth:
            above, (height, width) = outer.depth, picture.shape[-2:]
            size = height, width
            high = graded_by(choice.curve, picture).sub_(enlarge_by(above, graded, size))
            transform = enlarge_by(above - 1, transform, level_sizes(*size, 1)[-1])
            followed = apply_enlarged(transform, high).add_(high)
            result = enlarge_by(above, result, size).add_(followed)
            if apart:
                colour = enlarge_by(above, colour, size).add_(followed)
                light = enlarge_by(above, light, size)
        return Translation(result, colour, light), choice

    @classmethod
    def from_state_dict(cls, weights: Mapping[str, Tensor]) -> GradedLPTN:
        """Build the network that a state dict describes, and load it.

        Raises:
            InvalidPresetError: names or shapes are not those of a GradedLPTN.
        """
        with torch.device("meta"):  # nothing is allocated before the shapes are found right
            net = cls(*read_form(weights))
        load_checked(net, weights)
        return net.eval()


class LowBandTransform(nn.Module):
    """Look at the low band and answer with a smooth field of affine colour transforms.

    Its convolutions repeat the border instead of padding it with zeros: a flat picture gets a flat field, no vignette.
    """

    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        self.inward = nn.Sequential(
            nn.Conv2d(6, INWARD, 3, padding=1, padding_mode="replicate"),
            nn.LeakyReLU(0.1),
            nn.Conv2d(INWARD, width, 3, stride=2, padding=1, padding_mode="replicate"),
            nn.LeakyReLU(0.1),
            nn.Conv2d(width, width, 3, stride=2, padding=1, padding_mode="replicate"),
            nn.LeakyReLU(0.1),
        )
        self.body = nn.Sequential(*(ResidualBlock(width, "replicate") for _ in range(blocks)))
        self.out = nn.Conv2d(2 * width, TRANSFORM, 1)
        nn.init.zeros_(self.out.weight)
        assert self.out.bias is not None
        nn.init.zeros_(self.out.bias)

    def forward(self, low: Tensor) -> Tensor:
        """Low band (B, 3, h, w) to transforms (B, 12, h, w)."""
        h, w = low.shape[-2:]
        scale = LOW_SPAN / math.sqrt(h * w)
        size = (max(1, round(h * scale)), max(1, round(w * scale)))
        exact = low if low.dtype == torch.float64 else low.float()  # antialiasing has no kernel for half floats
        canonical = F.interpolate(exact, size=size, mode="bilinear", antialias=True).to(low.dtype)
        mean = canonical.mean((2, 3), keepdim=True)
        spread = (canonical - mean).square().mean((2, 3), keepdim=True).add(1e-4).sqrt()
        # (B, 6, 48, 48): the colours, and the colours within the picture's own range
        seen = torch.cat([canonical * 2 - 1, (canonical - mean) / spread], dim=1)
        x = self.body(self.inward(seen))
        x = torch.cat([x, x.mean((2, 3), keepdim=True).expand_as(x)], dim=1)
        field = 0.5 * torch.tanh(self.out(x))
        # Twice up by bilinear steps makes the field smooth; the rest is resampling between two like sizes.
        for _ in range(2):
            field = F.interpolate(field, scale_factor=2, mode="bilinear", align_corners=False)
        return F.interpolate(field, size=(h, w), mode="bilinear", align_corners=False)


class HighBandMask(nn.Module):
    """The light mask: predicted from the coarsest high band and the low band before and after, carried upwards."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.model = nn.Sequential(
            nn.Conv2d(9, width, 3, padding=1, padding_mode="replicate"),
            nn.LeakyReLU(0.1),
            nn.Conv2d(width, width, 3, padding=1, padding_mode="replicate"),
            nn.LeakyReLU(0.1),
            nn.Conv2d(width, 3, 3, padding=1, padding_mode="replicate"),
        )
        self.gain = nn.Parameter(torch.full((MASKED_LEVELS,), 0.1))

    def forward(self, high: Tensor, low_before: Tensor, low_after: Tensor) -> Tensor:
        return torch.tanh(self.model(torch.cat([4 * high, low_before, low_after], dim=1)))


def apply_linear(transform: Tensor, x: Tensor) -> Tensor:
    """A x at every pixel: transforms (B, 12, H, W), x (B, 3, H, W) to (B, 3, H, W)."""
    r, g, b = x[:, 0:1], x[:, 1:2], x[:, 2:3]
    return transform[:, 0:3] * r + transform[:, 3:6] * g + transform[:, 6:9] * b


def apply_affine(transform: Tensor, x: Tensor) -> Tensor:
    """A x + b at every pixel."""
    return apply_linear(transform, x) + transform[:, 9:12]


def apply_enlarged(transform: Tensor, x: Tensor) -> Tensor:
    """A x, where A stands on the next coarser level: transforms (B, 12, H/2, W/2), x (B, 3, H, W).

    Without gradients it goes strip by strip, since the enlarged field would be four times the picture.
    """
    h, w = x.shape[-2:]
    if torch.is_grad_enabled():
        return apply_linear(enlarge(transform, (h, w)), x)
    out = torch.empty_like(x)
    rows = max(2, _STRIP // w // 2 * 2)  # even, so that a strip begins where a coarse row does
    for top in range(0, h, rows):
        bottom = min(top + rows, h)
        first = max(top // 2 - 1, 0)  # one coarse row more on each side for the interpolation
        part = enlarge(transform[:, :, first : bottom // 2 + 2], (2 * h, w))
        strip = slice(top - 2 * first, bottom - 2 * first)
        out[:, :, top:bottom] = apply_linear(part[:, :, strip], x[:, :, top:bottom])
    return out


def graded_by(curve: Tensor, picture: Tensor) -> Tensor:
    """A picture, (B, 3, H, W), with the curve of a :class:`~lptn_retouch.model.glance.Choice`, (B, 3, 20)."""
    return picture + apply_polynomial(curve, picture)


def apply_polynomial(coefficients: Tensor, x: Tensor) -> Tensor:
    """Cubic polynomials of colour: (B, 3, 20) at every pixel of (B, 3, H, W), strip by strip without gradients."""
    b, _, h, w = x.shape
    if torch.is_grad_enabled():
        return (coefficients @ cubic_terms(x).flatten(2)).view(b, 3, h, w)
    out = torch.empty_like(x)
    rows = max(1, _STRIP // w)
    for top in range(0, h, rows):
        terms = cubic_terms(x[:, :, top : top + rows])
        out[:, :, top : top + rows] = (coefficients @ terms.flatten(2)).view(b, 3, -1, w)
    return out


def cubic_terms(x: Tensor) -> Tensor:
    """The 20 monomials up to degree 3 of colours (B, 3, H, W) in [0, 1], in the variable 2 x - 1."""
    r, g, b = (x * 2 - 1).unbind(1)
    rr, gg, bb, rg, gb, br = r * r, g * g, b * b, r * g, g * b, b * r
    cubes = (rr * r, gg * g, bb * b, rr * g, rr * b, gg * r, gg * b, bb * r, bb * g, rg * b)
    return torch.stack([torch.ones_like(r), r, g, b, rr, gg, bb, rg, gb, br, *cubes], dim=1)
