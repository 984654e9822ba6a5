"""What the command line says: to a mistyped word, to who asks for help, and how much of what it does."""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from lptn_retouch.cli import build_parser, main
from lptn_retouch.cli.parser import number, verbs_of
from lptn_retouch.preset import list_presets
from tests.places import SAMPLES

LAKE = SAMPLES / "lake-sherburne.jpg"
posix = pytest.mark.skipif(os.name != "posix", reason="terminals are opened otherwise here")

Said = Callable[..., tuple[int, str, str]]
Terminal = Callable[..., tuple[int, str]]


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    """Run a command; its status, and what it prints."""

    def run(*words: object) -> tuple[int, str, str]:
        try:
            status = main([str(word) for word in words])
        except SystemExit as stop:
            status = int(stop.code or 0)
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def terminal() -> Terminal:
    """Run a command of the system on a terminal of its own, 100 columns wide; its status, and what it shows."""

    def run(*words: object, piped: Path | None = None) -> tuple[int, str]:
        import fcntl
        import pty
        import struct
        import termios

        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
        command = [sys.executable, "-m", "lptn_retouch", *map(str, words)]
        out = os.open(piped, os.O_WRONLY | os.O_CREAT) if piped else os.dup(theirs)
        process = subprocess.Popen(
            command, stdin=theirs, stdout=out, stderr=theirs, env=os.environ | {"TERM": "xterm", "NO_COLOR": "1"}
        )
        os.close(theirs)
        os.close(out)
        shown = b""
        while True:
            try:
                read = os.read(ours, 65536)
            except OSError:  # the last program has left the terminal
                break
            if not read:
                break
            shown += read
        os.close(ours)
        return process.wait(), shown.decode()

    return run


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """Four small photographs and a damaged one."""
    with Image.open(LAKE) as image:
        small = image.resize((160, 90))
    for count in range(4):
        small.save(tmp_path / f"{count}.jpg")
    (tmp_path / "damaged.jpg").write_bytes(LAKE.read_bytes()[:3000])
    return sorted(tmp_path.glob("*.jpg"))


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["aply", "x.jpg"], "apply"),
        (["presets", "shw"], "show"),
        (["apply", LAKE, "-p", "retuch"], "retouch"),
        (["compare", LAKE, "-p", "Wintr", "-o", "sheet.jpg"], "winter"),
        (["presets", "show", "golden-our"], "golden-hour"),
        (["apply", "--ammount", "0.5"], "--amount"),
        (["apply", LAKE, "--ammount=0.5"], "--amount"),
        (["compare", LAKE, "--ouput", "sheet.jpg"], "--output"),
        (["apply", LAKE, "--metadata", "strip-privat"], "strip-private"),
        (["bench", "--only", "nwtork"], "network"),
    ],
)
def test_what_was_meant_is_asked(words: list[object], meant: str, said: Said):
    status, out, err = said(*words)
    assert (status, out) == (2, "")
    assert err.endswith(f"did you mean `{meant}`?\n") and err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["fly"], "there is no verb 'fly'; there are apply, "),
        (["apply", LAKE, "--xyzzy"], "`lptn-retouch apply --help` lists those there are."),
        (["apply", LAKE, "-p", "xyzzy"], "there are: autumn, "),
        (["apply", "--amount"], "--amount: there is no value after it."),
        (["apply"], "INPUT is missing; `lptn-retouch apply --help` shows an example."),
        (["verify", "a", "b", "c"], "'c' is a word too many."),
        (["apply", LAKE, "-q", "-v"], "exclude each other; leave one out."),
        (["apply", LAKE, "--quality=high"], "a whole number from 1 to 100, not high."),
        (["apply", LAKE, "--bit-depth", "deep"], "--bit-depth: a whole number, not 'deep'."),
        (["train", "--steps", "1.5"], "--steps: a whole number, not '1.5'."),
        (["apply", LAKE, "--amount", "0;5"], "--amount: a number from 0 to 2, not 0;5."),
        (["apply", LAKE, "--amount", "1,000"], "--amount: write 1.000 or 1000, not '1,000'."),
    ],
)
def test_a_wrong_word_is_one_sentence(
    words: list[object], says: str, said: Said, one_sentence: Callable[[object], str]
):
    status, out, err = said(*words)
    assert (status, out) == (2, "")
    assert says in one_sentence(err.removesuffix("\n"))
    assert "invalid" not in err and "argument" not in err


