"""The GPU engine at 4K: in device memory, from host to host, in a stream; the card's own speed for comparison."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lptn_retouch.bench.figure import Figure, Seconds, ratio
from lptn_retouch.bench.network import published_network
from lptn_retouch.bench.photograph import photograph
from lptn_retouch.bench.setting import Setting
from lptn_retouch.bench.timing import interleaved
from lptn_retouch.preset import load_preset

SIZE = 3840, 2160
AT_MOST = 1.0  # ms in device memory
REPEATS = 50
_COPY = 1 << 30  # bytes; far more than any cache of the card
_WARM_UP = 5


def measure(setting: Setting, size: tuple[int, int] = SIZE, repeats: int = REPEATS) -> list[Figure] | str:
    """Milliseconds and pictures a second; or why there is nothing to measure.

    Args:
        size: width and height.
        repeats: how often each is timed.
    """
    if not torch.cuda.is_available():
        return "there is no CUDA device here."
    if find_spec("lptn_retouch.engine.gpu") is None:
        return "this version has no engine for GPUs."
    from lptn_retouch.engine import gpu

    device = torch.device("cuda")
    if reason := gpu.obstacle(device):
        return reason
    net: Any = load_preset("retouch").network
    engine = gpu.GpuEngine(net.to(device), device)
    width, height = size
    picture = photograph(setting.scene, width, height)
    given = torch.from_numpy(picture).to(device)
    published = published_network(device)

    def exact() -> Tensor:
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            return published(given)

    card = torch.cuda.get_device_name(device)
    setting.tell(f"  {card}")
    for _ in range(_WARM_UP):
        engine.on_device(given, 1, 1)
        engine(picture, 1, 1)
    works: dict[str, Callable[[], object]] = {
        "engine": lambda: engine.on_device(given, 1, 1),
        "published": exact,
        "published in TF32": lambda: published(given),  # as torch does unless it is told otherwise
        "copy": _copy(device),
    }
    inside = interleaved(works, repeats, clock=_by_events)
    outside = interleaved({"engine": lambda: engine(picture, 1, 1)}, repeats)
    several = [np.roll(picture, shift, axis=1) for shift in range(4)]

    def stream() -> None:
        for _ in engine.stream((several[number % 4] for number in range(repeats)), 1, 1):
            pass

    streamed = interleaved({"stream": stream}, setting.repeats)

    engine_s = median(inside["engine"])
    bandwidth = 2 * _COPY / median(inside["copy"])  # bytes/s, read and written
    least = 2 * picture.nbytes / bandwidth  # seconds to read the picture and write the result
    shared: dict[str, Any] = {"megapixels": width * height / 1e6, "facts": {"card": card}}
    return [
        Figure("in device memory", 1e3 * engine_s, "ms", at_most=AT_MOST, seconds=_of(inside, "engine"), **shared),
        ratio(
            "in device memory, against the published network in fp32",
            _of(inside, "engine", "published", "published in TF32"),
            "published",
            "engine",
            "times faster",
            **shared,
        ),
        Figure("host to host", 1e3 * median(outside["engine"]), "ms", seconds=outside, **shared),
        Figure("in a stream", repeats / median(streamed["stream"]), "pictures/s", seconds=streamed, **shared),
        Figure("the card's copy bandwidth", bandwidth / 1e9, "GB/s", seconds=_of(inside, "copy")),
        Figure("time to read and write the picture once", 100 * least / engine_s, "% of the engine's", **shared),
    ]


def _of(seconds: Seconds, *names: str) -> Seconds:
    return {name: seconds[name] for name in names}


def _by_events(work: Callable[[], object]) -> float:
    """Seconds that a call takes on the device, by its own clock, to the nanosecond."""
    torch.cuda.synchronize()
    first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    first.record()
    work()
    last.record()
    last.synchronize()
    return float(round(first.elapsed_time(last) / 1e3, 9))


def _copy(device: torch.device) -> Callable[[], object]:
    source, target = (torch.empty(_COPY, dtype=torch.uint8, device=device) for _ in range(2))
    return lambda: target.copy_(source)
