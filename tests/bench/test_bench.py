"""`lptn-retouch bench`: real runs with tiny pictures; what a photograph and a figure are; the report and its plot."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import piexif
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lptn_retouch import bench, open_photo
from lptn_retouch.bench import alone, cold, depth, folder, gpu, jpeg, memory, network, processes, setting
from lptn_retouch.bench import photograph as made
from lptn_retouch.bench.figure import Figure, ratio
from lptn_retouch.bench.setting import Setting
from lptn_retouch.bench.timing import interleaved
from lptn_retouch.cli import main
from lptn_retouch.cli.bench import table
from lptn_retouch.verify.compare import compare
from tests.places import ROOT

PLOT = ROOT / "tools" / "plot.py"
SMALL = 0.3  # megapixels

positive = st.floats(1e-6, 1e6)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Setting:
    return Setting(made.read_scene(), tmp_path_factory.mktemp("bench"), quick=True, tell=lambda line: None)  # noqa: ARG005


# Figures.


@given(positive, st.none() | positive, st.none() | positive)
def test_met_is_what_the_figures_say(measured: float, at_least: float | None, at_most: float | None):
    said = Figure("x", measured, "s", at_least=at_least, at_most=at_most).to_json()
    if at_least is None and at_most is None:
        assert "met" not in said and "target" not in said
        return
    above = at_least is None or said["measured"] >= at_least
    below = at_most is None or said["measured"] <= at_most
    assert said["met"] is (above and below)
    assert said["measured"] == pytest.approx(measured, rel=1e-3)
    assert ("at least" in said["target"]) is (at_least is not None)
    assert ("at most" in said["target"]) is (at_most is not None)


runs = st.lists(positive, min_size=1, max_size=7)


@given(runs, runs)
def test_a_ratio_is_that_of_the_medians_of_the_seconds_beside_it(over: list[float], under: list[float]):
    said = ratio("x", {"a": over, "b": under}, "a", "b", "times").to_json()
    assert said["measured"] == pytest.approx(median(said["seconds"]["a"]) / median(said["seconds"]["b"]), rel=1e-3)


def test_what_is_compared_is_timed_in_turn():
    done: list[str] = []
    works = {name: (lambda name=name: done.append(name)) for name in "ab"}
    ticks = iter(range(100))

    def clock(work: Callable[[], object]) -> float:
        work()
        return float(next(ticks))

    assert interleaved(works, 3, clock=clock) == {"a": [0, 2, 4], "b": [1, 3, 5]}
    assert "".join(done) == "ab" + "ababab"
    assert [len(seconds) for seconds in interleaved(works, 3, {"b": 2}).values()] == [3, 2]


@given(st.floats(0, 100), st.floats(1, 50))
def test_peaks_on_a_line_lie_on_it(offset: float, slope: float):
    sizes = [4, 12, 24, 50]
    found = memory.line(sizes, [offset + slope * size for size in sizes])
    assert found[0] == pytest.approx(offset, abs=1e-5) and found[1] == pytest.approx(slope)
    assert np.abs(found[2]).max() < 1e-6
    assert np.abs(memory.line(sizes, [offset + slope * size**1.5 for size in sizes])[2]).max() > 0.02


# Photographs.


@pytest.mark.parametrize("scene", [made.read_scene(), made.synthetic_scene()], ids=["sample", "synthetic"])
def test_a_photograph_has_its_size_and_a_cameras_megabytes(scene: made.Rgb, tmp_path: Path):
    width, height = setting.frame(2)
    assert abs(width * height - 2e6) < 3000
    file = tmp_path / "photo.jpg"
    made.write_photograph(file, scene, width, height)
    with Image.open(file) as image:
        assert image.size == (width, height)
    assert 8 / 24 < file.stat().st_size / 1e6 / 2 < 12 / 24


def test_a_photograph_is_the_same_again_and_another_with_another_seed():
    scene = made.synthetic_scene(300, 200)
    first, again, other = (made.photograph(scene, 700, 500, seed) for seed in (0, 0, 1))
    assert first.shape == (500, 700, 3) and first.dtype == np.uint8
    assert (first == again).all() and (first != other).any()


def test_a_photograph_keeps_the_scenes_own_resolution_and_has_no_seams():
    y, x = np.mgrid[:40, :60]
    scene = np.stack([x + 90, y + 90, x + y + 60], axis=-1).astype(np.uint8)
    tiled = made.photograph(scene, 200, 150).astype(int)
    start = tiled[:40, :60] - scene
    assert np.abs(start.mean(axis=(0, 1))).max() < 0.6, "nothing but grain is added"
    smooth = tiled.mean(axis=0)[:, 0]  # over rows: what is left of the grain is a tenth
    assert np.abs(np.diff(smooth)).max() < 5


@pytest.mark.parametrize("tone", [30, 90, 200])
def test_grain_grows_with_the_square_root_of_the_tone(tone: int):
    flat = made.photograph(np.full((8, 8, 3), tone, np.uint8), 900, 600).astype(float)
    expected = made.grain_deviation(tone)
    assert flat.std(axis=(0, 1)) == pytest.approx(np.full(3, expected), rel=0.06)
    assert made.grain_deviation(200) / made.grain_deviation(50) == pytest.approx(2, rel=0.05)
    chroma = (flat[..., 0] - flat[..., 1]).std()
    assert 0.2 * expected < chroma < 0.6 * expected, "there is a little of chroma"
    assert abs(flat.mean() - tone) < 0.2
    neighbours = np.corrcoef(flat[:, :-1, 1].ravel(), flat[:, 1:, 1].ravel())[0, 1]
    assert abs(neighbours) < 0.02, "grain is not blurred"


def test_a_photograph_has_a_cameras_metadata_and_a_retouch_keeps_it(tiny: Setting):
    file = tiny.photograph(SMALL)
    blocks = piexif.load(str(file))
    assert len(blocks["Exif"][piexif.ExifIFD.MakerNote]) == 30_000
    assert blocks["GPS"][piexif.GPSIFD.GPSLatitudeRef] == b"N"
    assert blocks["thumbnail"].startswith(b"\xff\xd8")
    photo = open_photo(file)
    assert b"xmp:Rating" in (photo.metadata.xmp or b"") and photo.metadata.icc is None
    assert photo.source.subsampling == "4:2:0" and not photo.notices
    assert compare(file, photo.save(tiny.folder / "copy.jpg").path).ok


# Runs.


def names(figures: list[Figure] | str) -> list[str]:
    assert isinstance(figures, list)
    for figure in figures:
        assert figure.measured >= 0
        assert all(second > 0 for seconds in figure.seconds.values() for second in seconds)
        json.dumps(figure.to_json())
    return [figure.name for figure in figures]


@pytest.mark.slow
def test_the_network_is_measured(tiny: Setting):
    figures = network.measure(tiny, {"small": (300, 200), "smaller": (240, 210)})
    assert names(figures) == ["small", "smaller"]
    assert {name: len(seconds) for name, seconds in figures[0].seconds.items()} == {"engine": 3, "published": 3}


@pytest.mark.slow
def test_jpegs_are_measured_whole_and_in_parts(tiny: Setting):
    figures = jpeg.measure(tiny, [SMALL])
    first = "0.3 MP"
    assert names(figures) == [
        first,
        *(f"{first}, {part}" for part in ("open", "retouch", "save", "in core-seconds", "in a stream")),
    ]
    assert figures[0].at_most == 1.5 and figures[0].facts["aim"] == 1.2
    assert figures[0].seconds.keys() == {"whole", "codec"}


def test_depths_are_measured(tiny: Setting):
    assert names(depth.measure(tiny, 0.1)) == ["uint16", "float32"]


@pytest.mark.slow
def test_memory_is_measured_in_processes_of_their_own(tiny: Setting):
    ballast = np.ones(600_000_000, np.uint8)  # a child that counts its parent's peak would say 600 MB
    figures = memory.measure(tiny, [SMALL, 2])
    del ballast
    assert names(figures) == ["0.3 MP", "2 MP", "growth, off a line", "pace, most over least"]
    assert figures[0].measured < figures[1].measured < 100
    assert figures[0].facts["base_mb"] < 600


@pytest.mark.slow
def test_the_peak_is_that_from_here(tmp_path: Path):
    script = "from lptn_retouch.bench.alone import _from_here, peak_memory\nbytearray(200_000_000)\n"
    script += "base = _from_here()\nbytearray(100_000_000)\nprint(base, peak_memory())"
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path)
    base, peak = map(int, said.stdout.split())
    if Path("/proc/self/clear_refs").exists():
        assert base < 100e6 and 95e6 < peak - base < 120e6
    assert alone.peak_memory() > 10e6


def test_bench_is_imported_where_there_is_no_resource_module():
    script = "import sys\nsys.modules['resource'] = None\nimport lptn_retouch.bench.alone, lptn_retouch.cli.bench"
    subprocess.run([sys.executable, "-c", script], check=True)  # as on Windows


@pytest.mark.slow
def test_the_command_is_measured_from_its_start(tiny: Setting, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Setting, "repeats", 1)
    (figure,) = cold.measure(tiny, SMALL, first_ever=False)
    assert figure.name == "0.3 MP" and figure.measured > 0.3 and figure.at_most == 1.8


@pytest.mark.slow
def test_a_folder_is_measured_by_turns_in_parts_as_a_command_and_in_a_long_run(tiny: Setting):
    figures = folder.measure(tiny, SMALL, 8, 0.1, 10)
    thread, run = "0.3 MP, one thread", "10 of 0.1 MP"
    parts = ["open", "retouch", "save", "compare the metadata", "fingerprint of the result", "whole"]
    assert names(figures)[:-1] == [
        *("0.3 MP, pace", "0.3 MP, a photograph"),
        *(f"{thread}, {part}" for part in (*parts, "whole, for a report")),
        *("0.3 MP, whole commands", f"{run}, to the first result", f"{run}, when all is done already"),
    ]
    assert {name: len(runs) for name, runs in figures[0].seconds.items()} == {"batch": 3, "Pillow": 3}
    assert figures[0].at_least == 0.6 and figures[1].facts["photographs_a_turn"] == 2
    if processes.missing() is None:
        assert 0 <= figures[1].facts["Pillow_cpu_seconds"] < 5  # told in hundredths
        assert (
            figures[-1].at_most == 5
            and 50 < min(figures[-1].facts["mb_at_start_and_end"]) < figures[-1].facts["mb_with_code"]
        )
    assert not [path for path in tiny.folder.iterdir() if path.is_dir()], "what was made for it is gone"


@pytest.mark.slow
def test_where_memory_cannot_be_seen_it_is_said_why(
    tiny: Setting, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, one_sentence: Callable[..., str]
):
    source = tmp_path / "photographs"
    source.mkdir()
    made.write_photograph(source / "a.jpg", tiny.scene, 300, 200)
    monkeypatch.setattr(processes, "_PROC", tmp_path)
    one_sentence(processes.missing())
    figures = folder._long_run(tiny, source, 0.06, 1)
    assert len(figures) == 2 and "not measured" in figures[0].facts["memory"]


@pytest.mark.skipif(processes.missing() is not None, reason="there is no /proc here")
def test_what_a_process_and_those_it_started_hold_is_summed():
    script = "import subprocess, sys; child = subprocess.Popen([sys.executable, '-c', %r], stdout=subprocess.PIPE)\n"
    script += "print(child.stdout.readline()); sys.stdout.flush(); input(); child.kill()"
    inner = "data = b'x' * 200_000_000; print(sum(data[:20_000_000]), flush=True); input()"
    words = [sys.executable, "-c", script % inner]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline()
        assert len(processes.family(process.pid)) == 2
        whole, own = processes.held(process.pid)
        assert 200e6 < own < whole < 300e6
        assert processes.cpu_seconds(process.pid) > 0.05
        process.communicate(b"\n")


def test_without_a_gpu_it_is_said_why(tiny: Setting, monkeypatch: pytest.MonkeyPatch, one_sentence: Callable[..., str]):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert "CUDA" in one_sentence(gpu.measure(tiny))


# The verb, its report and the plot of it.


@pytest.fixture
def small_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "measure", partial(network.measure, sizes={"4K": (240, 210)}))
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)


@pytest.mark.slow
@pytest.mark.usefixtures("small_sizes")
def test_the_report_says_what_was_measured_where_and_with_what(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    photo = tmp_path / "grey.png"
    Image.new("RGB", (50, 40), "grey").save(photo)
    assert main(["bench", "--json", "--quick", "--photo", str(photo), "--only", "gpu", "network"]) == 0
    out, err = capsys.readouterr()
    report = json.loads(out)
    assert report.keys() == {"machine", "versions", "commit", "date", "load", "quick", "benchmarks"}
    assert report["machine"].keys() == {"cpu", "kernels", "cores", "memory_gb", "system"}
    assert {"lptn_retouch", "python", "torch", "numba", "numpy", "pillow", "simplejpeg"} <= report["versions"].keys()
    assert list(report["benchmarks"]) == ["network", "gpu"]
    (figure,) = report["benchmarks"]["network"]["figures"]
    assert figure["at_least"] == 150 and figure["met"] is (figure["measured"] >= 150)
    assert figure["seconds"].keys() == {"engine", "published"}
    assert report["benchmarks"]["gpu"].keys() == {"skipped"}
    assert "network" in err

    source, picture = tmp_path / "bench.json", tmp_path / "bench.png"
    source.write_text(out)
    subprocess.run([sys.executable, "-W", "error", str(PLOT), str(source), str(picture)], check=True)
    with Image.open(picture) as drawn:
        assert drawn.width > 1000 and len(set(drawn.convert("L").tobytes())) > 20


@pytest.mark.slow
@pytest.mark.usefixtures("small_sizes")
def test_a_missed_target_is_said_and_is_no_failure(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(network.TARGETS, "4K", 1e9)
    assert main(["bench", "--quick", "--only", "network"]) == 0
    assert "at least 1e+09  MISSED" in capsys.readouterr().out


def test_the_table_has_a_line_for_each_figure_and_each_that_was_skipped():
    figures = [Figure("a", 2, "s", at_most=1).to_json(), Figure("b", 2, "MB").to_json()]
    report: dict[str, Any] = {"machine": {"cpu": "6502"}, "benchmarks": {"cold": {"figures": figures}}}
    report["benchmarks"]["gpu"] = {"skipped": "there is none."}
    lines = ["6502", "cold  a  2 s   at most 1  MISSED", "cold  b  2 MB", "gpu skipped: there is none."]
    assert table(report).splitlines() == lines
    report["benchmarks"].pop("cold")
    assert table(report).splitlines() == ["6502", "gpu skipped: there is none."]


def test_an_unknown_benchmark_is_wrong_usage(capsys: pytest.CaptureFixture[str], one_sentence: Callable[..., str]):
    assert main(["bench", "--only", "jpeg", "gpus"]) == 2
    out, err = capsys.readouterr()
    assert not out and "'gpus'" in one_sentence(err.rstrip("\n"))


def test_a_photo_that_is_none_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], one_sentence: Callable[..., str]
):
    assert main(["bench", "--only", "depth", "--photo", str(tmp_path / "none.jpg")]) == 1
    assert "none.jpg" in one_sentence(capsys.readouterr().err.rstrip("\n"))


def test_every_benchmark_is_a_module_that_measures():
    for name in bench.NAMES:
        module = __import__(f"lptn_retouch.bench.{name}", fromlist=["measure"])
        assert callable(module.measure)
