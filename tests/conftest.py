"""Fixtures that several test files share: where the real files are, and tiny networks that do something."""

import copy
import math
import os
import re
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest
import torch
from torch import nn

from lptn_retouch.model.form import STRETCH
from lptn_retouch.model.glance import Glance
from lptn_retouch.model.graded import GradedLPTN
from lptn_retouch.preset import Preset, load_preset, write_preset
from lptn_retouch.retoucher import Retoucher
from tests.places import SHARED

os.environ["LPTN_RETOUCH_CONFIG"] = ""  # one's own defaults must not decide what is tested here

Net = TypeVar("Net", bound=nn.Module)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real photographs and weights beside the checkout; without it the test is skipped."""
    if not SHARED.is_dir():
        pytest.skip(f"the real files are not here: {SHARED}")
    return SHARED


@pytest.fixture(scope="session")
def photograph(shared: Path) -> Callable[[str], Path]:
    """A real file by its name below `data`; some may not be passed on, so not every collection has them all."""

    def found(name: str) -> Path:
        path = shared / "data" / name
        if not path.is_file():
            pytest.skip(f"the real file is not here: {path}")
        return path

    return found


@pytest.fixture(scope="session")
def exiftool() -> None:
    """The independent judge of metadata, which the product never needs; without it the test is skipped."""
    if shutil.which("exiftool") is None:
        pytest.skip("exiftool is not here")


@pytest.fixture(scope="session")
def meter(shared: Path, exiftool: None) -> Path:  # noqa: ARG001
    """A script that counts, by exiftool, which tags of one file another one has."""
    return shared / "tools" / "metadata_diff.py"


@pytest.fixture(scope="session")
def fill() -> Callable[..., nn.Module]:
    """Give a network seeded random weights, its zero-initialised last layers included, and put it in eval mode."""

    def filled(net: Net, seed: int = 0, strength: float = 0.1) -> Net:
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, parameter in net.named_parameters():
                if name == "high.gain":
                    parameter.fill_(0.3)
                    continue
                if name.startswith(("low.out.", "grade.choose.3.", "gate.choose.3.")):
                    scale = strength
                else:
                    scale = 0.05 if parameter.ndim == 1 else parameter[0].numel() ** -0.5
                parameter.copy_(scale * torch.randn(parameter.shape, generator=generator))
        return net.eval()

    return filled


@pytest.fixture(scope="session")
def tiny(fill: Callable[..., GradedLPTN]) -> GradedLPTN:
    """A small graded network with random weights; pictures get about half of its look. Nobody may write to it."""
    return fill(GradedLPTN(width=8, blocks=1, mask_width=4, gated=True))


@pytest.fixture(scope="session")
def tiny_old(tiny: GradedLPTN) -> GradedLPTN:
    """The same without a gate: pictures get all of its look."""
    return GradedLPTN.from_state_dict({k: v for k, v in tiny.state_dict().items() if not k.startswith("gate.")})


@pytest.fixture(scope="session")
def giving() -> Callable[[GradedLPTN, float], GradedLPTN]:
    """A copy of a network that gives every picture the same share of its look, from 0 to 1."""

    def told(net: GradedLPTN, share: float) -> GradedLPTN:
        net = copy.deepcopy(net)
        sigmoid = 0.5 + (share - 0.5) / STRETCH
        leaning = math.copysign(9, sigmoid - 0.5) if share in (0, 1) else math.log(sigmoid / (1 - sigmoid))
        with torch.no_grad():
            net.gate = Glance(1).eval()
            net.gate.choose[3].bias.fill_(leaning)
        return net

    return told


@pytest.fixture(scope="session")
def without_gate() -> Callable[[str], Retoucher]:
    """A shipped preset that acts on every picture: what it does, not when."""

    def ungated(name: str) -> Retoucher:
        preset = load_preset(name)
        weights = {key: value for key, value in preset.weights.items() if not key.startswith("gate.")}
        return Retoucher(replace(preset, weights=weights), "cpu")

    return ungated


@pytest.fixture(scope="session")
def state_of() -> Callable[[nn.Module], dict[str, object]]:
    """Tell everything that modules hold, by identity where it is an object and by value where it is a tensor."""

    def told(net: nn.Module) -> dict[str, object]:
        state: dict[str, object] = {}
        for name, module in net.named_modules():
            for key, value in vars(module).items():
                held = value.items() if isinstance(value, dict) else [("", value)]
                state |= {f"{name}/{key}/{k}": id(v) for k, v in held}
        return state | {name: tensor.sum().item() for name, tensor in net.state_dict().items()}

    return told


@pytest.fixture(scope="session")
def same_from_threads() -> Callable[[nn.Module, list[torch.Tensor]], None]:
    """Check that a network called from four threads at once answers as it does alone."""

    def check(net: nn.Module, pictures: list[torch.Tensor]) -> None:
        def run(picture: torch.Tensor) -> torch.Tensor:
            with torch.no_grad():
                return net(picture)

        alone = [run(picture) for picture in pictures]
        with ThreadPoolExecutor(4) as pool:
            for a, b in zip(pool.map(run, pictures * 3), alone * 3, strict=True):
                torch.testing.assert_close(a, b, atol=1e-6, rtol=0)

    return check


@pytest.fixture
def presets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_old: GradedLPTN) -> Path:
    """The user's presets folder, with the preset "tiny" in it, which has no gate: it acts on everything."""
    folder = tmp_path / "presets"
    header = {"summary": "Tiny.", "version": "3", "training_data": "none", "licence": "Apache-2.0"}
    write_preset(folder / "tiny.safetensors", tiny_old.state_dict(), header)
    monkeypatch.setenv("LPTN_RETOUCH_PRESETS", str(folder))
    return folder


@pytest.fixture(scope="session")
def tiny_preset(tmp_path_factory: pytest.TempPathFactory, tiny: GradedLPTN) -> Preset:
    path = tmp_path_factory.mktemp("presets") / "tiny.safetensors"
    return load_preset(write_preset(path, tiny.state_dict(), {}))


@pytest.fixture(scope="session")
def retoucher(tiny_preset: Preset) -> Retoucher:
    return Retoucher(tiny_preset, "cpu")


@pytest.fixture(scope="session")
def one_sentence() -> Callable[[object], str]:
    """Check that an error's message is one sentence, on one line, without escape codes and not endless."""

    def check(error: object) -> str:
        message = str(error)
        assert message.isprintable(), repr(message)[:500]
        assert message.endswith((".", "?")), message
        assert not re.search(r"\. [A-Z]", message), message
        assert 10 < len(message) < 500, len(message)
        return message

    return check
