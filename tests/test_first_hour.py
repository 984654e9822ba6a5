"""The session in docs/first-hour.md: every command is run, and prints what stands there."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from tests.places import ROOT

pytestmark = pytest.mark.real

PAGE = ROOT / "docs" / "first-hour.md"
HOME = "/home/me/photos"
MARK = "next command"


def commands() -> list[tuple[str, list[str]]]:
    """The commands of the page and the lines that each prints."""
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"(?:^(?: {4,}\S.*)?\n)+", PAGE.read_text("utf-8"), re.M):
        lines = [line for line in block.splitlines() if line]
        margin = min((len(line) - len(line.lstrip()) for line in lines), default=0)
        for line in lines:
            if line[margin:].startswith("$ "):
                found.append((line[margin + 2 :], []))
            else:
                found[-1][1].append(line[margin:])
    return found


@pytest.mark.skipif(shutil.which("bash") is None, reason="the page is for a POSIX shell, and bash is not here")
def test_the_session_prints_what_stands_there(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for sample, name in (
        ("lake-sherburne.jpg", "holiday.jpg"),
        ("oakland-zoo-otters.jpg", "otters.jpg"),
        ("canon-s40.crw", "canon.crw"),
    ):
        shutil.copy(ROOT / "samples" / sample, photos / name)
    (photos / "notes.txt").write_text("film, sun cream")
    (photos / "net_g_FiveK_numhigh3.pth").write_bytes(b"PK")
    page = commands()
    assert len(page) > 15
    script = [f'lptn-retouch() {{ "{sys.executable}" -m lptn_retouch "$@"; }}', "exec 2>&1"]
    for command, _ in page:
        script += [command, f"echo '{MARK}'"]
    done = subprocess.run(
        ["bash", "-c", "\n".join(script)], cwd=photos, capture_output=True, text=True, timeout=300, check=False
    )
    printed = done.stdout.replace(str(photos), HOME).split(f"{MARK}\n")
    other = []
    for (command, wanted), got in zip(page, printed, strict=False):
        lines = [line for line in got.splitlines() if "compiling for this processor" not in line]
        patterns = [re.sub(r"([*?[])", r"[\1]", line).replace("...", "*") for line in wanted]
        if len(lines) != len(wanted) or not all(map(fnmatchcase, lines, patterns)):
            other += [f"$ {command}", *lines]
    assert not other, "\n".join(other)
