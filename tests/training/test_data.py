"""What a run reads: folders of any kind, a cache that nothing depends on, a manifest, and refusals in one sentence."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lptn_retouch.cli import main
from lptn_retouch.errors import LptnRetouchError, TrainingError, UnwritablePhotoError
from lptn_retouch.training.data import cache, pictures
from lptn_retouch.training.data.config import DataConfig
from lptn_retouch.training.data.pictures import Album, list_pictures
from lptn_retouch.training.run import lessons
from lptn_retouch.training.run.config import OptimConfig, TrainConfig, config_from_dict
from lptn_retouch.training.run.lessons import prepare
from lptn_retouch.training.run.trainer import train
from lptn_retouch.training.teachers.grade import Band, Grade, GradeTeacher
from lptn_retouch.training.teachers.transport import Care, Teacher
from tests.places import SAMPLES


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LPTN_RETOUCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LPTN_RETOUCH_PRESETS", str(tmp_path / "presets"))


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Twelve pairs of noise; after is half as bright. Formats differ, and a sidecar lies among them."""
    random = np.random.default_rng(1)
    for i in range(12):
        picture = random.integers(0, 256, (30 if i % 2 else 45, 45 if i % 2 else 30, 3), np.uint8)
        for kind, pixels in (("before", picture), ("after", picture // 2)):
            (tmp_path / kind).mkdir(exist_ok=True)
            Image.fromarray(pixels).save(tmp_path / kind / f"{i:02d}.{'png' if kind == 'before' else 'tif'}")
    (tmp_path / "before" / "00.xmp").write_text("<x/>")
    (tmp_path / "before" / ".hidden").touch()
    return tmp_path


def config_of(pairs: Path, steps: int = 2) -> TrainConfig:
    optim = OptimConfig(steps=steps, batch=2, save_every=1, evaluate_every=2, sheet_every=0)
    model = config_from_dict({"model": {"width": 4, "blocks": 1, "mask_width": 2}}, "here").model
    data = DataConfig(before=str(pairs / "before"), after=str(pairs / "after"), pixels=1000)
    return TrainConfig(data, model=model, optim=optim)


def test_every_tenth_pair_is_held_out(pairs: Path):
    course = prepare(config_of(pairs), pairs, lambda _: None)
    assert (len(course.lessons), len(course.validation_set)) == (10, 2)
    assert [p.name for p in course.files["held out before"]] == ["00.png", "10.png"]
    for before, after in course.validation_set:
        assert torch.allclose(after, before / 2, atol=0.02)


def test_pairs_of_held_out_scenes_are_left_out(pairs: Path):
    held = pairs / "held"
    for kind, name, ending in (("input", "before", "png"), ("target", "after", "tif")):
        (held / kind).mkdir(parents=True)
        shutil.copy(pairs / name / f"03.{ending}", held / kind)
    (pairs / "out.txt").write_text("# the same scene as a held-out one\n03.png\n04.png\n")
    config = config_of(pairs)
    data = replace(config.data, validate=str(held), leave_out=str(pairs / "out.txt"))
    course = prepare(replace(config, data=data), pairs, lambda _: None)
    learnt = {p.name for p in course.files["before"]}
    assert (len(course.lessons), len(course.validation_set)) == (10, 1)
    assert not learnt & {"03.png", "04.png"}
    (pairs / "out.txt").write_text("3.png\n")
    with pytest.raises(TrainingError, match=r"names 3\.png, which is none of the pairs; mend the line"):
        prepare(replace(config, data=data), pairs, lambda _: None)


def test_a_picture_is_decoded_once(pairs: Path, monkeypatch: pytest.MonkeyPatch):
    entries = [(file,) for file in list_pictures(pairs / "before")]
    first = Album.load(entries, 1000)
    held = sorted((pairs / "cache").iterdir())
    assert len(held) == 12
    with monkeypatch.context() as patch:
        patch.setattr(pictures, "open_photo", lambda path: pytest.fail(f"{path} was opened again"))
        second = Album.load(entries, 1000)
    assert all(torch.equal(first.buckets[shape], second.buckets[shape]) for shape in first.buckets)
    assert Album.load(entries, 500).buckets["portrait"].shape != first.buckets["portrait"].shape


@pytest.mark.parametrize("damage", [b"", b"PK", "cut", "flipped", "pickle"])
def test_a_damaged_cache_entry_is_ignored(damage: bytes | str, pairs: Path):
    file = list_pictures(pairs / "before")[0]
    first = Album.load([(file,)], 1000)
    (entry,) = (pairs / "cache").iterdir()
    whole = entry.read_bytes()
    if damage == "pickle":
        np.savez(entry, pixels=np.array([{"a": 1}], dtype=object))
    elif damage == "cut":
        entry.write_bytes(whole[: len(whole) // 2])
    elif damage == "flipped":
        entry.write_bytes(whole[:1500] + bytes([whole[1500] ^ 255]) + whole[1501:])
    else:
        entry.write_bytes(damage)
    again = Album.load([(file,)], 1000)
    assert torch.equal(first.buckets["portrait"], again.buckets["portrait"])
    assert entry.read_bytes() == whole


def test_a_cache_that_cannot_be_written_is_done_without(pairs: Path, monkeypatch: pytest.MonkeyPatch):
    (pairs / "file").touch()
    monkeypatch.setenv("LPTN_RETOUCH_CACHE", str(pairs / "file"))
    assert len(Album.load([(list_pictures(pairs / "before")[0],)], 1000)) == 1


def test_the_cache_forgets_what_was_unused_for_longest(pairs: Path):
    Album.load([(file,) for file in list_pictures(pairs / "before")], 1000)
    held = sorted((pairs / "cache").iterdir(), key=lambda p: p.stat().st_mtime_ns)
    size = held[0].stat().st_size
    cache.prune(largest=size * 5)
    assert set((pairs / "cache").iterdir()) <= set(held)
    assert 3 <= len(list((pairs / "cache").iterdir())) <= 5


@pytest.mark.slow
def test_the_manifest_names_each_picture_by_content(pairs: Path):
    train(config_of(pairs), pairs / "run", lambda _: None)
    manifest = json.loads((pairs / "run" / "manifest.json").read_text("utf-8"))
    first = manifest["before"][0]
    data = (pairs / "before" / "01.png").read_bytes()
    assert first == {"name": "before/01.png", "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    shutil.copy(pairs / "before" / "03.png", pairs / "before" / "01.png")
    said: list[str] = []
    train(config_of(pairs), pairs / "run", said.append)
    assert any("learnt from other pictures" in line for line in said) and (pairs / "run-1" / "manifest.json").exists()


@pytest.mark.slow
def test_a_raw_file_is_learnt_from_and_developed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    raw = SAMPLES / "canon-s40.crw"
    shutil.copy(raw, tmp_path / "one.crw")
    files = [(file,) for file in list_pictures(tmp_path) if file.suffix == ".crw"]
    (first,) = Album.load(files, 6000).entries()
    assert first.shape[:2] == (1, 3)
    assert 0.05 < first.mean() < 0.95
    assert first.std() > 0.05
    monkeypatch.setattr(pictures, "open_photo", lambda _: pytest.fail("it was developed again"))
    (again,) = Album.load(files, 6000).entries()
    assert torch.equal(first, again)


@pytest.mark.slow
def test_a_list_limits_the_style(pairs: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lessons, "fit_teacher", lambda *_, **__: Teacher(Care()))
    (pairs / "keep.txt").write_text("\n".join(f"{i:02d}.tif" for i in range(9)))
    data = DataConfig(source=(str(pairs / "before"),), style=str(pairs / "after"), keep=str(pairs / "keep.txt"))
    course = prepare(TrainConfig(data), pairs, lambda _: None)
    assert len(course.files["style"]) == 9
    (pairs / "keep.txt").write_text("nothing.tif\n")
    with pytest.raises(TrainingError, match=r"names nothing\.tif"):
        prepare(TrainConfig(data), pairs, lambda _: None)


def test_a_grade_teaches_without_a_style_and_practice_adds_pictures(pairs: Path):
    written = {
        "data": {"source": str(pairs / "before"), "practice": [str(pairs / "after")], "pixels": 4000},
        "look": {"recipe": "graded"},
        "grade": {"exposure": -0.1, "bands": [{"hue": 130, "turn": -10}]},
    }
    config = config_from_dict(written, "here")
    assert config.grade == Grade(exposure=-0.1, bands=(Band(hue=130.0, turn=-10.0),))
    course = prepare(config, pairs, lambda _: None)
    assert len(course.lessons) == len(course.files["source"]) + len(course.files["practice"])
    before, after = course.validation_set[0]
    assert torch.equal(after, GradeTeacher(config.grade)(before))
    assert after.mean() < before.mean()


@pytest.mark.parametrize(
    ("section", "values", "says"),
    [
        ("data", {"source": [3]}, "a text or a list of texts"),
        ("grade", {"bands": [{"turn": 3}]}, "a band of .* has a hue"),
        ("grade", {"bands": [{"hue": "green"}]}, "are numbers"),
        ("grade", {"contrast": -1.0}, "0 or more"),
    ],
)
def test_a_wrong_grade_or_folder_is_refused(section: str, values: dict[str, object], says: str):
    with pytest.raises(TrainingError, match=says):
        config_from_dict({section: values}, "here")


def refusal(pairs: Path, what: str) -> TrainConfig:
    config = config_of(pairs)
    if what == "folder":
        shutil.rmtree(pairs / "after")
    elif what == "empty":
        for file in (pairs / "after").iterdir():
            file.unlink()
    elif what == "names":
        for file in (pairs / "after").iterdir():
            file.rename(file.with_stem(f"x{file.stem}"))
    elif what == "few":
        for i in range(6):
            (pairs / "before" / f"{i:02d}.png").unlink()
    elif what == "damaged":
        (pairs / "before" / "05.png").write_bytes(b"no picture")
    elif what == "nothing":
        config = TrainConfig()
    elif what == "style":
        config = TrainConfig(DataConfig(source=(str(pairs / "before"),)))
    return config


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("folder", "no such folder"),
        ("empty", "no picture in it"),
        ("names", "no file name in common"),
        ("few", "there are 6 pictures"),
        ("damaged", r"05\.png"),
        ("nothing", "no pictures to learn from"),
        ("style", "needs two folders"),
    ],
)
def test_a_run_that_cannot_start_says_why(what: str, says: str, pairs: Path, one_sentence: Callable[[object], str]):
    with pytest.raises(LptnRetouchError, match=says) as caught:
        train(refusal(pairs, what), pairs / "run", lambda _: None)
    one_sentence(caught.value)


@pytest.mark.slow
def test_a_full_disk_is_said(pairs: Path, monkeypatch: pytest.MonkeyPatch, one_sentence: Callable[[object], str]):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(UnwritablePhotoError, match="disk is full") as caught:
        train(config_of(pairs), pairs / "run", lambda _: None)
    one_sentence(caught.value)


@pytest.mark.slow
def test_the_short_form_installs_a_look(pairs: Path, capsys: pytest.CaptureFixture[str]):
    words = ["--before", str(pairs / "before"), "--after", str(pairs / "after"), "--run", str(pairs / "run")]
    assert main(["train", *words, "--name", "half", "--steps", "1"]) == 0
    assert main(["presets"]) == 0
    assert "half" in capsys.readouterr().out.split()
    assert main(["train", *words, "--name", "half"]) == 2
    assert "already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "name a CONFIG.toml"),
        (["--before", "a"], "name a CONFIG.toml"),
        (["--before", "a", "--after", "b", "--source", "c", "--style", "d"], "name a CONFIG.toml"),
        (["--before", "a", "--after", "b"], "needs a name"),
        (["--before", "a", "--after", "b", "--name", "../up"], "cannot name a preset"),
        (["--before", "a", "--after", "b", "--name", "retouch"], "already"),
        (["--before", "a", "--after", "b", "--name", "new", "--steps", "0"], "1 or more"),
        (["run.toml", "--name", "new"], "not in both"),
    ],
)
def test_a_wrong_call_is_refused_at_once(words: list[str], says: str, capsys: pytest.CaptureFixture[str]):
    assert main(["train", *words]) == 2
    assert says in capsys.readouterr().err
