"""A sheet of held-out pictures: before, as they should be, and as the network has them now."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn

from lptn_retouch.evaluation.sheet import grid
from lptn_retouch.files import write_atomically

PICTURES = 6


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
    sheet = grid([[_image(picture) for picture in row] for row in rows], gap=8)
    write_atomically(file, lambda stream: sheet.save(stream, "PNG"))


def _image(picture: Tensor) -> Image.Image:
    return Image.fromarray((picture[0] * 255).round().byte().permute(1, 2, 0).numpy())
