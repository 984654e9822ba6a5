"""A sheet of held-out pictures: before, as they should be, and as the network has them now."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn

from lptn_retouch.files import write_atomically

PICTURES = 6
_GAP = 8  # px


def draw_sheet(net: nn.Module, validation_set: list[tuple[Tensor, Tensor]], file: Path) -> None:
    """Draw six held-out pictures, a row each: before, the target, the network's.

    Args:
        net: (1, 3, h, w) to the same; put in eval mode.
        validation_set: inputs and targets, (1, 3, h, w) in [0, 1].
        file: a PNG, written whole.
    """
    chosen = validation_set[:: max(1, len(validation_set) // PICTURES)][:PICTURES]
    net.eval()
    device = next(net.parameters()).device
    with torch.inference_mode():
        rows = [[before, after, net(before.to(device)).clamp(0, 1).cpu()] for before, after in chosen]
    height = max(row[0].shape[-2] for row in rows)
    width = max(row[0].shape[-1] for row in rows)
    sheet = torch.ones(3, len(rows) * (height + _GAP) + _GAP, 3 * (width + _GAP) + _GAP)
    for i, row in enumerate(rows):
        for j, picture in enumerate(row):
            top, left = _GAP + i * (height + _GAP), _GAP + j * (width + _GAP)
            h, w = picture.shape[-2:]
            sheet[:, top : top + h, left : left + w] = picture[0]
    image = Image.fromarray((sheet * 255).round().byte().permute(1, 2, 0).numpy())
    write_atomically(file, lambda stream: image.save(stream, "PNG"))
