"""The set off a look's ground: its pictures are there and are what they say, and its figures are right."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image

from tests.places import ROOT

TOOLS = ROOT / "tools"


@pytest.fixture
def off_ground(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, imported as Python does when it is run."""
    monkeypatch.syspath_prepend(str(TOOLS))
    import off_ground

    return off_ground


def drawn(off_ground: ModuleType, name: str) -> np.ndarray:
    return np.asarray(off_ground.DRAWN[name]())


def test_the_manifest_has_what_people_photograph(off_ground: ModuleType):
    entries = off_ground.manifest()
    files = [entry.file for entry in entries]
    assert len(set(files)) == len(files) >= 60
    assert all(entry.looks for entry in entries)
    count = Counter(entry.category for entry in entries)
    wanted = {"portrait", "pets", "indoors", "food", "objects", "black and white", "night", "fog", "fireworks"}
    assert wanted < count.keys() and min(count[kind] for kind in wanted - {"fireworks"}) >= 5
    assert {file.removeprefix("drawn:") for file in files if file.startswith("drawn:")} == set(off_ground.DRAWN)
    for look in off_ground.LOOKS:
        assert sum(look in entry.looks for entry in entries) >= 15, look


@pytest.mark.slow
def test_every_picture_of_the_manifest_opens(shared: Path, off_ground: ModuleType):
    for entry in off_ground.manifest():
        picture = entry.open(shared / "data")
        assert picture.mode == "RGB" and 100 <= max(picture.size) <= 512, entry.file
        if entry.category == "black and white":
            assert np.ptp(np.asarray(picture), axis=2).max() == 0, "grey all over"


def test_the_drawn_pictures_are_what_they_say(off_ground: ModuleType):
    for name, draw in off_ground.DRAWN.items():
        picture = draw()
        assert picture.size == (480, 320) and picture.mode == "RGB", name
        assert picture.tobytes() == draw().tobytes(), "the same every time"
    assert drawn(off_ground, "black").max() == 0
    assert drawn(off_ground, "white").min() == 255
    ramp = drawn(off_ground, "ramp")
    assert np.ptp(ramp, axis=2).max() == 0
    assert (np.diff(ramp[10, :, 0].astype(int)) >= 0).all() and len(np.unique(ramp)) == 256
    page = drawn(off_ground, "page")
    assert np.ptp(page, axis=2).max() == 0 and (page == 255).mean() > 0.8 and (page < 40).mean() > 0.01
    colours = drawn(off_ground, "colours")[40::80, 40::80]
    assert len(np.unique(colours.reshape(-1, 3), axis=0)) == 24
    assert np.ptp(colours[3], axis=1).max() <= 1, "the last row is grey"
    for name, paper in (("window", 255), ("window-dark", 24)):
        window = drawn(off_ground, name)
        assert (window == paper).all(2).mean() > 0.4
        assert 0.05 < (np.ptp(window.astype(int), axis=2) > 60).mean() < 0.2, "icons and a chosen line"
    assert (drawn(off_ground, "stars") == 0).mean() > 0.98
    fireworks = drawn(off_ground, "fireworks")
    assert np.median(fireworks) < 15 and fireworks.max() > 180


def seen(off_ground: ModuleType, category: str, before: np.ndarray, after: np.ndarray) -> list[object]:
    entry = off_ground.Entry(category, "made-up.png", frozenset({"summer"}))
    return [off_ground.Seen(entry, Image.fromarray(before), Image.fromarray(after))]


def test_figures_of_no_look_and_of_a_cast(off_ground: ModuleType):
    ramp = drawn(off_ground, "ramp")
    same = off_ground.measured(seen(off_ground, "black and white", ramp, ramp))
    assert same["delta_e"] == same["delta_e_p99"] == 0
    assert same["greys"]["stay"] == 1 and same["whites"]["tinted"] == 0 and same["blacks"]["lifted"] == 0
    assert same["largest_chroma"] < 0.1
    cast = (ramp * (0.95, 0.9, 0.6)).astype(np.uint8)
    tinted = off_ground.measured(seen(off_ground, "black and white", ramp, cast))
    assert tinted["mid_greys"]["stay"] == 0 and tinted["whites"]["tinted"] == 1
    assert tinted["largest_chroma"] > 25 and tinted["delta_e_p99"] > tinted["delta_e"] > 5


def test_skin_is_seen_and_its_turn_is_told(off_ground: ModuleType):
    from lptn_retouch.training.oklab import oklab, srgb

    faces = ((255, 219, 200), (224, 172, 140), (141, 85, 60), (90, 56, 37))  # of four people
    before = np.zeros((16, 64, 3), np.uint8)
    for k, face in enumerate(faces):
        before[:, 16 * k : 16 * k + 16] = face
    before[8:, 32:] = (60, 120, 40)  # grass is none
    colours = oklab(off_ground.tensor(Image.fromarray(before)))
    turn = np.deg2rad(15)
    matrix = torch.tensor([[1, 0, 0], [0, np.cos(turn), -np.sin(turn)], [0, np.sin(turn), np.cos(turn)]]).float()
    turned = srgb(torch.einsum("ij,bjhw->bihw", matrix, colours))
    after = (turned[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    found = off_ground.skin_moved(seen(off_ground, "portrait", before, after))
    assert found["patches"] == 12
    assert found["turn"] == pytest.approx(15, abs=1.5) and found["greener"] == 1
    assert found["chroma"] == pytest.approx(1, abs=0.05) and found["lightness"] == pytest.approx(0, abs=0.01)
    still = off_ground.skin_moved(seen(off_ground, "portrait", before, before))
    assert still["turn"] == still["greener"] == 0 and still["chroma"] == 1


@pytest.mark.slow
def test_it_measures_a_shipped_look_and_draws_it(
    shared: Path,
    off_ground: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    words = ["--data", str(shared / "data"), "--only", "winter", "--categories", "charts", "snow"]
    monkeypatch.setattr(sys, "argv", ["off_ground.py", *words, "--sheet", str(tmp_path), "--kind", "png"])
    off_ground.main()
    found = json.loads(capsys.readouterr().out)["looks"]["winter"]["off_ground"]
    assert found["snow"]["pictures"] == 5 and found["charts"]["pictures"] == 4 and found["all"]["pictures"] == 9
    assert found["all"]["delta_e"] == pytest.approx((5 * found["snow"]["delta_e"] + 4 * found["charts"]["delta_e"]) / 9)
    assert {file.name for file in tmp_path.iterdir()} == {"winter-charts.png", "winter-snow.png"}
