"""What the command line does with files: those that are there, wildcards, names by template, standard streams."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lptn_retouch import files, open_photo
from lptn_retouch.batch import Look, Output
from lptn_retouch.batch.journal import Past
from lptn_retouch.batch.photograph import do
from lptn_retouch.batch.template import FIELDS, Subject, Template
from lptn_retouch.batch.work import Work
from lptn_retouch.cli import main
from lptn_retouch.cli.paths import expanded
from lptn_retouch.errors import InTheWayError, UsageError
from lptn_retouch.metadata.recipe import is_result, read_recipe
from tests.places import ROOT

LAKE = ROOT / "samples" / "lake-sherburne.jpg"
MINE = b"mine, and no photograph"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with two small photographs that keep their EXIF."""
    monkeypatch.chdir(tmp_path)
    with Image.open(LAKE) as image:
        small, exif = image.resize((96, 64)), image.getexif()
    exif.get_ifd(0x8769)[0x9003] = "2019:06:01 18:30:00"
    for name in ("a.jpg", "b.jpg"):
        small.save(tmp_path / name, exif=exif, quality=90)
    return tmp_path


@pytest.fixture
def result(folder: Path) -> Path:
    """A result beside its source."""
    assert main(["apply", "a.jpg"]) == 0
    return folder / "a-retouch.jpg"


def start(*words: str, **how: Any) -> subprocess.Popen[bytes]:
    """The command line in a process of its own."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-m", "lptn_retouch", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        **how,
    )


WRITING = {
    "apply to a file": ["apply", "a.jpg", "-o", "there.jpg"],
    "apply to a folder": ["apply", "a.jpg", "-o", "there/"],
    "apply beside": ["apply", "a.jpg"],
    "compare": ["compare", "a.jpg", "-p", "retouch", "-o", "there.jpg"],
}


@pytest.mark.parametrize("verb", WRITING)
def test_a_file_that_is_there_is_replaced_only_on_demand(
    verb: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = WRITING[verb]
    there = {"apply to a folder": folder / "there/a.jpg", "apply beside": folder / "a-retouch.jpg"}.get(
        verb, folder / "there.jpg"
    )
    there.parent.mkdir(exist_ok=True)
    there.write_bytes(MINE)
    assert main(words) == 1
    said = capsys.readouterr().err
    assert there.read_bytes() == MINE
    assert str(there.name) in said and "--overwrite" in said and said.count("\n") == 1
    assert main([*words, "--skip"]) == 0
    assert there.read_bytes() == MINE and "skipped" in capsys.readouterr().err
    there.chmod(0o444)
    assert main([*words, "--overwrite"]) == 1
    assert there.read_bytes() == MINE and "read-only" in capsys.readouterr().err
    there.chmod(0o644)
    assert main([*words, "--overwrite"]) == 0
    assert open_photo(there).width > 1


def test_the_other_inputs_are_done(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "a-retouch.jpg").write_bytes(MINE)
    assert main(["apply", "a.jpg", "b.jpg"]) == 1
    said = capsys.readouterr()
    assert said.out.splitlines() == [str(folder / "b-retouch.jpg")]
    assert "1 of 2 failed, the others are done." in said.err
    assert (folder / "a-retouch.jpg").read_bytes() == MINE


def test_redo_follows_the_same_policy(result: Path) -> None:
    there = result.with_name("a-retouch-redo.jpg")
    there.write_bytes(MINE)
    assert [main(["redo", str(result), *words]) for words in ([], ["--skip"])] == [1, 0]
    assert there.read_bytes() == MINE
    assert main(["redo", str(result), "--overwrite"]) == 0
    assert there.read_bytes() == result.read_bytes()


@pytest.mark.slow
def test_a_batch_follows_the_same_policy(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "in").mkdir()
    (folder / "out").mkdir()
    for name in ("a.jpg", "b.jpg"):
        (folder / name).rename(folder / "in" / name)
    there = folder / "out" / "a.jpg"
    there.write_bytes(MINE)
    words = ["batch", "in", "out", "--workers", "1"]
    assert main(words) == 1
    assert "is there already" in capsys.readouterr().err and (folder / "out" / "b.jpg").exists()
    assert main([*words, "--skip"]) == 0
    assert "1 was skipped: a file is there already" in capsys.readouterr().err
    there.chmod(0o444)
    assert main([*words, "--overwrite"]) == 1
    assert "read-only" in capsys.readouterr().err and there.read_bytes() == MINE
    there.chmod(0o644)
    assert main([*words, "--overwrite"]) == 0
    assert open_photo(there).width == 96
    assert main(words) == 0, "its own results are not in its way"


@pytest.mark.slow
@pytest.mark.parametrize(("words", "status"), [((), 1), (("--skip",), 0)])
def test_a_file_that_came_meanwhile_is_not_replaced(words: tuple[str, ...], status: int, folder: Path) -> None:
    """The photograph comes slowly on standard input, and another process writes the result's file meanwhile."""
    process = start("apply", "-", "-o", "late.jpg", *words, cwd=folder)
    assert process.stdin
    content = LAKE.read_bytes()
    assert len(content) > 300_000, "no pipe holds it, so it was being read when half of it is sent"
    process.stdin.write(content[:-1000])
    process.stdin.flush()
    assert not (folder / "late.jpg").exists()
    subprocess.run([sys.executable, "-c", f"open('late.jpg', 'wb').write({MINE!r})"], cwd=folder, check=True)
    out, err = process.communicate(content[-1000:])
    assert process.returncode == status, err
    assert (folder / "late.jpg").read_bytes() == MINE
    assert out == b"" and b"there already" in err
    assert sorted(path.name for path in folder.iterdir()) == ["a.jpg", "b.jpg", "late.jpg"]


