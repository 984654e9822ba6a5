"""Retouch photographs with Laplacian Pyramid Translation Networks.

    from lptn_retouch import retouch
    retouch("holiday.jpg").save("holiday-retouched.jpg")

The names below are the whole public surface. torch is imported when a network is first needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lptn_retouch import errors
from lptn_retouch.formats import Photo, open_photo
from lptn_retouch.preset import Preset, list_presets, load_preset

if TYPE_CHECKING:
    from lptn_retouch.retoucher import Retoucher, retouch

__version__ = "0.1.0"
__all__ = [
    "Photo",
    "Preset",
    "Retoucher",
    "__version__",
    "errors",
    "list_presets",
    "load_preset",
    "open_photo",
    "retouch",
]


def __getattr__(name: str) -> Any:
    if name in ("Retoucher", "retouch"):
        from lptn_retouch import retoucher

        return getattr(retoucher, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
