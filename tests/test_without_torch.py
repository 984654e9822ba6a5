"""Photographs are retouched on the CPU without torch: importing it takes several times as long as a photograph.

Each process, and each that it starts, tells what it imports.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from lptn_retouch import Photo
from tests.places import SAMPLES

LAKE, RAW = SAMPLES / "lake-sherburne.jpg", SAMPLES / "canon-s40.crw"
TELLING = {"PYTHONPROFILEIMPORTTIME": "1"}
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        torch.accelerator.is_available() or sys.platform == "darwin", reason="the device is torch's to know here"
    ),
]


def imported(*words: str, fails: bool = False) -> set[str]:
    """What a command and all processes that it starts have imported."""
    done = subprocess.run(
        [sys.executable, "-m", "lptn_retouch", *words],
        capture_output=True,
        timeout=300,
        env=os.environ | TELLING,
    )
    said = done.stderr.decode("utf-8", "replace")
    assert (done.returncode != 0) == fails, said[-2000:]
    return {line.rpartition("|")[2].strip() for line in said.splitlines() if line.startswith("import time:")}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two photographs, one of them of 16 bits."""
    folder = tmp_path_factory.mktemp("photos")
    picture = np.random.default_rng(0).integers(0, 65536, (240, 320, 3), np.uint16)
    Photo(picture).save(folder / "deep.png")
    Photo((picture >> 8).astype(np.uint8)).save(folder / "small.jpg")
    return folder


def test_what_is_imported_is_told(tmp_path: Path) -> None:
    """Or the other tests would mean nothing."""
    words = ("apply", str(LAKE), "-o", str(tmp_path / "result.jpg"), "--device", "reference")
    assert {"numpy", "torch"} <= imported(*words)


@pytest.mark.parametrize("device", ["auto", "cpu"])
@pytest.mark.parametrize("name", ["jpeg", "16-bit png", "raw"])
def test_apply(tmp_path: Path, photos: Path, name: str, device: str) -> None:
    source = {"jpeg": LAKE, "16-bit png": photos / "deep.png", "raw": RAW}[name]
    result = tmp_path / f"result{source.suffix if name != 'raw' else '.jpg'}"
    assert "torch" not in imported("apply", str(source), "-o", str(result), "--device", device)
    assert result.is_file()


def test_batch(tmp_path: Path, photos: Path) -> None:
    assert "torch" not in imported("batch", str(photos), str(tmp_path / "results"), "--workers", "2")
    assert {"deep.png", "small.jpg"} <= {file.name for file in (tmp_path / "results").iterdir()}


def test_compare(tmp_path: Path, photos: Path) -> None:
    assert "torch" not in imported("compare", str(photos / "small.jpg"), "-o", str(tmp_path / "sheet.jpg"))


def test_serve_and_its_warming_up() -> None:
    script = """
import sys, threading
from lptn_retouch.serve.service import Service
class Out:
    def send(self, message, payload=None): assert message["kind"] == "hello"
class In:
    def message(self): threading.Event().wait()
service = Service(In(), Out())
service._warm_up()
assert "lptn_retouch.engine.cpu" in sys.modules
print("torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.stdout == "False\n", done.stderr


def test_presets_travel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LPTN_RETOUCH_PRESETS", str(tmp_path / "presets"))
    file = str(tmp_path / "mine.safetensors")
    assert "torch" not in imported("presets", "export", "winter", file)
    assert "torch" not in imported("presets", "import", file)
    assert "torch" not in imported("presets", "show", "mine")


def test_looks_travel(tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LPTN_RETOUCH_PRESETS", str(tmp_path / "presets"))
    photo, table = str(photos / "small.jpg"), str(tmp_path / "mine.cube")
    assert "torch" not in imported("look", photo, "-p", "winter", "-o", table)
    assert "torch" not in imported("presets", "import", table)
    assert "torch" not in imported("apply", photo, "-p", "mine", "-o", str(tmp_path / "result.jpg"))


@pytest.mark.parametrize("words", [["nosuch.jpg"], [str(LAKE), "-p", "nosuch"], [str(LAKE), "--amount", "3"]])
def test_a_mistake_is_told_before_an_engine_is_loaded(words: list[str]) -> None:
    assert not {"torch", "numba"} & imported("apply", *words, fails=True)


@pytest.mark.parametrize(
    "work",
    [
        "Retoucher('retouch', 'reference')(picture)",
        "Retoucher('retouch', 'cpu')(__import__('torch').zeros(3, 40, 60))",
        "load_preset('retouch').network(__import__('torch').zeros(1, 3, 40, 60))",
        "Retoucher('retouch').device.type",
    ],
)
def test_torch_comes_where_it_is_asked_for(work: str) -> None:
    script = f"""
import sys
import numpy as np
from lptn_retouch import Retoucher, load_preset
picture = np.zeros((40, 60, 3), np.uint8)
load_preset('retouch')
assert 'torch' not in sys.modules
{work}
assert 'torch' in sys.modules
Retoucher('retouch')(picture)
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)


def test_the_threads_are_told_before_torch_comes_and_after() -> None:
    script = """
from lptn_retouch import threads
threads.keep_to(2)
assert threads.thread_count() == 2
threads.at_once([lambda: 1, lambda: 2])  # the pool is there before torch
import torch
assert threads.thread_count() == torch.get_num_threads() <= 2  # it takes no more than there are cores
torch.set_num_threads(3)
assert threads.on_one(torch.get_num_threads) == threads.on_one(torch.get_num_threads) == 1
assert threads.thread_count() == torch.get_num_threads() == 3
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_keeps_to_one_thread_without_torch_too() -> None:
    script = """
import os
from lptn_retouch import threads
threads.at_once([lambda: 1, lambda: 2])
if (child := os.fork()) == 0:
    one = threads.thread_count() == 1 and threads.at_once([lambda: 1, lambda: 2]) == [1, 2]
    threads.keep_to(2)
    os._exit(0 if one and threads.thread_count() == 2 and threads.at_once([lambda: 1, lambda: 2]) == [1, 2] else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert threads.thread_count() == 4
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120, env=os.environ | {"OMP_NUM_THREADS": "4"})
