"""Every recipe learns and resumes bit for bit; several processes do what one does; the critic tells real from made."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from PIL import Image

from lptn_retouch.cli import main
from lptn_retouch.errors import TrainingError
from lptn_retouch.preset import load_preset
from lptn_retouch.training.data.config import JitterConfig
from lptn_retouch.training.data.pictures import Album
from lptn_retouch.training.run import lessons, runfolder
from lptn_retouch.training.run.config import TrainConfig, read_config
from lptn_retouch.training.run.critic import Critic, critic_loss, generator_loss
from lptn_retouch.training.run.curves import read_log
from lptn_retouch.training.run.lessons import prepare
from lptn_retouch.training.run.parallel import Rank
from lptn_retouch.training.run.trainer import train
from lptn_retouch.training.teachers.taught import TaughtSet, edge_picture
from lptn_retouch.training.teachers.transport import Care, Teacher, fit_teacher


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LPTN_RETOUCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture
def quick_teacher(monkeypatch: pytest.MonkeyPatch) -> None:
    """Instead of a fitted teacher, one that makes everything darker and bluer."""

    def fitted(_source: object, _style: object, care: Care, **_: object) -> Teacher:
        teacher = Teacher(care)
        last = teacher.move[4]
        assert isinstance(last, torch.nn.Linear)
        with torch.no_grad():
            last.weight.zero_()
            last.bias.copy_(torch.tensor([-0.25, 0.0, -0.04]))
        return teacher.eval().requires_grad_(requires_grad=False)

    monkeypatch.setattr(lessons, "fit_teacher", fitted)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten bright pictures, ten other dark and blue ones: two grounds each, no scene in common."""
    folder = tmp_path_factory.mktemp("folders")
    random = torch.Generator().manual_seed(3)
    for name, tone in (("day", (1.0, 1.0, 1.0)), ("dusk", (0.4, 0.45, 0.6))):
        (folder / name).mkdir()
        for i in range(10):
            picture = edge_picture(48, 72, random) * torch.tensor(tone).view(3, 1, 1)
            pixels = (picture * 255).byte().permute(1, 2, 0).numpy()
            Image.fromarray(pixels).save(folder / name / f"{name}-{i}.png")
    return folder


def written(file: Path, folders: Path, more: str = "", **optim: object) -> TrainConfig:
    settings = {"steps": 4, "batch": 2, "save_every": 2, "evaluate_every": 3, "sheet_every": 3, "rate": 3e-3}
    lines = [f'[data]\nsource = "{folders}/day"\nstyle = "{folders}/dusk"\npixels = 3000']
    lines += ["[optim]", *(f"{key} = {value!r}" for key, value in (settings | optim).items())]
    file.write_text("\n".join([*lines, more]))
    return read_config(file)


SMALL = "[model]\nwidth = 8\nblocks = 1\nmask_width = 4\n"
PUBLISHED = '[model]\nform = "{}"\ndepth = 2\nlow_blocks = 1\nhigh_blocks = 1\n[look]\nrecipe = "adversarial"\n'
RECIPES = {
    "taught": SMALL,
    "graded": SMALL + '[look]\nrecipe = "graded"\n[grade]\nexposure = -0.1\nbands = [{ hue = 130, turn = -20 }]\n',
    "refined": SMALL + "[look]\nadversarial = 0.1\n",
    "released": PUBLISHED.format("released"),
    "paper": PUBLISHED.format("paper"),
}


def weights_of(file: Path) -> dict[str, torch.Tensor]:
    return torch.load(file, weights_only=True)


