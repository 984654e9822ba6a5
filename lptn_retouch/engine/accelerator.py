"""Whether torch could find an accelerator here, told without torch: importing it takes longer than a photograph.

Where that is not certain the answer is yes, and torch is asked.
"""

from __future__ import annotations

import sys
from importlib.machinery import SourceFileLoader
from importlib.util import find_spec, module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

_DEV = Path("/dev")
# What a driver puts there, by the word of torch/version.py for the build that uses it. /dev/dxg is Windows' GPU in WSL.
_NODES = {
    "cuda": ("nvidia*", "dxg", "nvhost*", "nvgpu*", "nvmap"),  # the last three of boards with a GPU in the processor
    "hip": ("kfd", "dxg"),
    "xpu": ("dri", "dxg"),
}


def accelerator_possible() -> bool:
    """Whether there may be an accelerator that torch can use. If not, there is none.

    Example:
        >>> accelerator_possible() in (True, False)
        True
    """
    if sys.modules.get("torch") is not None:  # which knows, and is asked at no cost
        return True
    spec = find_spec("torch")
    if spec is None:
        return False
    if sys.platform == "darwin" or not spec.submodule_search_locations:
        return True
    try:
        folder = Path(spec.submodule_search_locations[0])
        version = _run(folder / "version.py")
        built_for = [kind for kind in _NODES if getattr(version, kind, None) is not None]
        if _has_backends(folder.parent) or (built_for and sys.platform != "linux"):
            return True
        return any(any(_DEV.glob(node)) for kind in built_for for node in _NODES[kind])
    except Exception:  # another torch than any we know
        return True


def _run(file: Path) -> ModuleType:
    """A small module of torch's, without torch itself."""
    loader = SourceFileLoader("_version_of_torch", str(file))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


def _has_backends(packages: Path) -> bool:
    """Whether a package brings torch another kind of device: it names itself as an entry point."""
    return any("[torch.backends]" in file.read_text("utf-8") for file in packages.glob("*.dist-info/entry_points.txt"))
