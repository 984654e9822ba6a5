"""When a look acts: what it is to leave alone, and the glance that learns to tell."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from lptn_retouch import Retoucher
from lptn_retouch.cli import main
from lptn_retouch.errors import TrainingError
from lptn_retouch.model.glance import share_of
from lptn_retouch.preset import load_preset
from lptn_retouch.training.data.pictures import SHAPES, Album
from lptn_retouch.training.data.still import Still, drawn, read_table
from lptn_retouch.training.run.config import read_config
from lptn_retouch.training.run.gate import fit_gate
from lptn_retouch.training.run.trainer import train

Sentence = Callable[[object], str]
PIXELS = 3_000


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LPTN_RETOUCH_CACHE", str(tmp_path / "cache"))


def ground(tint: tuple[float, float, float], seed: int) -> Tensor:
    """Soft ground of one tint, (3, 45, 67)."""
    random = torch.Generator().manual_seed(seed)
    small = 0.3 + 0.5 * torch.rand(1, 1, 4, 6, generator=random)
    light = torch.nn.functional.interpolate(small, size=(45, 67), mode="bilinear", align_corners=False)[0]
    return light * torch.tensor(tint).view(3, 1, 1)


def folder_of(path: Path, tint: tuple[float, float, float], count: int = 16) -> Path:
    path.mkdir()
    for i in range(count):
        pixels = (ground(tint, i).clamp(0, 1) * 255).byte().permute(1, 2, 0).numpy()
        Image.fromarray(pixels).save(path / f"{path.name}-{i}.png")
    return path


GREEN, BLUE, RED = (0.5, 1.0, 0.4), (0.4, 0.6, 1.0), (1.0, 0.45, 0.4)


def album(folder: Path) -> Album:
    return Album.load([(file,) for file in sorted(folder.iterdir())], PIXELS)


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    return {name: folder_of(tmp_path / name, tint) for name, tint in (("green", GREEN), ("blue", BLUE), ("red", RED))}


@pytest.mark.slow
def test_it_learns_what_the_look_is_for(folders: dict[str, Path]) -> None:
    said: list[str] = []
    still = Still(album(folders["blue"]), [album(folders["red"]), *drawn(PIXELS, 9)])
    before = torch.get_rng_state()
    gate = fit_gate(album(folders["green"]), still, steps=150, batch=24, say=said.append)
    assert torch.equal(torch.get_rng_state(), before)
    with torch.no_grad():
        shares = {
            name: float(share_of(gate(torch.nn.functional.adaptive_avg_pool2d(ground(tint, 99)[None], 96))))
            for name, tint in (("green", GREEN), ("blue", BLUE), ("red", RED))
        }
    assert shares["green"] > 0.8, shares
    assert max(shares["blue"], shares["red"]) < 0.2, shares
    assert "% of the look" in said[-1]
    again = fit_gate(album(folders["green"]), still, steps=150, batch=24, say=said.append)
    assert all(torch.equal(a, b) for a, b in zip(gate.parameters(), again.parameters(), strict=True))


CONFIG = """
[data]
source = "green"
still = "blue"
table = "kinds.tsv"
table_root = "red"
kinds = "red"
wanted = "greenish"
pixels = 3000
[look]
recipe = "graded"
[grade]
exposure = -0.2
[model]
width = 8
blocks = 1
mask_width = 4
[optim]
steps = {steps}
gate_steps = {gate_steps}
batch = 4
save_every = 2
[preset]
name = "darker"
"""


@pytest.mark.slow
@pytest.mark.usefixtures("folders")
def test_a_run_with_a_gate_ends_with_a_preset_that_leaves_alone_what_it_should(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LPTN_RETOUCH_PRESETS", str(tmp_path / "presets"))
    table = [f"red\tred-{i}.png" for i in range(16)] + ["greenish\t../green/green-0.png", "unused\tnowhere.png"]
    (tmp_path / "kinds.tsv").write_text("# kinds\n" + "\n".join(table) + "\n")
    config = tmp_path / "look.toml"
    config.write_text(CONFIG.format(steps=80, gate_steps=100))
    assert main(["train", str(config), "--run", str(tmp_path / "run")]) == 0
    preset = load_preset(tmp_path / "run" / "darker.safetensors")
    assert "gate.choose.3.bias" in preset.weights
    retouch = Retoucher(preset, "cpu")
    moved = {}
    for name, tint in (("green", GREEN), ("red", RED), ("blue", BLUE)):
        picture = (ground(tint, 99).clamp(0, 1) * 255).byte().permute(1, 2, 0).numpy()
        moved[name] = float(np.abs(retouch(picture).astype(int) - picture).mean())
    assert moved["green"] > 5, moved
    assert max(moved["red"], moved["blue"]) < 0.25 * moved["green"], moved
    listed = (tmp_path / "run" / "manifest.json").read_text()
    assert "left alone" in listed
    assert "red-3.png" in listed
    assert "nowhere.png" not in listed


@pytest.mark.slow
@pytest.mark.usefixtures("folders")
def test_a_resumed_run_keeps_its_gate(tmp_path: Path) -> None:
    (tmp_path / "kinds.tsv").write_text("red\tred-0.png\ngreenish\tred-1.png\n")
    config = tmp_path / "look.toml"
    config.write_text(CONFIG.format(steps=4, gate_steps=4))
    script = "import sys; from lptn_retouch.cli import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", script, "train", config, "--run", tmp_path / "run"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    gate = (tmp_path / "run" / "gate.pt").read_bytes()
    whole = torch.load(tmp_path / "run" / "weights.pt", weights_only=True)
    assert torch.equal(whole["gate.eye.0.weight"], torch.load(tmp_path / "run" / "gate.pt")["eye.0.weight"])
    train(read_config(config), tmp_path / "run", say=lambda _: None)
    assert (tmp_path / "run" / "gate.pt").read_bytes() == gate


@pytest.mark.parametrize(
    ("text", "says"),
    [(None, "cannot be read"), ("portrait faces/1.jpg\n", "not a kind, a tab"), ("scene\ta.jpg\n", "no picture of")],
)
def test_a_table_that_is_none_is_refused(tmp_path: Path, text: str | None, says: str, one_sentence: Sentence) -> None:
    if text is not None:
        (tmp_path / "kinds.tsv").write_text(text)
    with pytest.raises(TrainingError, match=says) as caught:
        read_table(tmp_path / "kinds.tsv", tmp_path, ["portrait"])
    one_sentence(caught.value)


@pytest.mark.slow
@pytest.mark.usefixtures("folders")
def test_kinds_without_a_table_are_refused_and_wanted_alone_make_no_gate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "look.toml"
    whole = CONFIG.format(steps=4, gate_steps=4).replace('still = "blue"\n', "")
    config.write_text(whole.replace('table = "kinds.tsv"\n', ""))
    assert main(["train", str(config), "--run", str(tmp_path / "refused")]) == 1
    assert "name it as [data] table" in capsys.readouterr().err
    (tmp_path / "kinds.tsv").write_text("greenish\tred-1.png\n")
    config.write_text(whole.replace('kinds = "red"\n', ""))
    train(read_config(config), tmp_path / "run", say=lambda _: None)
    assert not (tmp_path / "run" / "gate.pt").exists()


def test_screens_charts_frames_stars_and_fireworks_are_drawn_in_every_shape() -> None:
    kinds, again = drawn(PIXELS, 27), drawn(PIXELS, 27)
    for pictures, same in zip(kinds, again, strict=True):
        assert set(pictures.buckets) == set(SHAPES)
        assert len(pictures) == 27
        assert all(torch.equal(pictures.buckets[shape], same.buckets[shape]) for shape in SHAPES)
    for pictures in kinds[:3]:
        tones = torch.cat([entry.flatten() for entry in pictures.entries()])
        assert float(tones.min()) == 0
        assert float(tones.max()) == 1
    dark = torch.cat([entry.amax(1).flatten() for entry in kinds[3].entries()])
    assert float((dark < 0.2).float().mean()) > 0.9
    assert float(dark.max()) > 0.7, "there are stars"
    lit = torch.cat([entry.amax(1).flatten() for entry in kinds[4].entries()])
    assert 0.02 < float((lit > 0.4).float().mean()) < 0.4, "fireworks are bright, on black"