@pytest.mark.slow
@pytest.mark.usefixtures("quick_teacher")
@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_learns_and_resumes_to_the_same_weights(
    recipe: str, folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    config = written(tmp_path / "run.toml", folders, RECIPES[recipe])
    straight = weights_of(train(config, tmp_path / "straight", lambda _: None))
    losses = read_log(tmp_path / "straight")
    assert all(torch.isfinite(torch.tensor(value)) for points in losses.values() for _, value in points)
    assert ("critic" in losses) is (recipe not in ("taught", "graded"))

    save = runfolder.save

    def killed(file: Path, state: object) -> None:
        save(file, state)
        if file.name == runfolder.CHECKPOINT and state["step"] == 2:  # type: ignore[index]
            raise KeyboardInterrupt

    monkeypatch.setattr(runfolder, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path / "killed", lambda _: None)
    monkeypatch.setattr(runfolder, "save", save)
    resumed = weights_of(train(config, tmp_path / "killed", lambda _: None))
    assert straight.keys() == resumed.keys()
    assert all(torch.equal(straight[name], resumed[name]) for name in straight)


@pytest.mark.slow
@pytest.mark.usefixtures("quick_teacher")
def test_a_taught_run_comes_near_its_teacher_and_leaves_a_whole_folder(folders: Path, tmp_path: Path):
    config = written(
        tmp_path / "run.toml", folders, SMALL, steps=90, batch=4, evaluate_every=30, sheet_every=45, average=0.9
    )
    train(config, tmp_path / "run", lambda _: None)
    log = read_log(tmp_path / "run")
    assert log["validation_psnr"][-1][1] > log["untouched_psnr"][0][1] + 3
    assert {"curves.png", "sheet-000045.png", "sheet-000090.png", "manifest.json"} <= {
        p.name for p in (tmp_path / "run").iterdir()
    }
    assert list((tmp_path / "run" / "tensorboard").iterdir())
    with Image.open(tmp_path / "run" / "sheet-000090.png") as sheet:
        assert sheet.width > 3 * 60
    best = max(log["validation_psnr"], key=lambda point: point[1])[0]
    shipped, kept = weights_of(tmp_path / "run" / "weights.pt"), weights_of(tmp_path / "run" / f"weights-{best:06d}.pt")
    assert all(torch.equal(shipped[name], kept[name]) for name in shipped)


@pytest.mark.slow
def test_the_teacher_is_fitted_once(folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    config = written(tmp_path / "run.toml", folders, SMALL + "[look]\nstrength = 0.5\n")
    monkeypatch.setattr(lessons, "fit_teacher", partial(fit_teacher, steps=200))
    first = prepare(config, tmp_path, lambda _: None)
    monkeypatch.setattr(lessons, "fit_teacher", lambda *_, **__: pytest.fail("fitted again"))
    again = prepare(config, tmp_path, lambda _: None)
    for (before, after), (_, same) in zip(first.validation_set, again.validation_set, strict=True):
        assert torch.equal(after, same)
        assert not torch.allclose(after, before, atol=0.01)


def test_taught_batches_repeat_and_are_what_the_teacher_says(folders: Path):
    album = Album.load([(file,) for file in sorted((folders / "day").iterdir())], 3000)
    taught = TaughtSet(album, lambda picture: picture * 0.5)
    config, jitter = TrainConfig().data, JitterConfig(edges=0.5)
    before, after = taught.batch(8, config, jitter, 1)
    assert torch.equal(after, before * 0.5)
    assert torch.equal(before, taught.batch(8, config, jitter, 1)[0])
    assert not torch.equal(before, taught.batch(8, config, JitterConfig(edges=0), 1)[0])
    second = taught.batch(8, config, jitter, 1, Rank(1, 2).rows(8))
    assert torch.equal(second[0], before[4:]) and torch.equal(second[1], after[4:])


def test_an_edge_picture_is_two_grounds_and_what_lies_between():
    picture = edge_picture(60, 90, torch.Generator().manual_seed(1))
    flat = (picture - picture.roll(1, -1)).abs().amax(0)[:, 1:] < 1e-3
    assert 0.5 < flat.float().mean() < 1
    assert picture.amin() >= 0 and picture.amax() <= 1


@pytest.mark.slow
def test_the_critic_learns_to_tell_real_from_made():
    torch.manual_seed(0)
    critic, random = Critic(), torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(critic.parameters(), lr=1e-3)
    losses = []
    for _ in range(10):
        grey, colour = (torch.rand(2, n, 1, 1, generator=random).expand(2, 3, 40, 60) for n in (1, 3))
        loss = critic_loss(critic, grey, colour * torch.tensor([1.0, 0.3, 0.1]).view(3, 1, 1), 1.0, torch.rand(2))
        losses.append(float(loss.detach()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < losses[0]
    red = colour * torch.tensor([1.0, 0.3, 0.1]).view(3, 1, 1)
    assert critic(grey).mean() > critic(red).mean()
    assert generator_loss(critic, grey) < generator_loss(critic, red)


@pytest.mark.slow
@pytest.mark.usefixtures("quick_teacher")
def test_two_processes_do_what_one_does(folders: Path, tmp_path: Path):
    more = SMALL + '[look]\nadversarial = 0.1\nadversarial_from = 0.0\n[preset]\nname = "two"\n'
    config = written(tmp_path / "run.toml", folders, more, steps=2)
    alone = weights_of(train(config, tmp_path / "alone", lambda _: None))
    words = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    two = tmp_path / "two"
    two.mkdir()
    words += ["-m", "lptn_retouch", "--", "train", str(tmp_path / "run.toml"), "--run", str(two)]
    shutil.copy(tmp_path / "alone" / "teacher.pt", two)
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("install it with") == 1
    assert done.stderr.count("step 2 of 2: how close") == 1
    together = weights_of(two / "weights.pt")
    for name, tensor in alone.items():
        torch.testing.assert_close(together[name], tensor, atol=2e-5, rtol=1e-4, msg=lambda m, n=name: f"{n}: {m}")
    assert load_preset(two / "two.safetensors").architecture == "graded-lptn"


def test_a_batch_must_be_shared_out_evenly():
    assert [Rank(i, 3).rows(6) for i in range(3)] == [slice(0, 2), slice(2, 4), slice(4, 6)]
    with pytest.raises(TrainingError, match="multiple of the 2"):
        Rank(0, 2).rows(5)


@pytest.mark.slow
@pytest.mark.usefixtures("quick_teacher")
def test_bfloat16_learns_too(folders: Path, tmp_path: Path):
    config = written(tmp_path / "run.toml", folders, SMALL, steps=40, batch=4, evaluate_every=40, precision="bfloat16")
    weights = weights_of(train(config, tmp_path / "run", lambda _: None))
    assert all(tensor.dtype == torch.float32 for tensor in weights.values())
    log = read_log(tmp_path / "run")
    assert log["validation_psnr"][-1][1] > log["untouched_psnr"][0][1] + 1


@pytest.mark.slow
@pytest.mark.usefixtures("quick_teacher")
def test_a_run_without_the_extra_says_so_and_goes_on(folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("lptn_retouch.training.run.curves.find_spec", lambda _: None)
    said: list[str] = []
    train(written(tmp_path / "run.toml", folders, SMALL, steps=2), tmp_path / "run", said.append)
    assert sum("no curves from matplotlib and tensorboard" in line for line in said) == 1
    assert not (tmp_path / "run" / "curves.png").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("quick_teacher")
def test_a_look_from_two_folders_by_the_short_form(
    folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("LPTN_RETOUCH_PRESETS", str(tmp_path / "presets"))
    words = ["train", "--source", str(folders / "day"), "--style", str(folders / "dusk"), "--name", "dusk"]
    words += ["--run", str(tmp_path / "run"), "--steps", "2"]
    assert main(words) == 0
    assert "dusk is installed" in capsys.readouterr().out
    assert main(["presets", "list"]) == 0
    assert "dusk" in capsys.readouterr().out.split()
    preset = load_preset("dusk")
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text("utf-8"))
    assert {what: len(files) for what, files in manifest.items() if files} == {"source": 9, "held out": 1, "style": 10}
    assert "manifest sha256" in preset.header["training_data"] and "9 source" in preset.header["training_data"]
    for word in ("# dusk", "Steps: 2", "held-out", "--name dusk", "Date: 2"):
        assert word in preset.card
    assert main(words) == 2
    assert "already" in capsys.readouterr().err
