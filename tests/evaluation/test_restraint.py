"""What a look leaves alone: figures of made-up looks whose answer is known, and evaluate with --input alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.color import lab2rgb, rgb2lab
from torch import Tensor

from lptn_retouch.cli import main
from lptn_retouch.evaluation.restraint import patches, score_restraint, tones


def of_lab(*colours: tuple[float, float, float]) -> Tensor:
    """A picture of columns, each a patch wide and two high, of these CIE L*a*b* colours."""
    column = np.repeat(np.asarray(colours, float)[None], 16, 0).repeat(8, 1)
    return torch.from_numpy(lab2rgb(column).transpose(2, 0, 1)[None]).float()


def olive(picture: Tensor) -> Tensor:
    return picture * torch.tensor([0.95, 0.9, 0.6]).view(3, 1, 1)


def identity(picture: Tensor) -> Tensor:
    return picture


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A ramp with black and white in it, and a picture that has a colour only."""
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    ramp = of_lab(*((light, 0, 0) for light in (0, 2, 10, 30, 50, 70, 90, 99, 100)))
    for name, picture in (("ramp", ramp), ("red", of_lab((50, 60, 40), (40, 50, 30)))):
        pixels = (picture[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
        Image.fromarray(pixels).save(pictures / f"{name}.png")
    return pictures


def test_a_look_that_does_nothing_leaves_everything(folder: Path):
    found = score_restraint(identity, sorted(folder.iterdir()))
    assert found["pictures"] == 2 and found["delta_e"] == pytest.approx(0, abs=1e-6)
    assert found["greys"] == {"patches": 18, "stay": 1.0}
    assert found["mid_greys"] == {"patches": 8, "stay": 1.0}
    assert found["whites"] == {"patches": 4, "tinted": 0.0}
    assert found["blacks"] == {"patches": 4, "lifted": 0.0}
    red = next(e for e in found["each"] if e["name"] == "red.png")
    assert red["greys"] == {"patches": 0, "stay": None}, "no patch, no share"


def test_olive_costs_greys_and_whites_but_not_blacks(folder: Path):
    found = score_restraint(olive, sorted(folder.iterdir()))
    assert found["mid_greys"]["stay"] == 0 and found["whites"]["tinted"] == 1 and found["blacks"]["lifted"] == 0
    assert found["greys"]["stay"] == pytest.approx(6 / 18), "what is dark has no colour to show"
    assert found["delta_e"] > 5


def test_a_fog_lifts_blacks_and_nothing_else(folder: Path):
    found = score_restraint(lambda picture: 0.2 + 0.8 * picture, sorted(folder.iterdir()))
    assert found["blacks"]["lifted"] == 1 and found["greys"]["stay"] == 1 and found["whites"]["tinted"] == 0


@pytest.mark.parametrize(
    ("before", "after", "kind", "share"),
    [
        ((50, 3.5, 0), (50, 5.5, 0), "greys", 1),
        ((50, 3.5, 0), (50, 6.5, 0), "greys", 0),
        ((50, 4.5, 0), (50, 4.5, 0), "greys", None),
        ((96, 0, 0), (96, 0, 9), "whites", None),
        ((98, 0, 0), (90, 0, 7), "whites", 1),
        ((98, 0, 0), (50, 0, 5), "whites", 0),
        ((98, 0, 7), (98, 0, 7), "whites", None),
        ((3.5, 0, 0), (11, 0, 0), "blacks", 0),
        ((3.5, 0, 0), (13, 0, 0), "blacks", 1),
        ((4.5, 0, 0), (30, 0, 0), "blacks", None),
        ((15, 0, 0), (15, 9, 9), "mid_greys", None),
    ],
)
def test_the_borders_are_those_of_the_definition(
    before: tuple[float, float, float], after: tuple[float, float, float], kind: str, share: float | None
):
    found = tones(of_lab(before), of_lab(after)).figures()[kind]
    assert list(found.values())[1] == share


def test_a_patch_is_the_mean_of_its_pixels_lab():
    noise = torch.rand(1, 3, 21, 30)
    mine = patches(noise)
    theirs = rgb2lab(noise[0].permute(1, 2, 0).double().numpy())[:16, :24].reshape(2, 8, 3, 8, 3).mean((1, 3))
    assert np.abs(mine.T.numpy() - theirs.reshape(6, 3)).max() < 0.02
    assert patches(noise[..., :7, :]).shape == (3, 0), "too small for a patch"


@pytest.mark.slow
def test_evaluate_tells_it_of_input_alone_and_of_the_style(
    folder: Path,
    presets: Path,  # noqa: ARG001  (holds "tiny")
    capsys: pytest.CaptureFixture[str],
):
    assert main(["evaluate", "tiny", "--input", str(folder), "--json"]) == 0
    alone = json.loads(capsys.readouterr().out)
    assert alone["restraint"]["greys"]["patches"] == 18 and "own_style" not in alone
    assert main(["evaluate", "tiny", "--input", str(folder), "--style", str(folder), "--json"]) == 0
    both = json.loads(capsys.readouterr().out)
    assert both["own_style"] == both["restraint"] == alone["restraint"]
    assert main(["evaluate", "tiny", "--input", str(folder)]) == 0
    assert "of 18 (middle tones" in capsys.readouterr().out