def test_numbers_may_have_a_comma(said: Said, photos: list[Path], tmp_path: Path):
    for spelt in ("0.5", "0,5"):
        assert said("apply", photos[0], "--amount", spelt, "-o", tmp_path / f"{spelt}.png")[0] == 0
    assert (tmp_path / "0.5.png").read_bytes() == (tmp_path / "0,5.png").read_bytes()
    assert (number("-,5"), number("0,125"), number("12,5")) == (-0.5, 0.125, 12.5)
    for spelt in ("1.500,5", "1,5,5", "1, 5", ","):
        with pytest.raises(ValueError):
            number(spelt)


def test_a_depth_that_a_format_lacks_is_told_without_python(said: Said, photos: list[Path], tmp_path: Path):
    status, _, err = said("apply", photos[0], "--bit-depth", 16, "-o", tmp_path / "deep.jpg")
    assert status == 1
    assert "leave the bit depth out" in err and "_" not in err.replace(str(tmp_path), "")


def leaves(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """A parser and those of its verbs, and of theirs."""
    yield parser
    for verb in verbs_of(parser).values():
        yield from leaves(verb)


ALL = [parser.prog for parser in leaves(build_parser())]


@pytest.mark.parametrize("prog", ALL)
def test_help_is_plain_and_its_examples_work(prog: str):
    whole = build_parser()
    (parser,) = (parser for parser in leaves(whole) if parser.prog == prog)
    text = parser.format_help()
    assert "``" not in text and "None" not in text
    assert parser.description and ". " not in parser.description.partition("\n\n")[0], "a sentence first"
    if prog == "lptn-retouch":
        return
    shown = [line.strip() for line in (parser.epilog or "").splitlines()[1:]]
    assert 1 <= len(shown) <= 3
    for line in shown:
        assert f"  {line}\n" in text, "as it was written, on a line of its own"
        command = line.removeprefix('eval "$(').partition(')"')[0].partition(" >")[0]
        words = shlex.split(command)
        assert words[0] == "lptn-retouch"
        assert callable(whole.parse_args(words[1:]).run)


def test_alone_it_says_where_to_begin(said: Said):
    status, out, err = said()
    assert (status, out) == (2, "")
    assert "lptn-retouch apply holiday.jpg" in err and len(err.splitlines()) < 12


def test_a_pipe_gets_names_of_presets_alone(said: Said):
    assert said("presets", "list") == (0, "".join(f"{name}\n" for name in list_presets()), "")


@pytest.mark.slow
@posix
def test_a_terminal_gets_summaries_and_the_damaged_named(terminal: Terminal, presets: Path):
    whole = (presets / "tiny.safetensors").read_bytes()
    (presets / "torn.safetensors").write_bytes(whole[: len(whole) // 2])
    status, shown = terminal("presets")
    lines = {line.split()[0]: line.strip() for line in shown.splitlines()}
    assert status == 0
    assert sorted(lines) == list_presets()
    assert lines["tiny"].endswith("(yours) Tiny.")
    assert lines["torn"].endswith("(yours) damaged; fetch it again")
    assert lines["winter"].endswith("Summer greens turn to frost, light cools; skies keep their blue.")


@pytest.mark.slow
@posix
def test_a_card_is_drawn_on_a_terminal_and_plain_elsewhere(terminal: Terminal, said: Said):
    _, shown = terminal("presets", "show", "winter")
    assert "# winter" not in shown and "**" not in shown and "Use it for" in shown
    _, piped, _ = said("presets", "show", "winter")
    assert "# winter" in piped


@pytest.mark.parametrize("name", ["nope.pth", "nope.safetensors", "nope"])
def test_a_missing_file_to_import_is_said_to_be_missing(name: str, said: Said):
    assert said("presets", "import", name) == (
        1, "", f"lptn-retouch: {name}: there is no such file; check the path.\n"
    )  # fmt: skip


def test_quiet_prints_failures_alone(said: Said, photos: list[Path], tmp_path: Path):
    status, out, err = said("apply", *photos, "-q", "-o", f"{tmp_path}/out/")
    assert (status, out) == (1, "")
    assert "damaged.jpg" in err and err.count("\n") == 1
    assert len(list((tmp_path / "out").iterdir())) == 4
    sheet = tmp_path / "sheet.png"
    assert said("compare", photos[0], "-p", "winter", "-o", sheet, "-q") == (0, "", "")
    assert sheet.is_file()


def test_verbose_tells_figures_and_causes(said: Said, photos: list[Path], tmp_path: Path):
    status, out, err = said("apply", *photos, "-v", "-o", f"{tmp_path}/out/")
    assert status == 1 and out.count("\n") == 4
    assert "engine cpu, preset retouch " in err
    assert err.count("160 x 90 pixels, ") == 4
    assert "  because: OSError: " in err and "Traceback" not in err
    assert said("apply", *photos, "-o", f"{tmp_path}/again/")[2].count("because") == 0
    result = tmp_path / "out" / "0.jpg"
    status, _, err = said("redo", result, "-v", "--source", tmp_path, "-o", tmp_path / "redone.jpg")
    assert status == 0 and "engine cpu" in err


@pytest.mark.slow
def test_batch_tells_more_too(said: Said, photos: list[Path], tmp_path: Path):
    status, _, err = said("batch", photos[0].parent, tmp_path.parent / f"{tmp_path.name}-out", "-v", "--workers", 1)
    assert status == 1
    assert "  0.jpg: done in " in err and "  because: OSError: " in err and "Traceback" not in err


def test_many_photographs_end_with_a_summary(said: Said, photos: list[Path], tmp_path: Path):
    last = said("apply", *photos, "-o", f"{tmp_path}/out/")[2].splitlines()[-1]
    assert last.startswith("4 retouched in ") and last.endswith(" s, 1 failed")
    assert said("apply", *photos[:3], "-o", f"{tmp_path}/few/")[2] == ""


@pytest.mark.slow
@posix
def test_a_bar_is_on_a_terminal_alone_and_paths_go_where_they_should(
    terminal: Terminal, photos: list[Path], tmp_path: Path
):
    piped = tmp_path / "paths.txt"
    status, shown = terminal("apply", *photos[:4], "-o", f"{tmp_path}/out/", piped=piped)
    assert status == 0
    assert "4/4" in shown and "4 retouched in " in shown
    assert piped.read_text().splitlines() == [str(tmp_path / "out" / photo.name) for photo in photos[:4]]
    assert "out/0.jpg" not in shown
    assert "1/1" not in terminal("apply", photos[0], "-o", tmp_path / "one.jpg")[1]


@pytest.mark.slow
def test_a_wrong_path_or_preset_is_told_before_torch_is_there(photos: list[Path], tmp_path: Path):
    photo, folder, none, out = photos[0], tmp_path, tmp_path / "none", tmp_path / "out"
    mistakes: list[list[object]] = [
        ["apply", none],
        ["apply", photo, "-p", "wintr"],
        ["batch", none, out],
        ["batch", folder, f"{folder}-out", "-p", "wintr"],
        ["batch", folder, f"{folder}-out", "--rules", none],
        ["compare", none, "-o", out],
        ["compare", photo, "-p", "wintr", "-o", out],
        ["redo", none],
        ["verify", photo, none],
        ["train", none],
        ["train", "--before", none, "--after", none, "--name", "mylook"],
        ["train", "--source", folder, "--style", none, "--name", "mylook"],
        ["evaluate", "wintr", "--input", folder],
        ["evaluate", "winter", "--input", none],
        ["evaluate", "winter", "--input", folder, "--target", none],
        ["evaluate", "winter", "--photos", none],
        ["bench", "--photo", none],
        ["bench", "--only", "nwtork"],
        ["presets", "show", "wintr"],
        ["presets", "export", "wintr", out],
        ["presets", "import", none],
        ["presets", "remove", "wintr"],
        ["gimp", "doctor", "--gimp", none],
    ]
    script = f"""
import sys
from lptn_retouch.cli import main
for words in {[[str(word) for word in words] for words in mistakes]!r}:
    status = main(words)
    print(words[0], status, sorted({{"torch", "numba", "skimage"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path)
    for words, line in zip(mistakes, done.stdout.splitlines(), strict=True):
        assert line in (f"{words[0]} 1 []", f"{words[0]} 2 []"), (words, line)
    assert len(done.stderr.splitlines()) == len(mistakes), done.stderr


@pytest.mark.parametrize("where", ["lptn_retouch.cli.apply", "lptn_retouch.cli.parser", "argparse"])
def test_ctrl_c_before_anything_is_there_is_a_sentence(where: str):
    script = f"""
import sys
class Interrupting:
    def find_spec(self, name, *_):
        if name == {where!r}:
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupting())
sys.modules.pop({where!r}, None)
from lptn_retouch.cli import command
sys.argv = ["lptn-retouch", "presets"]
command()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 130
    assert done.stderr == "lptn-retouch: stopped; every file written so far is whole.\n"
