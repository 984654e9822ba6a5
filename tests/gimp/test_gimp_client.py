"""The plug-in's side of the protocol, without a GIMP: with an engine that keeps to it, and with several that don't."""

from __future__ import annotations

import importlib
import json
import shlex
import sys
import threading
import time
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
PLUG_IN = HERE.parents[1] / "plugins" / "gimp" / "lptn-retouch"
FAKE = [sys.executable, str(HERE / "fake_engine.py")]
PICTURE = {"width": 2, "height": 1, "channels": 3, "type": "u8"}
PIXELS = bytes(range(6))
INVERTED = bytes(255 - value for value in PIXELS)


@pytest.fixture
def client(monkeypatch, tmp_path):
    """The module engine.py as the plug-in imports it, with nothing installed, and its log in a folder of its own."""
    monkeypatch.syspath_prepend(str(PLUG_IN))
    for name in ("engine", "worker"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    module = importlib.import_module("engine")
    monkeypatch.setattr(module, "HERE", tmp_path)
    monkeypatch.delenv("LPTN_RETOUCH_ENGINE", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    yield module
    for name in ("engine", "worker"):
        sys.modules.pop(name, None)


@pytest.fixture
def engine(client, monkeypatch):
    monkeypatch.setenv("LPTN_RETOUCH_ENGINE", shlex.join(FAKE))
    engine = client.Engine()
    yield engine
    engine.close()


def test_the_engine_is_what_the_environment_names_then_what_was_installed_then_what_is_on_path(
    client, monkeypatch, tmp_path
):
    on_path = tmp_path / "lptn-retouch"
    on_path.write_text("#!/bin/sh\n")
    on_path.chmod(0o755)
    assert client.command() == [str(on_path), "serve"]
    installed = [sys.executable, "-m", "lptn_retouch", "serve"]
    (tmp_path / "engine.json").write_text(json.dumps({"command": installed, "protocol": 1}))
    assert client.command() == installed
    monkeypatch.setenv("LPTN_RETOUCH_ENGINE", "'/my engine' serve")
    assert client.command() == ["/my engine", "serve"]


def test_the_engine_knows_nothing_of_the_editor_s_own_python(client, monkeypatch):
    for name in client.EDITORS_OWN:
        monkeypatch.setenv(name, "/editor")
    assert not set(client.EDITORS_OWN) & set(client.environment())
    assert "PATH" in client.environment()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, ("not installed", "pip install lptn-retouch", "lptn-retouch gimp install")),
        ("{", ("engine.json", "lptn-retouch gimp install")),
        ('{"command": "python3"}', ("engine.json", "lptn-retouch gimp install")),
        ('{"command": []}', ("engine.json", "lptn-retouch gimp install")),
        ('{"command": ["/gone/python"]}', ("/gone/python", "pip install lptn-retouch", "lptn-retouch gimp install")),
    ],
)
def test_an_engine_that_is_not_there_is_told_with_what_to_type(client, tmp_path, one_sentence, text, words):
    if text:
        (tmp_path / "engine.json").write_text(text)
    with pytest.raises(client.EngineError) as told:
        client.Engine()
    assert all(word in one_sentence(told.value) for word in words)


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("print('hello')", ("not the engine", "hello", "lptn-retouch gimp install")),
        ("pass", ("status 0", "it said nothing", "gimp doctor", "engine.log")),
        ("import no_such_module", ("No module named", "no_such_module", "gimp doctor", "engine.log")),
        ("import os; os.kill(os.getpid(), 9)", ("was killed", "memory", "engine.log")),
        ('print(\'{"kind": "hello", "protocol": 7, "version": "9.9"}\')', ("protocol 1", "9.9", "protocol 7")),
        ('print(\'{"kind": "done", "sizes": ["x"]}\')', ("not the engine", "lptn-retouch gimp install")),
    ],
)
def test_what_is_no_engine_or_another_is_told(client, monkeypatch, one_sentence, program, words):
    monkeypatch.setenv("LPTN_RETOUCH_ENGINE", shlex.join([sys.executable, "-c", program]))
    with pytest.raises(client.EngineError) as told:
        client.Engine()
    assert all(word in one_sentence(told.value) for word in words)


def test_an_engine_that_says_nothing_is_not_waited_for_for_ever(client, monkeypatch, one_sentence):
    monkeypatch.setattr(client, "HELLO_WITHIN", 0.2)
    monkeypatch.setenv("LPTN_RETOUCH_ENGINE", shlex.join([sys.executable, "-c", "import time; time.sleep(60)"]))
    with pytest.raises(client.EngineError) as told:
        client.Engine()
    assert "did not answer" in one_sentence(told.value)


def test_a_picture_is_retouched_and_progress_told(engine):
    shares = []
    message, payloads = engine.ask(dict(PICTURE, do="retouch", preset="winter"), (PIXELS, b""), shares.append)
    assert payloads == [INVERTED]
    assert (message["width"], message["height"]) == (2, 1)
    assert shares == [0.5]


