"""What a photographer sees of a training run: words, an early stop, Ctrl-C, a corrected command."""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lptn_retouch.cli import main
from lptn_retouch.errors import TrainingError
from lptn_retouch.training.run.config import read_config
from lptn_retouch.training.run.short import from_pairs
from lptn_retouch.training.run.trainer import train
from tests.places import LAKE, ROOT

Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LPTN_RETOUCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LPTN_RETOUCH_PRESETS", str(tmp_path / "mine"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Twenty pairs; after is a brighter, warmer before."""
    before, after = tmp_path / "before", tmp_path / "after"
    whole = Image.open(LAKE)
    for folder in (before, after):
        folder.mkdir()
    for k in range(20):
        part = whole.crop((k % 5 * 60, k // 5 * 50, k % 5 * 60 + 600, k // 5 * 50 + 400)).resize((120, 80))
        part.save(before / f"{k:02}.png")
        bright = (np.asarray(part, float) / 255) ** 0.6 * (1.0, 0.95, 0.8)
        Image.fromarray((255 * bright).round().astype(np.uint8)).save(after / f"{k:02}.png")
    return before, after


def written(folders: tuple[Path, Path], **optim: object) -> Path:
    settings = {"steps": 30, "batch": 4, "rate": 3e-3, "save_every": 10, "evaluate_every": 10, "average": 0.9}
    lines = [f"[data]\nbefore = '{folders[0]}'\nafter = '{folders[1]}'\npixels = 3000"]
    lines += ["[model]\nwidth = 8\nblocks = 1\n[optim]", *(f"{k} = {v}" for k, v in (settings | optim).items())]
    lines += ["[jitter]\nboth = 0.0\n[preset]\nname = 'warm'"]
    file = folders[0].parent / "warm.toml"
    file.write_text("\n".join(lines))
    return file


@pytest.mark.slow
def test_a_run_speaks_of_what_a_photographer_knows(folders: tuple[Path, Path], capsys: Output):
    assert main(["train", str(written(folders)), "--run", "run"]) == 0
    said, out = capsys.readouterr().err, ""
    assert "step 10 of 30: how close: " in said and "dB, untouched " in said and " left" in said
    assert "kept step 30: how close: " in said and "on 2 pictures held out" in said
    assert "loss" not in said and "steps/s" not in said
    logged = [json.loads(line) for line in Path("run/log.jsonl").read_text().splitlines()]
    assert any("loss" in line and "steps_per_second" in line for line in logged)
    assert main(["train", str(written(folders, steps=31)), "--run", "loud", "-v"]) == 0
    said, out = capsys.readouterr()[::-1]
    assert "loss 0." in said and "steps/s" in said
    assert "how close: " in out and "lptn-retouch presets import" in out


@pytest.mark.slow
def test_it_stops_by_itself_and_keeps_the_best(folders: tuple[Path, Path]):
    """A rate far too high: what is learnt is soon spoilt again."""
    said: list[str] = []
    config = read_config(written(folders, steps=400, rate=0.3, evaluate_every=5, patience=2))
    weights = train(config, Path("run"), said.append)
    stop = next(line for line in said if line.startswith("stopping here"))
    kept = next(line for line in said if line.startswith("kept step"))
    best = int(kept.split()[2].rstrip(":"))
    state = torch.load("run/checkpoint.pt", weights_only=True)
    assert stop.endswith(f"since step {best}") and state["step"] == best + 10 < 400
    measured = torch.load(f"run/weights-{best:06d}.pt", weights_only=True)
    assert all(torch.equal(value, measured[name]) for name, value in torch.load(weights, weights_only=True).items())
    train(config, Path("run"), said.append)  # once it has stopped, it is done
    assert torch.load("run/checkpoint.pt", weights_only=True)["step"] == best + 10


def test_only_the_short_form_stops_by_itself():
    assert from_pairs(Path("a"), Path("b"), "look").optim.patience == 3
    for recipe in (ROOT / "presets").glob("*.toml"):
        assert read_config(recipe).optim.patience == 0


def started(config: Path, run: str) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "lptn_retouch", "train", str(config), "--run", run]
    return subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_saves_and_says_how_to_go_on(folders: tuple[Path, Path], number: signal.Signals):
    config = written(folders, steps=40, save_every=1000, evaluate_every=3)
    process = started(config, "stopped")
    said = []
    assert process.stderr
    for line in process.stderr:  # the first measurement: it learns
        said.append(line)
        if line.startswith("step 3 of"):
            process.send_signal(number)
            break
    rest = process.communicate()[1]
    assert process.returncode == 128 + number, (said, rest)
    assert "and saved; go on with:" in rest
    step = torch.load("stopped/checkpoint.pt", weights_only=True)["step"]
    assert f"stopped at step {step} of 40" in rest
    again = shlex.split(rest.splitlines()[-1])
    assert again[0] == "lptn-retouch" and again[-2:] == ["--run", "stopped"]
    assert main(again[1:]) == 0
    straight = train(read_config(config), Path("straight"), lambda _: None)
    a, b = (torch.load(file, weights_only=True) for file in (straight, "stopped/weights.pt"))
    assert all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no signals")
def test_a_second_interrupt_ends_at_once():
    """The second finds the system's own handler, which waits for nothing."""
    script = (
        "import os, signal\nfrom lptn_retouch.training.run.interrupt import Interrupt\n"
        "with Interrupt() as interrupt:\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n    print(interrupt.number, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n    print('still here')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.split() == ["2"] and done.returncode == -signal.SIGINT


@pytest.mark.slow
def test_a_corrected_command_works_after_a_wrong_one(folders: tuple[Path, Path], tmp_path: Path, capsys: Output):
    for k in range(9):  # pairs that are refused: nothing was learnt
        for folder in ("wrong-before", "wrong-after"):
            (tmp_path / folder).mkdir(exist_ok=True)
            Image.new("RGB", (60, 40), (20 * k, 90, 30)).save(tmp_path / folder / f"{k}.png")
    wrong = written((tmp_path / "wrong-before", tmp_path / "wrong-after"))
    assert main(["train", str(wrong), "--run", "run"]) == 1
    right = written(folders, steps=2)
    assert main(["train", str(right), "--run", "run"]) == 0
    assert "had not learnt anything yet" in capsys.readouterr().err
    assert not Path("run-1").exists()


@pytest.mark.slow
def test_what_was_learnt_is_kept_beside_the_new_run(folders: tuple[Path, Path]):
    train(read_config(written(folders, steps=2)), Path("run"), lambda _: None)
    said: list[str] = []
    train(read_config(written(folders, steps=3)), Path("run"), said.append)
    assert "starting anew: the run in run had other settings; it is kept as run-1" in said
    (folders[0] / "19.png").unlink()  # and one pair less
    train(read_config(written(folders, steps=3)), Path("run"), said.append)
    assert "starting anew: the run in run learnt from other pictures; it is kept as run-2" in said
    steps = [torch.load(f"{name}/checkpoint.pt", weights_only=True)["step"] for name in ("run", "run-1", "run-2")]
    assert steps == [3, 2, 3]


def test_a_folder_of_something_else_is_left_alone(folders: tuple[Path, Path]):
    Path("notes").mkdir()
    Path("notes/config.json").write_text('{"editor": "mine"}')
    with pytest.raises(TrainingError, match="name another folder"):
        train(read_config(written(folders, steps=1)), Path("notes"), lambda _: None)
    assert Path("notes/config.json").read_text() == '{"editor": "mine"}'


@pytest.mark.slow
def test_a_result_that_does_not_help_is_not_installed_without_a_word(
    folders: tuple[Path, Path], tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
):
    from lptn_retouch.training.run import trainer

    monkeypatch.setattr(trainer, "mean_psnr", lambda *_: 10.9)  # a look that went wrong
    words = ["train", "--before", str(folders[0]), "--after", str(folders[1]), "--name", "bad", "--steps", "1"]
    assert main(words) == 1
    out, said = capsys.readouterr()
    assert "bad is not installed: it is no closer" in said and "10.9 dB, untouched" in said
    assert not (tmp_path / "mine" / "bad.safetensors").exists()
    assert "lptn-retouch presets import runs/bad/bad.safetensors --name bad" in out.replace("\\", "/")


def test_what_evaluate_lacks_is_told_before_any_work(monkeypatch: pytest.MonkeyPatch, capsys: Output):
    real: Callable[..., object] = importlib.util.find_spec
    monkeypatch.setattr(
        "lptn_retouch.cli.evaluate.find_spec", lambda name, *a: None if name == "skimage" else real(name, *a)
    )
    assert main(["evaluate", "retouch", "--photos", "."]) == 2  # an empty folder: it would be the next to be told
    assert 'needs scikit-image; install it with: pip install "lptn-retouch[train]"' in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="asks GNU's OpenMP what it was told")
def test_threads_do_not_spin_while_they_wait(folders: tuple[Path, Path]):
    words = [sys.executable, "-m", "lptn_retouch", "train", str(written(folders, steps=1))]
    done = subprocess.run(words, capture_output=True, text=True, env=os.environ | {"OMP_DISPLAY_ENV": "TRUE"})
    assert done.returncode == 0, done.stderr
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in done.stderr
