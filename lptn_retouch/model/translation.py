"""What a network did to a picture, taken apart so that its strength can be dosed."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Translation(NamedTuple):
    """A result and its two halves; all (B, 3, H, W), not clipped.

    ``result - picture`` is a change of colour and light, ``colour - picture``, and on top of it what was done to the
    high bands alone, ``result - colour``. Of the change of colour and light, ``light`` is the part in the low band.
    """

    result: Tensor
    colour: Tensor
    light: Tensor

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
