"""The engine against the published network's cost in plain torch, 8-bit picture to 8-bit picture, in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor

from lptn_retouch.bench.figure import Figure, ratio
from lptn_retouch.bench.photograph import photograph
from lptn_retouch.bench.setting import Setting
from lptn_retouch.bench.timing import interleaved
from lptn_retouch.model.lptn import LPTN
from lptn_retouch.retoucher import Retoucher

SIZES = {"480p": (854, 480), "1080p": (1920, 1080), "4K": (3840, 2160)}
TARGETS = {"4K": 150.0}
_LONG = 4_000_000  # pixels from which the published network is run only a few times: it takes seconds


def measure(setting: Setting, sizes: Mapping[str, tuple[int, int]] = SIZES) -> list[Figure]:
    """One figure a size: how many times faster the engine is.

    Args:
        sizes: widths and heights, by name.
    """
    engine, published, figures = Retoucher("retouch", "cpu"), published_network(torch.device("cpu")), []
    for name, (width, height) in sizes.items():
        setting.tell(f"  {name}")
        picture = photograph(setting.scene, width, height)
        works: dict[str, Callable[[], object]] = {
            "engine": partial(engine, picture),
            "published": partial(published, torch.from_numpy(picture)),
        }
        few = {"published": 1 if setting.quick else 2} if width * height >= _LONG else None
        seconds = interleaved(works, setting.repeats, few)
        megapixels = width * height / 1e6
        at_least = TARGETS.get(name)
        figures.append(
            ratio(name, seconds, "published", "engine", "times faster", at_least=at_least, megapixels=megapixels)
        )
    return figures


def published_network(device: torch.device) -> Callable[[Tensor], Tensor]:
    """The network as it was published, untrained, which costs as much, around 8-bit pictures.

    Args:
        device: where it runs.

    Returns:
        What makes of a picture on the device, (H, W, 3) uint8, another.
    """
    net = LPTN(depth=3, low_blocks=5, high_blocks=3, form="released").eval().to(device)

    def apply(picture: Tensor) -> Tensor:
        with torch.no_grad():
            result: Tensor = net(picture.permute(2, 0, 1)[None].float() / 255)  # (H, W, 3) to (1, 3, H, W)
            return result[0].clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).contiguous()

    return apply
