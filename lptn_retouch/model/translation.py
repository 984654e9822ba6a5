"""What a network did to a picture, taken apart so that its strength can be dosed."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from lptn_retouch.model.form import LUMA


class Translation(NamedTuple):
    """A result and its two halves; all (B, 3, H, W), not clipped.

    ``result - picture`` is a change of colour and light, ``colour - picture``, and on top of it what was done to the
    high bands alone, ``result - colour``. Of the change of colour and light, ``light`` is the part in the low band.
    """

    result: Tensor
    colour: Tensor
    light: Tensor

    def in_part(self, picture: Tensor, share: Tensor, grey: Tensor) -> Translation:
        """The part of this translation that a picture gets, and without colours where it has none itself.

        Args:
            picture: the network's input, (B, 3, H, W).
            share, grey: 0 to 1, (B, 1, 1, 1); see :class:`~lptn_retouch.model.glance.Choice`.
        """
        none = torch.zeros_like(picture)
        parts = zip((picture, picture, none), self, strict=True)
        return Translation(*(in_part(before, after, share, grey) for before, after in parts))

    def dose(self, picture: Tensor, amount: float, detail: float) -> Tensor:
        """The picture with this translation at another strength.

        ``amount`` scales the change of colour and light, in the low band and in the high bands that follow it.
        ``detail`` scales the whole change of the high bands. So 1 and 1 is the result, 0 and 0 the picture, amount 0
        leaves the low band alone, detail 0 the high bands.

        Args:
            picture: the network's input, (B, 3, H, W).
            amount, detail: 0 to 2.
        """
        change = amount * (self.colour - picture)
        if detail == 1:
            return picture + change + (self.result - self.colour)
        follow = change - amount * self.light
        return picture + amount * self.light + detail * (follow + self.result - self.colour)


def in_part(before: Tensor, after: Tensor, share: Tensor, grey: Tensor) -> Tensor:
    """So much of a change, without colours where there were none; see :meth:`Translation.in_part`."""
    return torch.lerp(before, greyed(after, grey), share)


def greyed(picture: Tensor, grey: Tensor) -> Tensor:
    """Colours, (B, 3, H, W), that give way to their luma: not where `grey` is 0, wholly and exactly where it is 1."""
    return torch.lerp(picture, luma(picture).expand_as(picture), grey)


def luma(picture: Tensor) -> Tensor:
    """How light a picture's colours are, (B, 3, H, W) to (B, 1, H, W), of the numbers as they are."""
    red, green, blue = picture[:, 0:1], picture[:, 1:2], picture[:, 2:3]
    return LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue
