"""A folder from beginning to end: what is done, what fails, what is gone on with, and what survives being killed."""

import contextlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lptn_retouch import Photo, errors, open_photo, retouch
from lptn_retouch.batch import Output, Result, retouch_folder
from lptn_retouch.batch.journal import FOLDER, NAME, Journal, Past
from lptn_retouch.batch.local import LocalRunner
from lptn_retouch.batch.options import Settings
from lptn_retouch.batch.photograph import do
from lptn_retouch.batch.plan import Choice
from lptn_retouch.batch.process import DeadError, Process
from lptn_retouch.batch.run import Batch
from lptn_retouch.batch.settings import Look
from lptn_retouch.batch.thumbnails import Thumbnails
from lptn_retouch.batch.work import Work
from lptn_retouch.cli import main
from lptn_retouch.verify.compare import compare
from tests.places import SAMPLES

pytestmark = pytest.mark.real

LAKE = SAMPLES / "lake-sherburne.jpg"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real photograph with its metadata, 480 px wide, so that a batch of many takes seconds."""
    path = tmp_path_factory.mktemp("small") / "small.jpg"
    photo = open_photo(LAKE)
    photo.fitted(480).save(path)
    return path


@pytest.fixture
def source(tmp_path: Path, small: Path) -> Path:
    folder = tmp_path / "photos"
    for name in ("a.jpg", "sub/b.jpg", "sub/c.jpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(small, folder / name)
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "lptn_retouch", "batch", *map(str, words)]


def batch(*words: object, status: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command(*words), capture_output=True, text=True, timeout=240)
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    return done


def outcomes(results: Iterator[Result]) -> Counter[str]:
    return Counter(result.outcome for result in results)


def records(out: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (out / FOLDER / NAME).read_bytes().splitlines() if line.strip()]


def pixels(path: Path) -> np.ndarray:
    """All of a picture, decoded by another program than ours."""
    with Image.open(path) as picture:
        return np.asarray(picture)


def files_in(out: Path) -> set[str]:
    return {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file() and FOLDER not in path.parts}


# What is done.


def test_a_folder_is_retouched_as_its_photographs_are_alone(source: Path, out: Path) -> None:
    done = batch(source, out, "-p", "winter", "--amount", "0.8", "--json")
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert {(r["file"], r["outcome"], r["preset"]) for r in told} == {
        (name, "done", "winter") for name in ("a.jpg", "sub/b.jpg", "sub/c.jpg")
    }
    assert files_in(out) == {"a.jpg", "sub/b.jpg", "sub/c.jpg"}
    alone = retouch(source / "a.jpg", "winter", amount=0.8).save(source.parent / "alone.jpg").path
    assert (out / "sub" / "b.jpg").read_bytes() != (source / "sub" / "b.jpg").read_bytes()
    assert (pixels(out / "a.jpg") == pixels(alone)).all()
    assert all(r["metadata"].get("lost", 0) == 0 for r in told)
    assert compare(source / "a.jpg", out / "a.jpg").ok


def test_bad_files_are_named_and_the_others_done(source: Path, out: Path) -> None:
    (source / "empty.jpg").touch()
    (source / "cut.jpg").write_bytes((source / "a.jpg").read_bytes()[:5000])
    (source / "text.jpg").write_text("no photograph")
    (source / "notes.txt").write_text("left out")
    done = batch(source, out, status=1)
    said = [line for line in done.stderr.splitlines() if line.startswith("lptn-retouch: ")]
    assert len(said) == 3
    for name in ("empty.jpg", "cut.jpg", "text.jpg"):
        assert sum(name in line for line in said) == 1
    assert "3 done, 3 failed (1 no photographs left out)" in done.stderr
    assert len(files_in(out)) == 3
    failed = [r for r in records(out) if r.get("outcome") == "failed"]
    assert {r["file"] for r in failed} == {"empty.jpg", "cut.jpg", "text.jpg"}
    assert all(r["reason"] for r in failed)


def test_a_folder_that_cannot_be_listed_is_named(
    source: Path, out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = os.scandir

    def forbidden(path: str) -> object:
        if str(path).endswith("sub"):
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(os, "scandir", forbidden)  # root, who may run these tests, may list everything
    found = {r.file: r for r in retouch_folder(source, out)}
    assert {name: r.outcome for name, r in found.items()} == {"a.jpg": "done", "sub": "failed"}
    assert "cannot be listed" in found["sub"].reason
    assert main(["batch", str(source), str(out), "--dry-run"]) == 1
    assert "sub: this folder cannot be listed (Permission denied)" in capsys.readouterr().err


def test_two_outputs_in_one_pass_and_sidecars(source: Path, out: Path) -> None:
    (source / "a.xmp").write_text("<x:xmpmeta xmlns:x='adobe:ns:meta/'/>")
    web = Output("web", format="jpg", long_edge=200, profile="srgb", quality=80)
    results = list(retouch_folder(source, out, outputs=(Output(format="png"), web)))
    assert {r.outcome for r in results} == {"done"}
    assert files_in(out) >= {"a.png", "a.xmp", "web/a.jpg", "web/sub/b.jpg", "sub/c.png"}
    assert max(pixels(out / "web" / "a.jpg").shape) == 200
    assert (out / "a.xmp").read_bytes() == (source / "a.xmp").read_bytes()
    again = subprocess.run(
        [sys.executable, "-m", "lptn_retouch", "redo", out / "web/a.jpg", "--source", source / "a.jpg"],
        capture_output=True,
        text=True,
    )
    assert again.returncode == 0, again.stderr
    assert (out / "web" / "a-redo.jpg").read_bytes() == (out / "web" / "a.jpg").read_bytes()


def test_others_are_copied_with_their_dates(source: Path, out: Path) -> None:
    (source / "notes.txt").write_text("hello")
    os.utime(source / "notes.txt", (1e9, 1e9))
    assert outcomes(retouch_folder(source, out, copy_others=True)) == {"done": 3, "copied": 1}
    assert (out / "notes.txt").read_text() == "hello"
    assert (out / "notes.txt").stat().st_mtime == 1e9
    assert outcomes(retouch_folder(source, out, copy_others=True)) == {"skipped": 4}


def test_names_of_any_bytes_are_done_and_told(source: Path, out: Path) -> None:
    odd = os.fsdecode(b"caf\xe9 \x1b[31m\n.jpg")
    shutil.copy(source / "a.jpg", source / odd)
    (source / os.fsdecode(b"bad\xff.jpg")).write_text("nothing")
    done = subprocess.run(command(source, out, "--json"), capture_output=True, timeout=240)
    assert done.returncode == 1
    assert (out / odd).is_file()
    assert b"\x1b[31m" not in done.stderr + done.stdout
    assert odd in {json.loads(line)["file"] for line in done.stdout.splitlines()}


def test_rules_choose_the_look(source: Path, out: Path, tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text("[[rule]]\nfolder = 'sub'\nname = 'b*'\nskip = true\n[[rule]]\nfolder = 'sub'\npreset = 'night'\n")
    found = {r.file: r.preset for r in retouch_folder(source, out, rules=rules)}
    assert found == {"a.jpg": "retouch", "sub/c.jpg": "night"}


def test_a_dry_run_tells_and_writes_nothing(source: Path, out: Path) -> None:
    done = batch(source, out, "--dry-run", "-p", "night")
    assert "sub/b.jpg -> sub/b.jpg (night, amount 1, detail 1)" in done.stdout.splitlines()
    assert "3 photographs to be done, 0 done already" in done.stderr
    assert "free" in done.stderr
    assert not out.exists()


def test_quiet_is_quiet(source: Path, out: Path) -> None:
    done = batch(source, out, "--quiet")
    assert (done.stdout, done.stderr) == ("", "")


# What is refused first.


@pytest.mark.parametrize(
    "words",
    [
        ("{source}", "{source}"),
        ("{source}", "{source}/out"),
        ("{source}/missing", "{out}"),
        ("{source}", "{out}", "-p", "no such preset"),
        ("{source}", "{out}", "--include", "*.nothing"),
        ("{source}", "{out}", "--engine", "ray", "--address", "127.0.0.1:1"),
        ("{source}", "{out}", "--also", "web:size=2"),
        ("{source}", "{out}", "--rules", "{source}/missing.toml"),
        ("{source}", "{out}", "--report", "{out}/report.jpg"),
        ("{source}", "{source}/a.jpg"),
    ],
)
def test_wrong_usage_is_one_sentence_and_status_2(source: Path, out: Path, words: tuple[str, ...]) -> None:
    done = batch(*(word.format(source=source, out=out) for word in words), status=2)
    assert len(done.stderr.strip().splitlines()) == 1
    assert not out.exists() or not files_in(out)


def test_an_empty_name_is_not_the_working_folder(
    source: Path, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for words in ((source, ""), ("", out)):
        done = subprocess.run(command(*words), capture_output=True, text=True, timeout=240)
        assert done.returncode == 2
        assert "not an empty word" in done.stderr
        with pytest.raises(errors.UsageError):
            retouch_folder(*words)
    assert not list((tmp_path / "here").iterdir())


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="this system keeps one time zone")
def test_a_date_that_no_clock_has_is_wrong_usage(source: Path, out: Path) -> None:
    words = command(source, out, "--newer-than", "0001-01-01")
    done = subprocess.run(words, capture_output=True, text=True, timeout=240, env={**os.environ, "TZ": "Asia/Tokyo"})
    assert done.returncode == 2
    assert "a date like 2024-06-01" in done.stderr


def test_a_second_batch_into_the_same_folder_is_told(source: Path, out: Path) -> None:
    out.mkdir()
    with Journal(out, str(source)):
        done = batch(source, out, status=2)
    assert "another batch is at work there" in done.stderr
    assert batch(source, out).returncode == 0


# Going on.


def test_started_again_it_skips_what_is_done_and_does_what_is_not(source: Path, out: Path, small: Path) -> None:
    (source / "bad.jpg").write_text("nothing")
    assert outcomes(retouch_folder(source, out)) == {"done": 3, "failed": 1}
    before = {name: (out / name).stat().st_mtime_ns for name in files_in(out)}
    assert outcomes(retouch_folder(source, out)) == {"skipped": 3, "failed": 1}
    shutil.copy(small, source / "bad.jpg")
    shutil.copy(small, source / "new.jpg")
    (source / "a.jpg").write_bytes(small.read_bytes() + b"\0")
    found = {r.file: r.outcome for r in retouch_folder(source, out)}
    assert found == {
        "a.jpg": "done",
        "bad.jpg": "done",
        "new.jpg": "done",
        "sub/b.jpg": "skipped",
        "sub/c.jpg": "skipped",
    }
    assert (out / "sub/b.jpg").stat().st_mtime_ns == before["sub/b.jpg"]


def test_other_strengths_presets_and_outputs_are_done_again(source: Path, out: Path) -> None:
    assert outcomes(retouch_folder(source, out)) == {"done": 3}
    assert outcomes(retouch_folder(source, out, amount=0.5)) == {"done": 3}
    assert outcomes(retouch_folder(source, out, "night", amount=0.5)) == {"done": 3}
    assert outcomes(retouch_folder(source, out, "night", amount=0.5, outputs=(Output(quality=80),))) == {"done": 3}
    assert outcomes(retouch_folder(source, out, "night", amount=0.5, outputs=(Output(quality=80),))) == {"skipped": 3}


def test_a_photograph_touched_but_not_changed_is_read_and_skipped(source: Path, out: Path) -> None:
    list(retouch_folder(source, out))
    os.utime(source / "a.jpg")
    assert outcomes(retouch_folder(source, out)) == {"skipped": 3}


def test_a_result_that_is_missing_is_made_again(source: Path, out: Path) -> None:
    list(retouch_folder(source, out))
    (out / "a.jpg").unlink()
    assert outcomes(retouch_folder(source, out)) == {"done": 1, "skipped": 2}


def test_check_finds_what_size_and_date_hide(source: Path, out: Path) -> None:
    list(retouch_folder(source, out))
    for path in (source / "a.jpg", out / "sub" / "b.jpg"):
        status, data = path.stat(), bytearray(path.read_bytes())
        data[-20] ^= 1
        path.write_bytes(data)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert outcomes(retouch_folder(source, out)) == {"skipped": 3}
    assert {r.file: r.outcome for r in retouch_folder(source, out, check=True)} == {
        "a.jpg": "done",
        "sub/b.jpg": "done",
        "sub/c.jpg": "skipped",
    }


def test_a_sidecar_that_was_changed_goes_along_again(source: Path, out: Path) -> None:
    (source / "a.xmp").write_text("<x>3 stars</x>")
    list(retouch_folder(source, out))
    os.utime(source / "a.xmp")
    assert outcomes(retouch_folder(source, out)) == {"skipped": 3}
    (source / "a.xmp").write_text("<x>5 stars</x>")
    assert outcomes(retouch_folder(source, out)) == {"done": 1, "skipped": 2}
    assert (out / "a.xmp").read_text() == "<x>5 stars</x>"
    assert outcomes(retouch_folder(source, out)) == {"skipped": 3}


def test_a_copy_from_another_folder_is_not_known_by_size_and_date_alone(source: Path, out: Path) -> None:
    other = source.parent / "card 2"
    shutil.copytree(source, other)
    for folder in (source, other):
        (folder / "INDEX.BDM").write_text(f"{folder.name:>9}")
        os.utime(folder / "INDEX.BDM", (1e9, 1e9))
    list(retouch_folder(source, out, copy_others=True))
    found = {r.file: r.outcome for r in retouch_folder(other, out, copy_others=True)}
    assert found == {"a.jpg": "skipped", "sub/b.jpg": "skipped", "sub/c.jpg": "skipped", "INDEX.BDM": "failed"}


def test_a_file_of_somebody_else_is_left_as_it_is(source: Path, out: Path) -> None:
    out.mkdir()
    (out / "a.jpg").write_text("mine")
    done = batch(source, out, status=1)
    assert (out / "a.jpg").read_text() == "mine"
    assert "is there already and is left as it is" in done.stderr
    batch(source, out, status=1)
    assert (out / "a.jpg").read_text() == "mine"
    batch(source, out, "--overwrite")
    assert (out / "a.jpg").read_bytes()[:2] == b"\xff\xd8"


def test_a_result_edited_since_is_left_as_it_is(source: Path, out: Path) -> None:
    list(retouch_folder(source, out))
    (out / "a.jpg").write_text("edited")
    assert outcomes(retouch_folder(source, out)) == {"skipped": 3}
    found = {r.file: r for r in retouch_folder(source, out, "night")}
    assert found["a.jpg"].outcome == "failed"
    assert "was changed by another program" in found["a.jpg"].reason
    assert (out / "a.jpg").read_text() == "edited"


def test_photographs_of_the_same_names_from_another_folder_replace_nothing(source: Path, out: Path) -> None:
    list(retouch_folder(source, out))
    other = source.parent / "card 2"
    other.mkdir()
    Photo(np.full((60, 90, 3), 70, np.uint8)).save(other / "a.jpg")
    before = (out / "a.jpg").read_bytes()
    assert outcomes(retouch_folder(other, out)) == {"failed": 1}
    assert (out / "a.jpg").read_bytes() == before
    moved = source.rename(source.parent / "moved")
    assert outcomes(retouch_folder(moved, out)) == {"skipped": 3}


# The journal.


def test_a_journal_cut_at_any_byte_is_gone_on_with(tmp_path: Path) -> None:
    with Journal(tmp_path, "/photos") as journal:
        for number in range(3):
            claim = [{"file": f"{number}.jpg"}]
            journal.append({"file": f"{number}.jpg", "outcome": "begun", "outputs": claim})
            journal.append({"file": f"{number}.jpg", "outcome": "done", "outputs": claim})
    path = tmp_path / FOLDER / NAME
    whole = path.read_bytes()
    for end in range(len(whole)):
        path.write_bytes(whole[:end] + b"\0" * (end % 3))  # some disks leave zeros
        names = ("0.jpg", "1.jpg", "2.jpg")
        done = {name for name in names if Past(tmp_path, "/photos").done(name)}
        whole_lines = whole[: whole.rfind(b"\n", 0, end) + 1].count(b'"outcome": "done"')
        assert whole_lines <= len(done) <= whole_lines + 1
        with Journal(tmp_path, "/photos") as journal:
            journal.append({"file": "9.jpg", "outcome": "done", "outputs": []})
        past = Past(tmp_path, "/photos")
        assert past.done("9.jpg") is not None
        assert len({name for name in names if past.done(name)}) >= whole_lines


def test_lines_of_a_journal_that_were_spoilt_count_as_not_written(source: Path, out: Path) -> None:
    assert outcomes(retouch_folder(source, out)) == {"done": 3}
    path = out / FOLDER / NAME
    spoilt = [
        line.replace(b'"outc', b'"Outc') if b'"a.jpg"' in line else line for line in path.read_bytes().splitlines()
    ]
    path.write_bytes(
        b"\n".join([*spoilt, b'{"file": "x", "outcome": "done", "outputs": 3}', b"[]", b'"x"', b"\xff", b""])
    )
    found = {r.file: r.outcome for r in retouch_folder(source, out, overwrite=True)}
    assert found == {"a.jpg": "done", "sub/b.jpg": "skipped", "sub/c.jpg": "skipped"}


def test_a_journal_ended_in_another_thread_lets_go_of_the_folder(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "/photos")
    thread = threading.Thread(target=journal.close)
    thread.start()
    thread.join()
    Journal(tmp_path, "/photos").close()


def test_pictures_for_the_report_outlive_a_disk_that_says_no_for_once(tmp_path: Path) -> None:
    store = Thumbnails(tmp_path)
    store.put("a.jpg", b"before", b"after")
    with contextlib.closing(sqlite3.connect(tmp_path / "thumbnails.sqlite")) as other:
        other.execute("BEGIN EXCLUSIVE")
        store.put("b.jpg", b"before", b"after")
    assert store.has("a.jpg")
    (tmp_path / "thumbnails.sqlite").write_bytes(b"spoilt by a power cut" * 100)
    assert not store.has("a.jpg")
    store.put("a.jpg", b"before", b"after")
    assert store.has("a.jpg")


def test_the_journal_tells_all(source: Path, out: Path) -> None:
    list(retouch_folder(source, out, "winter"))
    begun, done = ([r for r in records(out) if r.get("outcome") == word] for word in ("begun", "done"))
    assert len(begun) == len(done) == 3
    for record in done:
        assert record.keys() >= {
            "file",
            "outcome",
            "outputs",
            "source",
            "recipe",
            "seconds",
            "metadata",
            "notices",
            "at",
        }
        assert record["source"].keys() == {"size", "modified", "sha256"}  # type: ignore[attr-defined]
        assert len(record["recipe"]["weights_sha256"]) == 64  # type: ignore[index]


# Scripts that drive it.

SCRIPT = """
from lptn_retouch import retouch_folder
print("begun")
for result in retouch_folder({source!r}, {out!r}):
    print(result.file, result.outcome)
"""


@pytest.mark.parametrize("how", ["a file", "standard input", "-c"])
def test_a_script_that_guards_nothing_is_run_once(source: Path, out: Path, tmp_path: Path, how: str) -> None:
    script = SCRIPT.format(source=str(source), out=str(out))
    (tmp_path / "script.py").write_text(script)
    words = {"a file": [tmp_path / "script.py"], "standard input": ["-"], "-c": ["-c", script]}[how]
    done = subprocess.run([sys.executable, *words], input=script, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.split("\n")) == ["", "a.jpg done", "begun", "sub/b.jpg done", "sub/c.jpg done"]


# Killed, stopped, full.


def test_a_process_that_dies_takes_one_photograph_with_it(source: Path, out: Path, small: Path) -> None:
    for number in range(12):
        shutil.copy(small, source / f"{number}.jpg")
    results, killed = [], False
    for result in retouch_folder(source, out, workers=2):
        results.append(result)
        if not killed:  # each has a photograph in work, or is just being given one
            victim = multiprocessing.active_children()[0]
            assert victim.pid
            os.kill(victim.pid, signal.SIGSEGV)
            killed = True
    found = Counter(r.outcome for r in results)
    assert found["failed"] <= 1
    assert found["done"] >= 14
    for result in results:
        if result.outcome == "failed":
            assert "died" in result.reason


@pytest.mark.skipif("forkserver" not in multiprocessing.get_all_start_methods(), reason="there is no fork server")
def test_a_fork_server_that_dies_is_replaced() -> None:
    from multiprocessing import forkserver

    process, found = Process(1), []
    process.call(os.getpid)
    process.kill()
    server = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
    os.kill(server, signal.SIGSTOP)
    thread = threading.Thread(target=lambda: found.append(process.call(os.getpid)))
    thread.start()
    time.sleep(1)  # it waits for an answer
    os.kill(server, signal.SIGKILL)
    thread.join(60)
    process.close()
    assert found


def test_what_killed_a_process_is_told_where_two_ask_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pool asks for a process' status too, and only the first who asks is told."""
    from multiprocessing import forkserver

    told = forkserver.read_signed

    def slowly(file: int) -> int:
        time.sleep(0.2)
        return told(file)

    monkeypatch.setattr(forkserver, "read_signed", slowly)
    with pytest.raises(DeadError, match="a decoder died of it"):
        Process(1).call(os.abort)


def test_what_killed_a_process_is_told(one_sentence: Callable[[object], str]) -> None:
    process = Process(1)
    with pytest.raises(DeadError) as caught:
        process.call(os.abort)
    assert "a decoder died of it" in one_sentence(caught.value)
    with pytest.raises(DeadError) as caught:
        process.call(os._exit, 3)
    assert "ended without a word" in one_sentence(caught.value)
    with pytest.raises(DeadError) as caught:
        process.call(time.sleep, 60, timeout=0.5)
    assert "longer than 0 seconds" in one_sentence(caught.value) or "given up" in one_sentence(caught.value)
    assert process.call(len, "abc") == 3
    process.close()


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="this system cannot hold a process")
def test_a_decoder_that_hangs_costs_one_photograph(source: Path, out: Path) -> None:
    settings = Settings(workers=1, timeout=3)
    with Batch(source, out, settings) as batch:
        batch._prepare([batch.work(job) for job in batch.plan.jobs])
        held = multiprocessing.active_children()[0]
        assert held.pid
        os.kill(held.pid, signal.SIGSTOP)
        results = list(batch.run())
    found = Counter(r.outcome for r in results)
    assert found == {"failed": 1, "done": 2}
    assert "longer than 3 seconds" in next(r.reason for r in results if r.outcome == "failed")


