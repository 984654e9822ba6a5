"""Measures without a right answer: each sees what it is there to see, and nothing else; and evaluate --style."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from lptn_retouch.cli import main
from lptn_retouch.evaluation.looks import content_kept, frechet, neutral_shift, noise_growth, rising, sliced_wasserstein
from lptn_retouch.evaluation.unpaired import score_unpaired, strength
from lptn_retouch.opening import open_photo
from lptn_retouch.training.data.pictures import as_tensor, list_pictures
from tests.places import SAMPLES


@pytest.fixture(scope="module")
def lake() -> Tensor:
    """A photograph, 480 px wide."""
    picture = as_tensor(open_photo(SAMPLES / "lake-sherburne.jpg").pixels)
    return torch.nn.functional.interpolate(picture, size=(270, 480), mode="bilinear", antialias=True)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Crops of the lake, two sets each: as they are, and turned warm and dark."""
    whole = open_photo(SAMPLES / "lake-sherburne.jpg").pixels
    found = {}
    for k, name in enumerate(("before", "style", "before-train", "style-train")):
        folder = found[name] = tmp_path_factory.mktemp(name)
        for j in range(4):
            top, left = 40 * j + 15 * k, 150 * j + 60 * k
            crop = Image.fromarray(np.ascontiguousarray(whole[top : top + 500, left : left + 700])).resize((98, 70))
            pixels = np.asarray(crop, float) * ((0.7, 0.45, 0.3) if "style" in name else 1)
            Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{j}.png")
    return found


def warm(picture: Tensor, *, amount: float = 1.0) -> Tensor:
    gain = 1 - amount * (1 - torch.tensor([0.7, 0.45, 0.3]).view(1, 3, 1, 1))
    return (picture * gain).clamp(0, 1)


def same(picture: Tensor, *, amount: float = 1.0) -> Tensor:  # noqa: ARG001
    return picture


def test_distances_are_zero_for_equal_sets_and_grow_with_a_shift():
    cloud = torch.rand(300, 3)
    assert sliced_wasserstein(cloud, cloud[torch.randperm(300)]) == pytest.approx(0, abs=1e-6)
    near, far = (sliced_wasserstein(cloud, cloud + shift) for shift in (0.1, 0.2))
    assert far == pytest.approx(2 * near, rel=1e-3)
    # along a random axis a shift of length s shows as s / sqrt(3), at the root of the mean square
    assert near == pytest.approx(0.1, rel=0.25)


def test_clouds_of_unlike_counts_are_compared_by_their_quantiles():
    points = torch.linspace(0, 1, 101)[:, None].expand(-1, 3)
    assert sliced_wasserstein(points, points[::2]) < 0.01


def test_frechet_is_that_of_the_textbook():
    """Against the matrix square root, by its eigenvalues, with more samples than dimensions and with fewer."""
    for count in (40, 3):
        a, b = torch.randn(count, 5).double(), 2 * torch.randn(count, 5).double() + 1
        product = torch.cov(a.T) @ torch.cov(b.T)
        root = torch.linalg.eigvals(product).real.clamp_min(0).sqrt().sum()
        expected = (a.mean(0) - b.mean(0)).square().sum() + torch.cov(a.T).trace() + torch.cov(b.T).trace() - 2 * root
        assert frechet(a, b) == pytest.approx(float(expected), abs=1e-5)


def test_content_outlives_a_curve_and_a_tint_but_not_noise_or_blur(lake: Tensor):
    assert content_kept(lake, lake) == pytest.approx(1, abs=1e-5)
    assert content_kept(lake, lake.pow(0.7)) > 0.96
    assert content_kept(lake, warm(lake)) > 0.93
    assert content_kept(lake, (lake + 0.15 * torch.randn(lake.shape)).clamp(0, 1)) < 0.7
    assert content_kept(lake, torch.nn.functional.avg_pool2d(lake, 9, 1, 4)) < 0.8
    assert content_kept(lake, lake.flip(-1)) < 0.3


def test_noise_on_flat_ground_is_no_content():
    faint = (0.5 + 0.002 * torch.randn(2, 3, 80, 80)).clamp(0, 1)
    loud = (0.5 + 0.05 * torch.randn(2, 3, 80, 80)).clamp(0, 1)
    assert content_kept(faint[:1], faint[1:]) > content_kept(loud[:1], loud[1:]) + 0.3


def test_a_cast_on_greys_is_caught_and_a_colour_is_none():
    ramp = torch.linspace(0.2, 0.9, 96).expand(1, 3, 48, 96).contiguous()
    ramp[..., 24:, :] = torch.tensor([0.8, 0.2, 0.2]).view(1, 3, 1, 1)
    kept, cast = neutral_shift(ramp, ramp.pow(0.8)), neutral_shift(ramp, warm(ramp, amount=0.4))
    assert len(kept) == 12 * 24
    assert float(kept[:, 2:].norm(dim=1).max()) < 0.5
    assert float((cast[:, 3] - cast[:, 1]).min()) > 2.5  # towards yellow