@pytest.mark.parametrize("links", [True, False])
def test_of_many_that_want_one_new_name_one_gets_it(
    links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    if not links:  # as on a memory card

        def no_links(*_: object) -> None:
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(os, "link", no_links)

    def write(number: int) -> bool:
        try:
            files.write_atomically(tmp_path / "one", lambda file: file.write(b"%d" % number * 5), overwrite=False)
        except InTheWayError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(write, range(8)))
    assert sum(got) == 1
    assert (tmp_path / "one").read_bytes() == b"%d" % got.index(True) * 5
    assert len(list(tmp_path.iterdir())) == 1


def test_what_came_meanwhile_is_not_taken_for_the_batchs_own(folder: Path) -> None:
    target = folder / "out.jpg"
    target.write_bytes(MINE)
    work = Work("a.jpg", folder / "a.jpg", Look(), (Output(),), (target,), new=frozenset({target}))
    ended = do(work)
    assert (ended.outcome, ended.unwritten) == ("failed", (target,)) and "there already" in ended.reason
    assert target.read_bytes() == MINE
    past = Past(folder / "none", "")
    past.note({"file": "a.jpg", "outcome": "begun", "outputs": [{"file": "out.jpg"}]}, here=True)
    assert past.claims == {"out.jpg": "a.jpg"}
    past.note({"file": "a.jpg", "outcome": "failed", "outputs": [], "unwritten": ["out.jpg"]}, here=True)
    assert past.claims == {}


