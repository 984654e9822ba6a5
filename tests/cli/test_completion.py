"""Completion, in the shells themselves where they are here."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lptn_retouch.cli import main
from lptn_retouch.cli.completion import SHELLS

pytestmark = pytest.mark.real

START = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
    "fish": ["fish", "--no-config", "-i"],
}
LOAD = {
    "bash": 'eval "$(lptn-retouch completion bash)"',
    "zsh": 'autoload -Uz compinit; compinit -u -D; eval "$(lptn-retouch completion zsh)"',
    "fish": "lptn-retouch completion fish | source",
}


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A PATH with the command on it."""
    program = tmp_path / "bin" / "lptn-retouch"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m lptn_retouch "$@"\n')
    program.chmod(0o755)
    return f"{program.parent}{os.pathsep}{os.environ['PATH']}"


@pytest.fixture
def asked(tmp_path: Path) -> Callable[[str], list[str]]:
    """What the command answers to a shell that asks how a line goes on, and what it has imported for that."""

    def ask(line: str, *, stripped: bool = False) -> list[str]:
        answer = tmp_path / "answer"
        answer.touch()
        asking = {
            "_ARGCOMPLETE": "1",
            "_ARGCOMPLETE_IFS": "\n",
            "_ARGCOMPLETE_SHELL": "powershell",
            "_ARGCOMPLETE_STDOUT_FILENAME": str(answer),
            "COMP_LINE": line.rstrip() if stripped else line,
            "COMP_POINT": str(len(line)),
        }
        subprocess.run([sys.executable, "-m", "lptn_retouch"], env=os.environ | asking, check=True, cwd=tmp_path)
        return answer.read_text().split()

    return ask


@pytest.mark.usefixtures("presets")
def test_verbs_options_choices_presets_and_files(asked: Callable[..., list[str]], tmp_path: Path):
    (tmp_path / "lake.jpg").touch()
    assert asked("lptn-retouch ap") == ["apply"]
    assert {"--metadata", "--memory-limit"} == set(asked("lptn-retouch apply --me"))
    assert {"keep", "strip-private", "none"} == set(asked("lptn-retouch apply x.jpg --metadata "))
    assert asked("lptn-retouch apply x.jpg -p ti") == ["tiny"], "one's own preset too"
    assert asked("lptn-retouch compare x.jpg -p winter -p ni") == ["night"]
    assert asked("lptn-retouch presets show aut") == ["autumn"]
    assert asked("lptn-retouch presets remove ") == ["tiny"], "no preset that ships can be removed"
    assert asked("lptn-retouch apply la") == ["lake.jpg"]
    assert set(SHELLS) == set(asked("lptn-retouch completion "))


def test_a_space_that_powershell_leaves_out_counts(asked: Callable[..., list[str]]):
    assert "show" in asked("lptn-retouch presets ", stripped=True)


def test_completing_imports_nothing_that_takes_time():
    asking = {"_ARGCOMPLETE": "1", "COMP_LINE": "lptn-retouch apply x -p wi", "COMP_POINT": "26"}
    asking |= {"_ARGCOMPLETE_STDOUT_FILENAME": os.devnull, "PYTHONPROFILEIMPORTTIME": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "lptn_retouch"], env=os.environ | asking, capture_output=True, text=True, check=True
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "argcomplete" in imported
    assert not {"torch", "numpy", "PIL", "rich", "numba"} & imported


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_has_its_lines(shell: str, capsys: pytest.CaptureFixture[str]):
    assert main(["completion", shell]) == 0
    assert "lptn-retouch" in capsys.readouterr().out


def test_another_shell_is_refused(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stop:
        main(["completion", "fishe"])
    assert stop.value.code == 2
    assert capsys.readouterr().err.endswith("did you mean `fish`?\n")


@pytest.mark.parametrize("shell", START)
def test_the_tab_key_in_a_real_shell(shell: str, path: str, tmp_path: Path):
    """Words are begun and Tab is pressed; then the line is made the arguments of echo, and run."""
    if os.name != "posix" or shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    environment = {"PATH": path, "TERM": "xterm", "HOME": str(tmp_path), "COLUMNS": "200"}
    on_terminal = [sys.executable, "-c", "import pty, sys; pty.spawn(sys.argv[1:])", *START[shell]]
    with subprocess.Popen(
        on_terminal, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tmp_path, env=os.environ | environment
    ) as process:
        try:
            type_in(process, f"{LOAD[shell]}; echo rea''dy\n", "ready")
            type_in(
                process, "lptn-retouch presets sh\taut\t\x01echo sa''id \n", "said lptn-retouch presets show autumn"
            )
            type_in(process, "lptn-retouch apply --metadata stri\t\x01echo sa''id \n", "--metadata strip-private")
        finally:
            process.kill()


def type_in(process: subprocess.Popen[bytes], keys: str, until: str) -> None:
    """Press keys, and read what the terminal shows until it shows some words."""
    assert process.stdin and process.stdout
    process.stdin.write(keys.encode())
    process.stdin.flush()
    shown, end = "", time.monotonic() + 60
    while until not in shown:
        if not select.select([process.stdout], [], [], max(0, end - time.monotonic()))[0]:
            pytest.fail(f"{until!r} was never shown, but {shown!r}")
        shown += os.read(process.stdout.fileno(), 65536).decode("utf-8", "replace")


def test_powershell_itself(path: str):
    if shutil.which("pwsh") is None:
        pytest.skip("there is no PowerShell here")
    script = (
        "lptn-retouch completion powershell | Out-String | Invoke-Expression; "
        "(TabExpansion2 'lptn-retouch presets sh' 23).CompletionMatches.CompletionText"
    )
    done = subprocess.run(
        ["pwsh", "-NoProfile", "-Command", script], env=os.environ | {"PATH": path}, capture_output=True, text=True
    )
    assert done.stdout.split() == ["show"], done.stderr