def test_a_process_killed_for_memory_has_its_photograph_done_alone(source: Path, out: Path) -> None:
    with Batch(source, out, Settings(workers=2)) as batch:
        batch._prepare([batch.work(job) for job in batch.plan.jobs])
        held = multiprocessing.active_children()
        for process in held:
            assert process.pid
            os.kill(process.pid, signal.SIGSTOP)
        run = batch.run()

        def kill() -> None:
            for process in held:
                process.kill()

        threading.Timer(1.5, kill).start()
        found = outcomes(run)
    assert found == {"done": 3}


def test_what_the_system_gives_no_memory_for_is_done_alone(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def starve(*_: object) -> Result:
        raise MemoryError

    monkeypatch.setattr("lptn_retouch.batch.photograph._retouched", starve)
    result = do(Work("a.jpg", source / "a.jpg", Look(), (Output(),), (source / "out.jpg",)))
    assert (result.outcome, result.alone) == ("failed", True)


def test_what_is_too_large_for_its_share_is_done_alone(source: Path, out: Path) -> None:
    Photo(np.full((1000, 1400, 3), 90, np.uint8)).save(source / "large.png")
    found = {r.file: r for r in retouch_folder(source, out, workers=2, memory_limit=20_000_000)}
    assert {r.outcome for r in found.values()} == {"done"}
    shutil.rmtree(out)
    found = {r.file: r for r in retouch_folder(source, out, workers=2, memory_limit=10_000_000)}
    assert found["large.png"].outcome == "failed"
    assert "megapixels needs" in found["large.png"].reason
    assert found["a.jpg"].outcome == "done"


def test_killed_at_any_moment_nothing_is_half_written_and_the_next_run_completes(
    source: Path, out: Path, small: Path
) -> None:
    for number in range(40):
        shutil.copy(small, source / f"{number:02}.jpg")
    moments, started = random.Random(7), time.monotonic()
    kills = 0
    while kills < 4 or (kills < 8 and time.monotonic() - started < 40):
        process = subprocess.Popen(command(source, out, "-q"), stderr=subprocess.DEVNULL)
        time.sleep(moments.uniform(1.0, 3.5))
        process.kill()
        process.wait()
        kills += 1
        for name in files_in(out) if out.exists() else ():
            if not Path(name).name.startswith(".lptn-"):
                pixels(out / name)
    batch(source, out, "-q")
    assert len(files_in(out)) == 43
    done = Counter(str(r["file"]) for r in records(out) if r.get("outcome") == "done")
    assert len(done) == 43
    assert set(done.values()) == {1}
    assert not list(out.rglob("*.tmp"))


@pytest.mark.skipif(not hasattr(signal, "SIGINT") or os.name == "nt", reason="signals are sent otherwise here")
@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_ends_cleanly_and_a_second_one_at_once(source: Path, out: Path, small: Path, times: int) -> None:
    for number in range(300):
        os.link(small, source / f"{number:03}.jpg")
    process = subprocess.Popen(
        command(source, out, "--json", "--workers", 2), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    assert process.stdout
    for _ in range(3):
        process.stdout.readline()
    for _ in range(times):
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all
        time.sleep(0.1)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert "finishing what is in work" in said
    if times == 1:
        assert "run the same again to go on" in said
        ended = {r["file"] for r in records(out) if r.get("outcome") == "done"}
        assert {r["file"] for r in records(out) if r.get("outcome") == "begun"} == ended, "what was in work is finished"
    assert not list(out.rglob("*.tmp")) or times == 2
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, 0)
        time.sleep(3)
        os.killpg(process.pid, 0)
        raise AssertionError("a process is left behind")


@pytest.fixture
def little_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Make a disk of so many kilobytes."""
    where = tmp_path / "disk"
    where.mkdir()

    def make(kilobytes: int) -> Path:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(where)], capture_output=True
        )
        if mounted.returncode:
            pytest.skip("no disk can be mounted here")
        return where

    if not shutil.which("mount"):
        pytest.skip("no disk can be mounted here")
    yield make
    subprocess.run(["umount", "-l", str(where)], capture_output=True)


def test_a_disk_too_small_is_refused_first(source: Path, little_disk: Callable[[int], Path]) -> None:
    disk = little_disk(64)
    done = batch(source, disk / "out", "--format", "png", status=2)
    assert "are free" in done.stderr
    assert not files_in(disk / "out")


def test_a_disk_that_runs_full_stops_the_batch_and_loses_nothing(
    source: Path, small: Path, little_disk: Callable[[int], Path]
) -> None:
    for number in range(10):
        shutil.copy(small, source / f"{number}.jpg")
    disk = little_disk(1200)
    fill = disk / "fill"
    results = retouch_folder(source, disk / "out", workers=1)
    next(results)
    fill.write_bytes(b"x" * max(0, shutil.disk_usage(disk).free - 40_000))
    with pytest.raises(errors.UnwritablePhotoError, match="run the same again"):
        list(results)
    for name in files_in(disk / "out"):
        pixels(disk / "out" / name)
    fill.unlink()
    found = outcomes(retouch_folder(source, disk / "out"))
    assert found["failed"] == 0
    assert found.total() == 13
    assert not list((disk / "out").rglob("*.tmp"))


def test_a_card_that_is_pulled_out_stops_the_batch_and_the_next_run_completes(
    source: Path, out: Path, small: Path
) -> None:
    for number in range(10):
        shutil.copy(small, source / f"{number}.jpg")
    results = retouch_folder(source, out, workers=1)
    next(results)
    away = source.rename(source.parent / "away")
    with pytest.raises(errors.UnreadablePhotoError, match="is gone"):
        list(results)
    away.rename(source)
    found = outcomes(retouch_folder(source, out))
    assert found["failed"] == 0
    assert found.total() == 13


def test_a_folder_of_results_that_vanishes_stops_the_batch(source: Path, out: Path, small: Path) -> None:
    for number in range(10):
        shutil.copy(small, source / f"{number}.jpg")
    results = retouch_folder(source, out, workers=1)
    next(results)
    shutil.rmtree(out)
    found = list(results)  # a folder that was removed is made again; what is lost with it is done in the next run
    assert len(found) <= 12
    assert outcomes(retouch_folder(source, out)).total() == 13
    assert len(files_in(out)) == 13


def test_a_process_that_dies_before_any_photograph_is_one_sentence(one_sentence: Callable[[object], str]) -> None:
    with LocalRunner(1) as runner, pytest.raises(errors.LptnRetouchError) as caught:
        runner.call(os.abort)
    assert "fewer --workers" in one_sentence(caught.value)


def test_what_a_process_dies_of_in_a_forecast_is_its_photograph_s(source: Path, out: Path) -> None:
    with Batch(source, out, Settings(workers=1), dry=True) as batch:
        works = [batch.work(job) for job in batch.plan.jobs]
        batch._prepare(works)
        (held,) = multiprocessing.active_children()
        assert held.pid
        os.kill(held.pid, signal.SIGSTOP)
        threading.Timer(1, held.kill).start()
        assert [result.outcome for result in batch.try_out(works)] == ["failed", "done", "done"]


@pytest.mark.skipif(os.name == "nt", reason="this system keeps a folder that somebody is in")
def test_a_working_folder_that_is_gone_is_named(source: Path, out: Path, tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    words = ["sh", "-c", 'cd "$0" && rmdir "$0" && exec "$@"', tmp_path / "gone", *command(source, out)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=240)
    assert done.returncode == 1
    assert "the working folder is gone" in done.stderr


def test_too_few_open_files_are_one_sentence_and_the_next_run_goes_on(source: Path, out: Path) -> None:
    resource = pytest.importorskip("resource")
    limited = subprocess.run(
        command(source, out, "--workers", 30),
        capture_output=True,
        text=True,
        timeout=240,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (24, 24)),
    )
    assert limited.returncode == 1
    assert "allows no further process" in limited.stderr
    assert "standard output" not in limited.stderr
    assert batch(source, out).returncode == 0


def test_leaving_the_generator_early_leaves_no_process(source: Path, out: Path) -> None:
    results = retouch_folder(source, out)
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert not multiprocessing.active_children()
    assert outcomes(retouch_folder(source, out)).total() == 3


def test_a_fault_of_the_runner_is_raised_after_all_have_ended(source: Path, out: Path) -> None:
    work = Work("a.jpg", source / "a.jpg", Look(), (Output(),), (out / "a.jpg",))

    def begin(_: Work) -> None:
        raise RuntimeError("the journal is gone")

    with LocalRunner(2) as runner, pytest.raises(RuntimeError, match="journal"):
        list(runner.run([work, work], begin, lambda *_: None, lambda: False))


# Watching.


@pytest.mark.skipif(os.name == "nt", reason="signals are sent otherwise here")
def test_a_folder_that_is_watched_is_kept_going(source: Path, out: Path, small: Path) -> None:
    process = subprocess.Popen(
        command(source, out, "--watch", "--json"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout
    first = {json.loads(process.stdout.readline())["file"] for _ in range(3)}
    assert first == {"a.jpg", "sub/b.jpg", "sub/c.jpg"}
    data = small.read_bytes()
    with (source / "slow.jpg").open("wb") as file:  # as from a slow card: in pieces, with rests
        for start in range(0, len(data), len(data) // 4 + 1):
            file.write(data[start : start + len(data) // 4 + 1])
            file.flush()
            time.sleep(0.9)
    told = json.loads(process.stdout.readline())
    assert (told["file"], told["outcome"]) == ("slow.jpg", "done")
    (source / "late").mkdir()
    shutil.copy(small, source / "late" / "d.jpg")
    told = json.loads(process.stdout.readline())
    assert (told["file"], told["outcome"]) == (os.path.join("late", "d.jpg"), "done")  # noqa: PTH118
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 0, said
    assert "Traceback" not in said


# The report, from the command.


def test_the_report_holds_every_photograph(source: Path, out: Path) -> None:
    (source / "bad.jpg").write_text("nothing")
    batch(source, out, "--report", out / "report.html", status=1)
    page = (out / "report.html").read_text()
    assert all(name in page for name in ("a.jpg", "b.jpg", "c.jpg", "bad.jpg"))
    size = len(page)
    batch(source, out, "--report", out / "report.html", status=1)
    assert len((out / "report.html").read_text()) == pytest.approx(size, rel=0.1), "pictures are kept for later reports"


def test_a_batch_is_stopped_while_pictures_for_the_report_are_made_up_for(source: Path, out: Path) -> None:
    list(retouch_folder(source, out))
    with Batch(source, out, Settings(thumbnails=True)) as batch:
        run = batch.run()
        assert next(run).outcome == "skipped"
        batch.stop()
        assert list(run) == []


def test_what_a_batch_killed_at_its_report_has_left_is_removed_by_the_next(source: Path, out: Path) -> None:
    (source.parent / "pages").mkdir()
    left = source.parent / "pages" / ".lptn-0123456789abcdef.tmp"
    left.write_text("half a page")
    list(retouch_folder(source, out, report=source.parent / "pages" / "report.html"))
    assert not left.exists()


def test_a_report_of_results_done_without_one_has_pictures_too(source: Path, out: Path) -> None:
    batch(source, out)
    assert not (out / FOLDER / "thumbnails.sqlite").exists()
    batch(source, out, "--report", out / "report.html")
    assert (out / "report.html").stat().st_size > 50_000


def test_the_default_choice_is_everything_with_the_preset_retouch() -> None:
    assert Choice().look == Look("retouch", 1.0, 1.0)
