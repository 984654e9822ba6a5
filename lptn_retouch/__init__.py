"""Retouch photographs with Laplacian Pyramid Translation Networks.

    from lptn_retouch import retouch
    retouch("holiday.jpg").save("holiday-retouched.jpg")

The names in ``__all__`` are the whole public surface. Each is imported when it is first used, and torch only where
it does the work.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lptn_retouch.version import __version__

if TYPE_CHECKING:
    from lptn_retouch import batch as batch
    from lptn_retouch import errors
    from lptn_retouch import metadata as metadata
    from lptn_retouch import photo as photo
    from lptn_retouch import preset as preset
    from lptn_retouch import sharing as sharing
    from lptn_retouch.batch import retouch_folder
    from lptn_retouch.opening import open_photo
    from lptn_retouch.photo import Photo
    from lptn_retouch.preset import Preset, list_presets, load_preset
    from lptn_retouch.retoucher import Retoucher, retouch

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
    "retouch_folder",
]

_HOMES = {
    "Photo": "photo",
    "open_photo": "opening",
    "Preset": "preset",
    "list_presets": "preset",
    "load_preset": "preset",
    "Retoucher": "retoucher",
    "retouch": "retoucher",
    "retouch_folder": "batch",
}


# Modules that the documentation speaks of, which need no import of their own.
_MODULES = frozenset({"batch", "errors", "metadata", "photo", "preset", "sharing"})


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"lptn_retouch.{_HOMES[name]}"), name)
    if name in _MODULES:
        return import_module(f"lptn_retouch.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
