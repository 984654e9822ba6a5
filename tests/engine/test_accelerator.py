"""Whether there may be an accelerator is told from torch's folder and the system's devices, torch unseen."""

import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from lptn_retouch.engine import accelerator
from lptn_retouch.engine.accelerator import accelerator_possible


class Machine:
    """One with a torch of some kind, and some devices."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.dev, self.packages = folder / "dev", folder / "packages"
        self.torch = self.packages / "torch"
        self.dev.mkdir()
        self.torch.mkdir(parents=True)
        self.spec: ModuleSpec | None = ModuleSpec("torch", None, is_package=True)
        assert self.spec is not None and self.spec.submodule_search_locations is not None
        self.spec.submodule_search_locations.append(str(self.torch))
        monkeypatch.setattr(accelerator, "_DEV", self.dev)
        monkeypatch.setattr(accelerator, "find_spec", lambda _: self.spec)
        monkeypatch.setattr(sys, "platform", "linux")
        monkeypatch.delitem(sys.modules, "torch")
        self.is_built("")

    def is_built(self, kind: str) -> None:
        words = {"cuda": None, "hip": None, "xpu": None} | ({kind: "12.6"} if kind else {})
        lines = ["from typing import Optional", *(f"{name}: Optional[str] = {word!r}" for name, word in words.items())]
        (self.torch / "version.py").write_text("\n".join(lines))


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    "kind, node",
    [
        ("cuda", "nvidiactl"),
        ("cuda", "nvidia0"),
        ("cuda", "nvidia3"),
        ("cuda", "dxg"),
        ("cuda", "nvhost-gpu"),
        ("hip", "kfd"),
        ("xpu", "dri"),
    ],
)
def test_a_build_for_a_gpu_needs_the_gpus_device(machine: Machine, kind: str, node: str) -> None:
    assert not accelerator_possible()
    (machine.dev / node).touch()
    assert not accelerator_possible(), "a build for the CPU has no use for it"
    machine.is_built(kind)
    assert accelerator_possible()
    (machine.dev / node).unlink()
    (machine.dev / "null").touch()
    assert not accelerator_possible()


def test_without_torch_there_is_none(machine: Machine) -> None:
    (machine.dev / "nvidia0").touch()
    machine.spec = None
    assert not accelerator_possible()


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_elsewhere_torch_is_asked(machine: Machine, monkeypatch: pytest.MonkeyPatch, platform: str) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    machine.is_built("cuda")
    assert accelerator_possible()
    machine.is_built("")
    assert accelerator_possible() == (platform == "darwin"), "MPS is in every build for a Mac"


def test_torch_is_asked_where_it_is_there_already(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.spec is not None
    monkeypatch.setitem(sys.modules, "torch", sys)
    assert accelerator_possible()


@pytest.mark.parametrize("content", [None, "raise RuntimeError", "("])
def test_torch_is_asked_where_its_version_cannot_be_told(machine: Machine, content: str | None) -> None:
    (machine.torch / "version.py").unlink()
    if content is not None:
        (machine.torch / "version.py").write_text(content)
    assert accelerator_possible()


def test_torch_is_asked_where_a_package_brings_it_another_device(machine: Machine) -> None:
    for name, group in (("other", "console_scripts"), ("torch_npu", "torch.backends")):
        assert not accelerator_possible()
        folder = machine.packages / f"{name}-1.0.dist-info"
        folder.mkdir()
        (folder / "entry_points.txt").write_text(f"[{group}]\na = b:c\n")
    assert accelerator_possible()


@pytest.mark.slow
def test_the_torch_that_is_here_agrees() -> None:
    script = """
import sys
from lptn_retouch.engine.accelerator import accelerator_possible
possible = accelerator_possible()
assert "torch" not in sys.modules
import torch
assert possible or not torch.accelerator.is_available()
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)
