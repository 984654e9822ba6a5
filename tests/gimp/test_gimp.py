"""The plug-in in a real GIMP without a display: in_gimp.py runs there once, its checks are told here one by one."""

from __future__ import annotations

import ast
import itertools
import json
import os
from pathlib import Path

import numpy as np
import pytest

from lptn_retouch import Photo, Retoucher
from lptn_retouch.color import read_profile
from lptn_retouch.metadata import Metadata
from lptn_retouch.picture.samples import one_channel

pytestmark = pytest.mark.real

SCRIPT = Path(__file__).with_name("in_gimp.py")
KINDS = [
    f"{depth}-{curve} {model}{alpha}"
    for depth, curve, model, alpha in itertools.product(
        ("u8", "u16", "u32", "half", "float", "double"),
        ("linear", "non-linear", "perceptual"),
        ("rgb", "grey"),
        ("", " alpha"),
    )
]
FUNCTIONS = [node for node in ast.parse(SCRIPT.read_text()).body if isinstance(node, ast.FunctionDef)]
CHECKS = [function.name for function in FUNCTIONS if function.decorator_list]
LEVELS = {"u8": 255, "u16": 65535, "float": 1}


@pytest.fixture(scope="module")
def told(gimp):
    """What the checks came to."""
    few = f'(plug-in-path "{gimp.inside}/few:${{gimp_dir}}/plug-ins")\n'
    (gimp.work / "profile" / "gimprc").write_text(few)
    more = {"REAL_ENGINE": json.dumps(gimp.real_engine)} if gimp.sees_host else {}
    code = f"exec(open('{gimp.inside}/in_gimp.py').read())"
    said = gimp.run(
        "gimp-console", "-d", "-f", "-s", "--batch-interpreter=python-fu-eval", "-b", code, "--quit", **more
    )  # fmt: skip
    results = gimp.work / "results.json"
    assert results.exists(), said[-4000:]
    told = json.loads(results.read_text())
    assert told["version"].startswith(os.environ.get("LPTN_TEST_GIMP", "3.0") + "."), told["version"]
    return told["checks"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_picture_is_retouched_as_it_is_stored(told, kind):
    assert told[kind]["why"] is None, told[kind]["why"]


@pytest.mark.parametrize("check", CHECKS)
def test_in_gimp(told, check):
    assert told[check]["why"] is None, told[check]["why"]


def test_every_refusal_is_one_sentence(told, one_sentence):
    sentences = [sentence for check in told.values() for sentence in check["sentences"]]
    assert len(sentences) > 20
    for sentence in sentences:
        one_sentence(sentence)


def test_with_the_real_engine_a_layer_holds_what_the_library_makes_of_it(gimp, told):
    if "with the real engine" not in told:
        pytest.skip("this machine does not allow a mount namespace, so GIMP's root cannot see the engine")
    assert told["with the real engine"]["why"] is None, told["with the real engine"]["why"]
    folder = gimp.work / "real"
    retoucher = Retoucher("retouch")
    cases = json.loads((folder / "told.json").read_text())
    assert len(cases) == 15
    for case in cases:
        kind = np.dtype({"u8": "u1", "u16": "<u2", "float": "<f4"}[case["kind"]])
        before, after = (
            np.frombuffer((folder / f"{case['name']}.{part}").read_bytes(), kind).reshape(case["size"])
            for part in ("before", "after")
        )
        icc = (folder / f"{case['name']}.icc").read_bytes()
        selection = (folder / f"{case['name']}.selection").read_bytes()
        expected = by_the_library(retoucher, before, icc, case)
        if selection:
            share = np.frombuffer(selection, np.uint8).reshape(case["size"][:2])
            assert set(np.unique(share)) == {0, 255}
            expected = np.where(share[..., None] == 255, expected, before)
        assert np.abs(after.astype(float) - before).max() > 0.05 * LEVELS[case["kind"]], case
        if case["kind"] == "float":
            np.testing.assert_allclose(after, expected, atol=3e-6, err_msg=str(case))
        else:
            np.testing.assert_array_equal(after, expected, err_msg=str(case))


def by_the_library(retoucher, before, icc, case):
    """The same pixels, retouched without GIMP and without the engine."""
    grey = before.shape[2] < 3
    pixels = np.take(before, [0, 0, 0, 1][: before.shape[2] + 2], axis=2) if grey else before
    space, _ = read_profile(icc or None, grey=grey)
    photo = Photo(pixels, space.name, Metadata.build(icc=icc or None))
    after = retoucher(photo, amount=case.get("amount", 1.0), detail=case.get("detail", 1.0)).pixels
    return one_channel(after).reshape(before.shape) if grey else after
