"""What 16 bits and floats cost, against 8 bits of the same picture."""

from __future__ import annotations

from functools import partial

import numpy as np

from lptn_retouch.bench.figure import Figure, ratio
from lptn_retouch.bench.photograph import photograph
from lptn_retouch.bench.setting import Setting, frame
from lptn_retouch.bench.timing import interleaved
from lptn_retouch.retoucher import Retoucher

AT_MOST = 1.6  # of uint16


def measure(setting: Setting, megapixels: float = 24) -> list[Figure]:
    """The ratios of uint16 and float32 to uint8, in memory."""
    retoucher = Retoucher("retouch", "cpu")
    eight = photograph(setting.scene, *frame(megapixels))
    pictures = {
        "uint8": eight,
        "uint16": eight * np.uint16(257),
        "float32": eight * np.float32(1 / 255),
    }
    works = {name: partial(retoucher, picture) for name, picture in pictures.items()}
    seconds = interleaved(works, setting.repeats)
    return [
        ratio(
            name,
            {key: seconds[key] for key in (name, "uint8")},
            name,
            "uint8",
            "times the time of uint8",
            at_most=at_most,
            megapixels=megapixels,
        )
        for name, at_most in (("uint16", AT_MOST), ("float32", None))
    ]