def test_a_result_among_several_is_left_out(result: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    before = result.read_bytes()
    assert main(["apply", "*.jpg", "--overwrite"]) == 0  # README's second line after its first
    said = capsys.readouterr()
    assert said.err.count("\n") == 1 and "a-retouch.jpg is a result already" in said.err and "--again" in said.err
    assert sorted(path.name for path in result.parent.iterdir()) == ["a-retouch.jpg", "a.jpg", "b-retouch.jpg", "b.jpg"]
    assert result.read_bytes() == before, "made of a.jpg, not of itself"
    assert main(["apply", "*-retouch.jpg", "-o", "out/"]) == 2
    assert "2 are results already" in capsys.readouterr().err
    assert main(["apply", "*-retouch.jpg", "-o", "out/", "--again"]) == 0
    assert len(list((result.parent / "out").iterdir())) == 2


def test_a_result_named_alone_is_retouched_with_a_note(result: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["apply", str(result)]) == 0
    assert "note: This is a result already" in capsys.readouterr().err
    assert result.with_name("a-retouch-retouch.jpg").exists()


@pytest.mark.slow
def test_results_in_a_batchs_folder_are_left_out(result: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = result.parent / "in"
    source.mkdir()
    result.rename(source / result.name)
    words = ["batch", "in", "out", "--workers", "1"]
    for _ in range(2):  # the second time the journal knows
        assert main(words) == 2
        assert "a-retouch.jpg is a result already" in capsys.readouterr().err
    (result.parent / "a.jpg").rename(source / "a.jpg")
    assert main([*words, "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["file"]: line["outcome"] for line in lines} == {"a.jpg": "done", "a-retouch.jpg": "skipped"}
    (result.parent / "out" / "a-retouch.jpg").write_bytes(MINE)  # a name that the batch has not taken
    assert main([*words, "--again"]) == 1
    (result.parent / "out" / "a-retouch.jpg").unlink()
    assert main([*words, "--again"]) == 0
    assert is_result(open_photo(result.parent / "out" / "a-retouch.jpg").metadata)


def test_wildcards_are_expanded_where_the_shell_did_not(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in (1, 2, 10):
        (folder / f"n{number}.jpg").write_bytes((folder / "a.jpg").read_bytes())
    (folder / "n[1].jpg").write_bytes((folder / "a.jpg").read_bytes())
    names = [path.name for path in expanded([Path("n?*.jpg")])[0]]
    assert names == ["n1.jpg", "n2.jpg", "n10.jpg", "n[1].jpg"]
    assert expanded([Path("n[1].jpg")]) == ([Path("n[1].jpg")], []), "a file that is really called so"
    assert main(["apply", "n1?.jpg", "*.nef", "-o", "out/"]) == 1
    said = capsys.readouterr()
    assert said.out.splitlines() == [str(folder / "out" / "n10.jpg")]
    assert "*.nef: no file is called so" in said.err
    assert main(["apply", "*.nef", "-o", "none/"]) == 2
    assert capsys.readouterr().err.count("\n") == 1 and not (folder / "none").exists()
    assert main(["compare", "n*.jpg", "-o", "sheet.jpg"]) == 2
    assert "name one" in capsys.readouterr().err


def test_names_by_template(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    template = "out/{date:%Y}/{number:03}-{stem}-{preset}.{ext}"
    assert main(["apply", "a.jpg", "b.jpg", "-p", "winter", "-o", template, "--format", "tif"]) == 0
    made = sorted(path.relative_to(folder / "out").as_posix() for path in (folder / "out").rglob("*.tif"))
    assert made == ["2019/001-a-winter.tif", "2019/002-b-winter.tif"]
    capsys.readouterr()
    assert main(["apply", "a.jpg", "-o", "{camera}.jpg"]) == 2
    said = capsys.readouterr().err
    assert all(f"{{{field}}}" in said for field in FIELDS) and said.count("\n") == 1
    assert main(["apply", "a.jpg", "b.jpg", "-o", "{preset}.jpg"]) == 2
    assert "would both become" in capsys.readouterr().err
    assert main(["redo", f"out/{made[0]}", "--source", "a.jpg", "-o", "{stem}-{preset}-again.{ext}"]) == 0
    assert (folder / "001-a-winter-winter-again.tif").exists()


@given(name=st.text(st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), min_size=1))
def test_a_field_stays_one_part_of_a_path(name: str) -> None:
    subject = Subject(Path("in") / name, name.rstrip("/") or "p", taken=lambda: datetime(2024, 6, 1, 12, 30))
    filled = Template("x/{preset}/{stem}/{date:%H:%M}.jpg").filled(subject)
    parts = re.split(r"[/\\]" if os.name == "nt" else "/", filled)
    assert len(parts) == 4 and parts[0] == "x" and parts[3] == "12-30.jpg"
    assert not {parts[1], parts[2]} & {"", ".", ".."}


@pytest.mark.parametrize("text", ["../{stem}.jpg", "/{stem}.jpg", ".lptn-retouch/{stem}.jpg", "{stem}.gif", "{stem"])
def test_a_batchs_names_stay_in_its_folder(text: str) -> None:
    with pytest.raises(UsageError):
        Output(name=text)


@pytest.mark.slow
def test_a_batch_names_by_template_and_keeps_the_names(folder: Path) -> None:
    source, out = folder / "in", folder / "out"
    (source / "sub").mkdir(parents=True)
    (folder / "a.jpg").rename(source / "sub" / "m.jpg")
    (folder / "b.jpg").rename(source / "z.jpg")
    words = ["batch", "in", "out", "--workers", "1", "--name", "{number:02}-{preset}.{ext}"]
    assert main([*words, "--also", "web:format=jpeg,long-edge=32,name=small/{stem}.{ext}"]) == 0

    def made() -> list[str]:
        found = (path for path in out.rglob("*.jpg") if ".lptn-retouch" not in path.parts)
        return sorted(path.relative_to(out).as_posix() for path in found)

    first = ["02-retouch.jpg", "sub/01-retouch.jpg", "web/small/z.jpg", "web/sub/small/m.jpg"]
    assert made() == first
    (source / "a.jpg").write_bytes((source / "z.jpg").read_bytes())
    assert main([*words, "--also", "web:format=jpg,long-edge=32,name=small/{stem}.{ext}"]) == 0
    assert made() == sorted([*first, "03-retouch.jpg", "web/small/a.jpg"])


@pytest.mark.slow
def test_standard_input_and_output(folder: Path) -> None:
    content = (folder / "a.jpg").read_bytes()
    assert main(["apply", "a.jpg", "-o", "known.jpg"]) == 0
    process = start("apply", "-", "-o", "-", cwd=folder)
    out, err = process.communicate(content)
    assert process.returncode == 0 and b"lptn-retouch:" not in err, err
    (folder / "piped.jpg").write_bytes(out)
    piped, known = open_photo("piped.jpg"), open_photo("known.jpg")
    assert (piped.pixels == known.pixels).all()
    assert piped.metadata.exif == known.metadata.exif
    recipe = read_recipe(piped.metadata)
    assert recipe is not None and recipe.source_name == ""
    assert main(["redo", "piped.jpg"]) == 0, "its source is found by its content"
    assert (folder / "piped-redo.jpg").exists()


@pytest.mark.slow
def test_what_cannot_be_piped_is_a_sentence(folder: Path) -> None:
    for words, content, said in (
        (["apply", "-", "-o", "-"], b"no photograph", b"standard input: this is not a picture"),
        (["apply", "-"], b"", b"standard input has no name"),
    ):
        process = start(*words, cwd=folder)
        out, err = process.communicate(content)
        assert process.returncode in (1, 2) and out == b""
        assert said in err and err.count(b"\n") == 1


@pytest.mark.skipif(sys.platform != "linux", reason="terminals are made otherwise there")
def test_no_photograph_is_written_to_a_terminal(folder: Path) -> None:
    import pty

    terminal, inside = pty.openpty()
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-m", "lptn_retouch", "apply", "a.jpg", "-o", "-"]
    done = subprocess.run(words, stdout=inside, stderr=subprocess.PIPE, env=environment, cwd=folder, check=False)
    os.close(inside)
    os.close(terminal)
    assert done.returncode == 2 and b"is a terminal" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--format", "jpg", "-o", "out.png"], "is not jpg"),
        (["--format", "jpg", "-o", "{stem}.png"], "is not jpg"),
        (["-o", "out"], "add a slash (out/)"),
        (["b.jpg", "-o", "out.jpg"], "name a folder"),
        (["-o", "new/", "-p", "no such preset"], "preset"),
        (["-o", "new/", "--device", "nonsense"], "nonsense"),
    ],
)
def test_wrong_words_are_told_and_nothing_is_made(
    words: list[str], said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["apply", "a.jpg", *words]) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1
    assert sorted(path.name for path in folder.iterdir()) == ["a.jpg", "b.jpg"]


@pytest.mark.parametrize(("word", "ending"), [("jpeg", "jpg"), ("tif", "tif"), ("JPG", "jpg")])
def test_formats_have_two_names(word: str, ending: str, folder: Path) -> None:
    assert main(["apply", "a.jpg", "-o", "out/", "--format", word]) == 0
    assert (folder / "out" / f"a.{ending}").exists()
    assert Output.parse(f"web:format={word}").format == {"jpg": "jpg", "tif": "tiff"}[ending]


@pytest.mark.parametrize("verb", ["apply", "batch", "compare", "redo"])
def test_help_shows_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([verb, "--help"])
    said = capsys.readouterr().out
    assert f"Examples:\n  lptn-retouch {verb}" in said and "--overwrite" in said and "--skip" in said