def test_after_an_error_the_engine_goes_on(client, engine, one_sentence):
    for preset, code in (("wintr", "preset"), ("memory", "memory")):
        with pytest.raises(client.EngineError) as told:
            engine.ask(dict(PICTURE, do="retouch", preset=preset), (PIXELS,))
        assert told.value.code == code
        one_sentence(told.value)
    assert engine.ask(dict(PICTURE, do="retouch", preset="winter"), (PIXELS,))[1] == [INVERTED]


def test_an_engine_that_is_killed_at_work_is_told(client, engine, one_sentence):
    with pytest.raises(client.EngineError) as told:
        engine.ask(dict(PICTURE, do="retouch", preset="die"), (PIXELS,))
    assert "memory" in one_sentence(told.value)
    with pytest.raises(client.EngineError):
        engine.ask({"do": "presets"})


def test_a_retouch_is_cancelled_from_another_thread_and_the_next_goes_on(client, engine):
    threading.Timer(0.3, engine.cancel).start()
    with pytest.raises(client.EngineError) as told:
        engine.ask(dict(PICTURE, do="retouch", preset="slow"), (PIXELS,))
    assert told.value.code == "cancelled"
    assert engine.ask(dict(PICTURE, do="retouch", preset="winter"), (PIXELS,))[1] == [INVERTED]


def test_an_engine_ends_when_its_input_does_whatever_it_is_at(client, engine):
    def ask():
        with pytest.raises(client.EngineError):
            engine.ask(dict(PICTURE, do="retouch", preset="hang"), (PIXELS,))

    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(0.3)
    engine.close()
    assert engine.process.poll() == 0
    thread.join(5)
    assert not thread.is_alive()


class Told:
    """What a worker has told, to be waited for."""

    def __init__(self):
        self.news = []
        self.change = threading.Condition()

    def __call__(self, *news):
        with self.change:
            self.news.append(news)
            self.change.notify()

    def wait(self, *start):
        with self.change:
            assert self.change.wait_for(lambda: [n for n in self.news if n[: len(start)] == start], 20), self.news
            return [n for n in self.news if n[: len(start)] == start]


@pytest.fixture
def worker(client, monkeypatch):
    del client  # it lets the next line find the module
    monkeypatch.setenv("LPTN_RETOUCH_ENGINE", shlex.join(FAKE))
    told = Told()
    worker = importlib.import_module("worker").Worker(told)
    worker.told = told
    worker.add_picture("fit", PICTURE, (PIXELS,))
    worker.add_picture("thumbnail", PICTURE, (PIXELS,))
    yield worker
    engine = worker.stop(0)
    if engine:
        engine.close()


def test_the_newest_preview_comes_before_the_thumbnails_and_an_older_one_is_cancelled(worker):
    worker.told.wait("presets")
    worker.want("fit", {"preset": "slow"}, 1)
    time.sleep(0.3)
    worker.want_thumbnails(["retouch", "winter"])
    worker.want("fit", {"preset": "winter", "amount": 1}, 2)
    worker.told.wait("thumbnail", "winter")
    kinds = [news for news in worker.told.news if news[0] != "presets"]
    assert [(news[0], news[-1]) for news in kinds[:1]] == [("preview", 2)]
    assert kinds == [("preview", "fit", INVERTED, 2), *(("thumbnail", p, INVERTED) for p in ("retouch", "winter"))]


@pytest.mark.slow
def test_a_thumbnail_that_gives_way_to_a_preview_is_made_afterwards(worker):
    worker.told.wait("presets")
    worker.want_thumbnails(["slow"])
    time.sleep(0.3)
    worker.want("fit", {"preset": "winter"}, 1)
    worker.told.wait("preview")
    worker.told.wait("thumbnail", "slow")


def test_a_new_engine_takes_the_place_of_one_that_was_killed(worker, one_sentence):
    worker.told.wait("presets")
    worker.want("fit", {"preset": "die"}, 1)
    (_, sentence, mark), *_ = worker.told.wait("failed")
    assert mark == 1
    one_sentence(sentence)
    worker.want("fit", {"preset": "winter"}, 2)
    assert worker.told.wait("preview") == [("preview", "fit", INVERTED, 2)]


def test_a_worker_hands_over_a_warm_engine(worker):
    worker.told.wait("presets")
    worker.want("fit", {"preset": "slow"}, 1)
    time.sleep(0.3)
    engine = worker.stop(10)
    assert engine.ask(dict(PICTURE, do="retouch", preset="winter"), (PIXELS,))[1] == [INVERTED]


def test_a_worker_does_not_wait_for_an_engine_that_does_not_let_go(worker):
    worker.told.wait("presets")
    worker.want("fit", {"preset": "deaf"}, 1)
    time.sleep(0.3)
    assert worker.stop(0.2) is None
    assert not worker.thread.is_alive()
