"""The presets that travel with the package: whole, documented, and well behaved on a photograph."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from lptn_retouch import Retoucher, load_preset, open_photo
from lptn_retouch.evaluation.halo import synthetic_glow
from lptn_retouch.evaluation.looks import content_kept
from lptn_retouch.evaluation.metrics import delta_e
from lptn_retouch.evaluation.photos import size_constancy
from lptn_retouch.training.data.pictures import as_tensor
from lptn_retouch.training.run.config import read_config
from tests.places import ROOT

SHIPPED = ("autumn", "day", "golden-hour", "night", "retouch", "spring", "summer", "winter")
Ungated = Callable[[str], Retoucher]
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


@pytest.mark.slow
@each
def test_amount_is_monotonic_and_nought_is_the_input(name: str, lake: Tensor, without_gate: Ungated):
    picture, retouch = small(lake), without_gate(name)
    far = [delta_e(picture, retouch(picture, amount=k / 4, detail=k / 4 if k == 0 else 1.0)) for k in range(9)]
    assert far[0] == 0
    assert all(b > a for a, b in pairwise(far)), far
    steps = [b - a for a, b in pairwise(far[1:])]
    assert max(steps) < 4 * sum(steps) / len(steps), "no step of the dial jumps"


@each
def test_preview_and_export_agree(name: str, lake: Tensor, without_gate: Ungated):
    assert size_constancy(without_gate(name), lake, 240) > 38


@pytest.mark.parametrize("name", [name for name in SHIPPED if name != "retouch"])
def test_a_look_has_little_to_do_with_screens_and_nothing_with_frames(name: str, without_gate: Ungated):
    screen = np.full((300, 480, 3), 245, np.uint8)
    screen[::14, 20:400] = 20
    screen[40:120, 40:160] = 128
    some, all_of_it = (np.abs(r(screen).astype(int) - screen).mean() for r in (Retoucher(name), without_gate(name)))
    assert some < max(0.25 * all_of_it, 3), "a share at most, or hardly to be seen"
    for frame in (np.zeros_like(screen), np.full_like(screen, 255)):
        assert np.array_equal(Retoucher(name)(frame), frame)


@pytest.mark.parametrize("name", ["day", "winter", "autumn"])
def test_a_lake_by_day_is_no_picture_for_day_and_one_for_the_seasons(name: str, lake: Tensor):
    moved = delta_e(small(lake), Retoucher(name)(small(lake)))
    assert moved < 1 if name == "day" else moved > 1


@each
def test_a_black_and_white_photograph_stays_so(name: str, lake: Tensor, without_gate: Ungated):
    grey = (small(lake).mean(1, keepdim=True).expand(-1, 3, -1, -1)[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)
    for retouch in (Retoucher(name), without_gate(name)):
        result = retouch(grey)
        assert np.ptp(result, axis=2).max() == 0


@pytest.mark.slow
@each
def test_structure_stays_and_edges_do_not_glow(name: str, lake: Tensor, without_gate: Ungated):
    retouch = without_gate(name)
    with torch.no_grad():
        kept = content_kept(small(lake), retouch(small(lake)))
    assert kept > (0.65 if name == "night" else 0.8)
    assert synthetic_glow(retouch).mean < 0.7
