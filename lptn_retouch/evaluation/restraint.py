"""What a look leaves alone: greys stay grey, whites white, blacks black; a picture of its own style is hardly moved.

The definitions stand in docs/evaluation.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import torch.nn.functional as F  # noqa: N812
from kornia.color import rgb_to_lab
from torch import Tensor

from lptn_retouch.evaluation.metrics import delta_e
from lptn_retouch.evaluation.unpaired import eight_bits, opened

PATCH = 8  # px
GREY, STILL_GREY = 4.0, 6.0  # CIE chroma of a patch below which it is grey before, and still is after
MIDDLE = 20.0, 97.0  # CIE L* of a grey that is neither nearly black nor white
WHITE, BLACK, LIFTED = 97.0, 4.0, 12.0  # CIE L*: above, below, and above which a black is none any more


@dataclass(frozen=True)
class Tones:
    """Counts of patches; a sum of such counts is that of all their pictures together.

    Example:
        >>> (Tones(greys=4, greys_stay=1) + Tones(greys=4, greys_stay=3)).figures()["greys"]
        {'patches': 8, 'stay': 0.5}
    """

    greys: int = 0
    greys_stay: int = 0
    mid_greys: int = 0
    mid_greys_stay: int = 0
    whites: int = 0
    whites_tinted: int = 0
    blacks: int = 0
    blacks_lifted: int = 0

    def __add__(self, other: Tones) -> Tones:
        return Tones(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def figures(self) -> dict[str, Any]:
        """Counts and shares, ready for JSON; a share of no patches is None."""
        return {
            "greys": {"patches": self.greys, "stay": _share(self.greys_stay, self.greys)},
            "mid_greys": {"patches": self.mid_greys, "stay": _share(self.mid_greys_stay, self.mid_greys)},
            "whites": {"patches": self.whites, "tinted": _share(self.whites_tinted, self.whites)},
            "blacks": {"patches": self.blacks, "lifted": _share(self.blacks_lifted, self.blacks)},
        }


def tones(before: Tensor, after: Tensor) -> Tones:
    """Count the grey, white and black patches of a picture, and what became of them.

    Args:
        before, after: (1, 3, H, W), sRGB in [0, 1].

    Example:
        >>> import torch
        >>> white = torch.ones(1, 3, 16, 16)
        >>> tones(white, white * torch.tensor([1, 1, 0.8]).view(3, 1, 1)).figures()["whites"]
        {'patches': 4, 'tinted': 1.0}
    """
    was, became = patches(before), patches(after)
    chroma, coloured = was[1:].norm(dim=0), became[1:].norm(dim=0)
    grey, stays = chroma < GREY, coloured < STILL_GREY
    middle = grey & (was[0] >= MIDDLE[0]) & (was[0] < MIDDLE[1])
    white, black = (was[0] > WHITE) & (chroma < STILL_GREY), was[0] < BLACK  # warm light is tinted already
    counted = (grey, grey & stays, middle, middle & stays, white, white & ~stays, black, black & (became[0] > LIFTED))
    return Tones(*(int(which.sum()) for which in counted))


def patches(picture: Tensor) -> Tensor:
    """CIE L*a*b* of each patch of 8 x 8 px, (3, n): the mean of its pixels' L*a*b*; a narrower rim is left out.

    Args:
        picture: (1, 3, H, W), sRGB in [0, 1].

    Example:
        >>> import torch
        >>> patches(torch.zeros(1, 3, 17, 24)).shape
        torch.Size([3, 6])
    """
    if min(picture.shape[-2:]) < PATCH:
        return picture.new_zeros(3, 0)
    return F.avg_pool2d(rgb_to_lab(picture.clamp(0, 1)), PATCH)[0].flatten(1)


def score_restraint(apply: Callable[[Tensor], Tensor], files: Sequence[Path]) -> dict[str, Any]:
    """Apply a look to pictures, and tell how far they move and what becomes of their greys, whites and blacks.

    Args:
        apply: the look.
        files: pictures that the look has not seen in training: those it starts from, or those of its style already.

    Returns:
        Figures as in docs/evaluation.md, ready for JSON.

    Raises:
        PhotoError: a picture cannot be read; the message names it.
        UsageError: scikit-image is not installed.
    """
    found, each = Tones(), []
    for file in files:
        picture = opened(file)
        after = eight_bits(apply(picture))
        counted = tones(picture, after)
        found += counted
        each.append({"name": file.name, "delta_e": delta_e(picture, after), **counted.figures()})
    mean = sum(e["delta_e"] for e in each) / len(each)
    return {"pictures": len(files), "delta_e": mean, **found.figures(), "each": each}


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
