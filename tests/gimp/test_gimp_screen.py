"""The plug-in in a real GIMP on a virtual screen: on_screen.py plays the user there, its checks are told one by one."""

from __future__ import annotations

import ast
import json
import os
import shutil
from pathlib import Path

import pytest

pytestmark = pytest.mark.real

SCRIPT = Path(__file__).with_name("on_screen.py")
FUNCTIONS = [node for node in ast.parse(SCRIPT.read_text()).body if isinstance(node, ast.FunctionDef)]
CHECKS = [function.name for function in FUNCTIONS if function.decorator_list]
QUIET = """(config-version "{version}")
(show-welcome-dialog no)
(check-updates no)
(color-profile-policy keep)
(metadata-rotation-policy keep)
(restore-session no)
(save-session-info no)
"""


@pytest.fixture(scope="module")
def told(gimp):
    """What the checks came to; the screenshots are left beside the root."""
    version = gimp.run("gimp", "--version").split()[-1]
    (gimp.work / "profile" / "gimprc").write_text(QUIET.format(version=version))
    try:
        said = gimp.run("bash", f"{gimp.inside}/on_screen.sh", f"{gimp.inside}/on_screen.py", seconds=420)
    finally:
        shots = gimp.root.parent / f"{gimp.root.name}-screenshots"
        shutil.rmtree(shots, ignore_errors=True)
        shutil.copytree(gimp.work / "shots", shots)
    results = gimp.work / "screen.json"
    assert results.exists(), said[-4000:]
    told = json.loads(results.read_text())
    assert told["version"].startswith(os.environ.get("LPTN_TEST_GIMP", "3.0") + "."), told["version"]
    return told["checks"]


@pytest.mark.parametrize("check", CHECKS)
def test_on_screen(told, check):
    assert check in told, f"GIMP ended before it; the last was {list(told)[-1:]}"
    assert told[check]["why"] is None, told[check]["why"]
