"""A type checker reads a user's script: it knows what comes back, and finds a mistyped word before anything runs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.places import ROOT

pytestmark = pytest.mark.slow

SCRIPT = """
import random
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import lptn_retouch
from lptn_retouch import Photo, Retoucher, list_presets, load_preset, open_photo, retouch

eight = np.zeros((40, 60, 3), np.uint8)
tensor = torch.zeros(3, 40, 60)
with Image.open("a.png") as image:
    reveal_type(retouch(image))  # Image

# What goes in comes out, and a path gives a Photo.
reveal_type(retouch("a.jpg"))  # Photo
reveal_type(retouch(Path("a.jpg"), Path("mine.safetensors"), amount=1, mask=eight[..., 0]))  # Photo
reveal_type(retouch(open_photo("a.jpg"), load_preset("winter"), mask=[[0, 1], [1, 0]]))  # Photo
reveal_type(retouch(eight, mask=tensor[0]))  # ndarray
reveal_type(retouch(tensor))  # Tensor
reveal_type(retouch("a.jpg", ["retouch", ("winter", 0.6), load_preset("night")], mask="mask.png"))  # Photo
reveal_type(retouch("a.jpg" if random.random() < 0.5 else tensor))  # Photo | Tensor

retoucher = Retoucher("winter")
reveal_type(retoucher("a.jpg"))  # Photo
reveal_type(retoucher(Image.new("RGB", (60, 40))))  # Image
reveal_type(retoucher(tensor, amount=0.5))  # Tensor
reveal_type(retoucher(eight.astype(np.float32)).dtype)  # dtype
for photo in retoucher.map(Path("in").glob("*.jpg")):
    reveal_type(photo)  # Photo
    photo.save(Path("out") / "a.jpg", quality=90, bit_depth=8, metadata="strip-private", profile="srgb")
reveal_type(next(retoucher.map([tensor, tensor])))  # Tensor
reveal_type(next(retoucher.map(["a.jpg", photo, Path("b.jpg")])))  # Photo
reveal_type(next(retoucher.map(eight for _ in range(3))))  # ndarray

# A photo, and what is done with it.
reveal_type(photo.to_pil())  # Image
reveal_type(np.asarray(photo))  # ndarray
reveal_type(lptn_retouch.sharing.export_preset("winter", "a.safetensors"))  # Path
reveal_type(list_presets())  # list[str]
lptn_retouch.batch.Output(metadata="none", bit_depth=16)
try:
    open_photo("a.jpg")
except lptn_retouch.errors.PhotoNotFoundError as error:
    reveal_type(error)  # PhotoNotFoundError

# Mistakes.
photo.svae("b.jpg")  # error: attr-defined
retouch("a.jpg").svae("b.jpg")  # error: attr-defined
photo.save("b.jpg", metadata="kepp")  # error: arg-type
photo.save("b.jpg", profile="sRGB")  # error: arg-type
photo.save("b.jpg", bit_depth=12)  # error: arg-type
photo.save("b.jpg", quality="high")  # error: arg-type
photo.pixels = eight  # error: misc
retouch(eight).save("b.jpg")  # error: attr-defined
retouch(3)  # error: call-overload
retouch("a.jpg", "winter", 0.5)  # error: call-overload
retouch("a.jpg", amount="0.5")  # error: call-overload
retouch("a.jpg", preset=3)  # error: call-overload
retouch("a.jpg", strength=0.5)  # error: call-overload
retoucher("a.jpg", amonut=0.5)  # error: call-overload
retoucher(b"a.jpg")  # error: call-overload
retoucher.map(3)  # error: call-overload
Retoucher(3)  # error: arg-type
Retoucher([("winter", "0.6")])  # error: list-item
lptn_retouch.batch.Output(profile="p3")  # error: arg-type
Photo("a.jpg")  # error: arg-type
"""


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> dict[int, tuple[str, str]]:
    """What mypy says of each line: the kind of error, or "" for a type that it tells, and the sentence."""
    script = tmp_path_factory.mktemp("user") / "script.py"
    script.write_text(SCRIPT)
    options = ["--strict", "--output=json", "--config-file", str(ROOT / "pyproject.toml")]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, str(script)], cwd=ROOT, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 1 and not done.stderr, done.stdout[-3000:] + done.stderr
    found: dict[int, tuple[str, str]] = {}
    for line in done.stdout.splitlines():
        told = json.loads(line)
        assert Path(told["file"]).name == "script.py", line
        if told["severity"] == "error" or told["message"].startswith("Revealed"):
            code = told["code"] if told["severity"] == "error" else ""
            found.setdefault(told["line"], (code, told["message"]))
    return found


def test_the_checker_knows_what_comes_back(findings: dict[int, tuple[str, str]]) -> None:
    asked = {n: line for n, line in enumerate(SCRIPT.splitlines(), 1) if "reveal_type" in line}
    assert len(asked) > 15
    for number, line in asked.items():
        code, said = findings[number]
        assert code == "", (line, said)
        expected = line.rpartition("# ")[2].split(" | ")
        told = said.partition('"')[2].rpartition('"')[0]
        for kind in expected:
            assert kind in told, (line, said)
        assert told.count(" | ") == len(expected) - 1, (line, said)


def test_the_checker_finds_the_mistakes_and_nothing_else(findings: dict[int, tuple[str, str]]) -> None:
    lines = list(enumerate(SCRIPT.splitlines(), 1))
    expected = {n: line.rpartition("# error: ")[2] for n, line in lines if "# error: " in line}
    assert len(expected) > 15
    assert {n: code for n, (code, _) in findings.items() if code} == expected, findings


def test_no_type_is_imported_when_a_program_runs() -> None:
    script = "import sys, lptn_retouch.kinds; print([m for m in ('torch', 'PIL', 'numpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout == "[]\n", done.stderr