def test_noise_is_seen_where_the_picture_is_flat():
    sky = torch.tensor([0.5, 0.6, 0.8]).view(1, 3, 1, 1) * torch.linspace(0.9, 1, 120).view(1, 1, -1, 1)
    sky = sky.expand(1, 3, 120, 160).contiguous()
    assert not noise_growth(sky, sky * 0.6).any()
    assert noise_growth(sky, sky + 0.03 * torch.randn(sky.shape)).float().mean() > 0.9


def test_strength_rises():
    pictures = [torch.rand(1, 3, 20, 30)]
    found = strength(warm, pictures)
    assert found["rising"] == 1 and found["delta_e"]["0"] == 0
    assert found["delta_e"]["2"] > found["delta_e"]["1"] > found["delta_e"]["0.5"] > 1

    def turns_back(picture: Tensor, *, amount: float = 1.0) -> Tensor:
        return warm(picture, amount=min(amount, 2 - amount))

    assert strength(turns_back, pictures)["rising"] == 0
    assert rising([0, 1, 0.995]) and not rising([0, 1, 0.9])


@pytest.mark.slow
def test_the_right_look_comes_nearer_to_the_style_than_none(folders: dict[str, Path]):
    before, style = list_pictures(folders["before"]), list_pictures(folders["style"])
    found, idle = (score_unpaired(apply, before, style) for apply in (warm, same))
    assert found["colour"]["distance"] < 0.5 * found["colour"]["untouched"]
    assert idle["colour"]["distance"] == pytest.approx(idle["colour"]["untouched"])
    assert idle["content"]["least"] == pytest.approx(1, abs=1e-5)
    assert "called" not in found and "features" not in found
    assert score_unpaired(same, style, style)["colour"] == {"distance": 0.0, "untouched": 0.0}


@pytest.mark.slow
def test_evaluate_trains_a_classifier_measures_and_draws(
    folders: dict[str, Path],
    presets: Path,  # noqa: ARG001  (holds "tiny")
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    from lptn_retouch.evaluation import classifier

    real = classifier.train_classifier
    monkeypatch.setattr(classifier, "train_classifier", lambda sets: real(sets, steps=50, batch=8))
    words = ["evaluate", "tiny", "--input", str(folders["before"]), "--style", str(folders["style"])]
    words += ["--judge", str(tmp_path / "judge.safetensors")]
    training = ["--train-judge", str(folders["before-train"]), str(folders["style-train"])]
    assert main([*words, *training, "--sheet", str(tmp_path / "sheet.png"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["unpaired"]
    assert found["pictures"] == len(found["each"]) == 4
    assert found["called"]["judge_accuracy"] == {"input": 1.0, "style": 1.0}
    assert found["called"]["untouched"] == 0
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width >= 2 * 98 and sheet.height >= 2 * 70
    assert main(words) == 0  # the saved classifier, and a table
    assert "style by the classifier: " in capsys.readouterr().out


@pytest.mark.parametrize(
    "words, status",
    [
        (["--style", "STYLE"], 2),
        (["--photos", "BEFORE", "--sheet", "OUT/s.jpg"], 2),
        (["--input", "BEFORE", "--target", "BEFORE", "--judge", "OUT/j.safetensors"], 2),
        (["--input", "BEFORE", "--style", "STYLE", "--train-judge", "BEFORE", "STYLE"], 2),
        (["--input", "BEFORE", "--style", "STYLE", "--sheet", "BEFORE/0.png"], 2),
        (["--input", "BEFORE", "--style", "STYLE", "--sheet", "OUT/sheet.gif"], 1),
        (["--input", "BEFORE", "--style", "OUT/nothing"], 1),
        (["--input", "BEFORE", "--style", "STYLE", "--judge", "OUT/no.safetensors"], 1),
        (["--input", "BROKEN", "--style", "STYLE"], 1),
    ],
)
def test_wrong_usage_is_told_in_one_line(
    words: list[str],
    status: int,
    folders: dict[str, Path],
    presets: Path,  # noqa: ARG001
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "a.jpg").write_bytes(b"no picture")
    (broken / "b.jpg").write_bytes((SAMPLES / "lake-sherburne.jpg").read_bytes()[:500])
    names = {"BEFORE": folders["before"], "STYLE": folders["style"], "OUT": tmp_path, "BROKEN": broken}
    held = {p: p.read_bytes() for p in folders["before"].iterdir()}
    real = [str(names[w.split("/")[0]].joinpath(*w.split("/")[1:])) if w.split("/")[0] in names else w for w in words]
    assert main(["evaluate", "tiny", *real]) == status
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "Traceback" not in err
    assert {p: p.read_bytes() for p in folders["before"].iterdir()} == held
