"""The presets that travel with the package: whole, documented, and well behaved on a photograph."""

from __future__ import annotations

import hashlib
from itertools import pairwise
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from lptn_retouch import Retoucher, load_preset, open_photo
from lptn_retouch.training.config import read_config
from lptn_retouch.training.evaluation import size_constancy, synthetic_glow
from lptn_retouch.training.looks import content_kept
from lptn_retouch.training.metrics import delta_e
from lptn_retouch.training.pictures import as_tensor

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = ("autumn", "day", "golden-hour", "night", "retouch", "spring", "summer", "winter")
each = pytest.mark.parametrize("name", SHIPPED)


@pytest.fixture(scope="module")
def lake() -> Tensor:
    picture = as_tensor(open_photo(ROOT / "samples" / "lake-sherburne.jpg").pixels)
    return F.interpolate(picture, size=(640, 960), mode="bilinear", antialias=True)


def small(picture: Tensor) -> Tensor:
    return F.interpolate(picture, scale_factor=0.25, mode="bilinear", antialias=True)


def test_they_are_all_there():
    assert {file.stem for file in (ROOT / "presets").glob("*.safetensors")} == set(SHIPPED)


@each
def test_file_card_picture_and_recipe(name: str):
    file = ROOT / "presets" / f"{name}.safetensors"
    preset = load_preset(str(file))
    assert file.stat().st_size < 3_000_000
    assert all(preset.header.values())
    assert hashlib.sha256(file.read_bytes()).hexdigest() in preset.card
    assert "Not for" in preset.card and "## Training" in preset.card and "## Figures" in preset.card
    assert f"({name}.jpg)" in preset.card
    assert max(open_photo(file.with_suffix(".jpg")).pixels.shape) >= 720
    assert read_config(file.with_suffix(".toml")).preset.name == name


@each
def test_amount_is_monotonic_and_nought_is_the_input(name: str, lake: Tensor):
    picture, retouch = small(lake), Retoucher(name)
    far = [delta_e(picture, retouch(picture, amount=k / 4, detail=k / 4 if k == 0 else 1.0)) for k in range(9)]
    assert far[0] == 0
    assert all(b > a for a, b in pairwise(far)), far
    steps = [b - a for a, b in pairwise(far[1:])]
    assert max(steps) < 4 * sum(steps) / len(steps), "no step of the dial jumps"


@each
def test_preview_and_export_agree(name: str, lake: Tensor):
    assert size_constancy(Retoucher(name), lake, 240) > 38


@each
def test_structure_stays_and_edges_do_not_glow(name: str, lake: Tensor):
    retouch = Retoucher(name)
    with torch.no_grad():
        kept = content_kept(small(lake), retouch(small(lake)))
    assert kept > (0.65 if name == "night" else 0.8)
    assert synthetic_glow(retouch).mean < 0.7
