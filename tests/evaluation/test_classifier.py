"""The classifier learns two sets, keeps what it learnt in a file, and refuses what is none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from lptn_retouch.errors import InvalidPresetError, TrainingError
from lptn_retouch.evaluation.classifier import Classifier, accuracy, train_classifier
from lptn_retouch.training.data.pictures import list_pictures

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    """Reddish and bluish noise of several sizes."""
    rng = np.random.default_rng(0)
    found = {}
    for name, tint in (("red", (1.0, 0.4, 0.3)), ("blue", (0.3, 0.5, 1.0))):
        folder = tmp_path_factory.mktemp(name)
        for k in range(8):
            pixels = rng.uniform(60, 250, (40 + 8 * k, 64, 3)) * tint
            Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{k}.png")
        found[name] = list_pictures(folder)
    return found


@pytest.fixture(scope="module")
def classifier(sets: dict[str, list[Path]]) -> Classifier:
    return train_classifier({name: files[:5] for name, files in sets.items()}, steps=50, batch=8)


def test_it_tells_held_back_pictures_apart(classifier: Classifier, sets: dict[str, list[Path]]):
    assert accuracy(classifier, {name: files[5:] for name, files in sets.items()}) == {"red": 1.0, "blue": 1.0}
    said = classifier.says(torch.rand(1, 3, 30, 50))
    assert sum(said.values()) == pytest.approx(1)


def test_a_mirrored_picture_is_told_alike(classifier: Classifier):
    picture = torch.rand(1, 3, 60, 80)
    features, mirrored = classifier.features(picture), classifier.features(picture.flip(-1))
    torch.testing.assert_close(features, mirrored, atol=1e-4, rtol=1e-4)


def test_the_same_seed_gives_the_same_classifier_and_spares_the_callers_random_state(sets: dict[str, list[Path]]):
    few = {name: files[:2] for name, files in sets.items()}
    torch.manual_seed(3)
    state = torch.random.get_rng_state()
    first, again, other = (train_classifier(few, seed=seed, steps=2, batch=4).net.out.weight for seed in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_it_is_saved_and_loaded(classifier: Classifier, tmp_path: Path):
    picture = torch.rand(1, 3, 50, 50)
    loaded = Classifier.load(classifier.save(tmp_path / "judge.safetensors"))
    assert loaded.names == ("red", "blue")
    assert loaded.says(picture) == classifier.says(picture)


@pytest.mark.parametrize("header", [{}, {"judge": "3"}, {"judge": "{"}, {"judge": '["a", "b"]'}])
def test_another_file_is_no_classifier(header: dict[str, str], tmp_path: Path, one_sentence: Callable[[object], str]):
    file = tmp_path / "other.safetensors"
    save_file({"weight": torch.zeros(2)}, file, header)
    with pytest.raises(InvalidPresetError) as error:
        Classifier.load(file)
    assert "other.safetensors" in one_sentence(error.value)


@pytest.mark.parametrize("count", [0, 1])
def test_one_set_or_an_empty_one_is_refused(count: int, sets: dict[str, list[Path]]):
    with pytest.raises(TrainingError):
        train_classifier({"red": sets["red"], "none": []} if count else {"red": sets["red"]})
