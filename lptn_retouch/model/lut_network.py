"""A colour look-up table in torch: what the compiled engine is held to, and a teacher for networks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from lptn_retouch.model.lut import DOMAIN, TABLE, checked_lut
from lptn_retouch.model.translation import Translation

_STRIP = 1 << 18  # px at a time where no gradient is wanted: there are fifty numbers a pixel


class LutNetwork(nn.Module):
    """Looks colours up in a table.

    A cube is interpolated tetrahedrally: the cell about a colour is cut into six tetrahedra along the diagonal from
    black to white, and the corners of the one that it lies in are averaged. So a grey is made of greys alone (Kasson,
    Nin, Plouffe & Hafner, "Performing color space conversions with three-dimensional linear interpolation", 1995).
    Curves are interpolated linearly.

    Args:
        weights: as :mod:`lptn_retouch.model.lut` describes them.

    Shape:
        (B, 3, H, W) in [0, 1] to (B, 3, H, W), not clipped; any size.

    Example:
        >>> from lptn_retouch.model.lut import identity
        >>> net = LutNetwork({name: torch.tensor(array) for name, array in identity(5).weights.items()})
        >>> bool((net(torch.full((1, 3, 2, 2), 0.3)) - 0.3).abs().max() < 1e-6)
        True
    """

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.lut = nn.Module()
        for name in (TABLE, DOMAIN):
            self.lut.register_buffer(name.removeprefix("lut."), weights[name])

    def forward(self, picture: Tensor) -> Tensor:
        """What becomes of the colours of a batch of pictures."""
        colours = picture.movedim(1, -1).reshape(-1, 3)
        step = len(colours) if torch.is_grad_enabled() else _STRIP
        found: Tensor = torch.cat([self._looked_up(part) for part in torch.split(colours, max(step, 1))])
        return found.view(*picture.shape[:1], *picture.shape[2:], 3).movedim(-1, 1)

    def translate(self, picture: Tensor) -> Translation:
        """What is done to a batch. A table has no bands: all of its change is light, so amount alone scales it."""
        result = self(picture)
        return Translation(result, result, result - picture)

    def _looked_up(self, colours: Tensor) -> Tensor:
        """(n, 3) to (n, 3)."""
        table, (first, last) = cast(Tensor, self.lut.table), cast(Tensor, self.lut.domain).unbind()
        size = len(table)
        place = ((colours - first) * ((size - 1) / (last - first))).clamp(0, size - 1)
        cell = place.floor().clamp(max=size - 2)
        within = place - cell
        if table.ndim == 2:
            low, high = table.gather(0, cell.long()), table.gather(0, cell.long() + 1)
            return low + within * (high - low)
        nodes = table.view(-1, 3)
        along = cell.new_tensor([1, size, size * size], dtype=torch.long)  # to the next red, green, blue
        corner = (cell.long() * along).sum(1)
        weights, order = within.sort(dim=1, descending=True)
        found = (1 - weights[:, :1]) * nodes[corner]
        for i in range(3):  # along the edges of the tetrahedron, the colour's greatest part first
            corner = corner + along[order[:, i]]
            rest = weights[:, i + 1 : i + 2] if i < 2 else 0
            found = found + (weights[:, i : i + 1] - rest) * nodes[corner]
        return found

    @classmethod
    def from_state_dict(cls, weights: Mapping[str, Tensor]) -> LutNetwork:
        """Build the table that a state dict holds.

        Raises:
            InvalidPresetError: names, shapes or values are not those of a table.
        """
        plain = {name: tensor.detach().cpu().numpy() for name, tensor in weights.items()}
        return cls({name: torch.tensor(array) for name, array in checked_lut(plain).items()}).eval()
