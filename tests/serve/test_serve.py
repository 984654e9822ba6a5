"""The engine process that editors talk to: real processes and pipes, every promise of docs/serve.md."""

from __future__ import annotations

import io
import json
import os
import queue
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lptn_retouch import Photo, Retoucher, __version__
from lptn_retouch.color import adobe_rgb_profile, srgb_profile
from lptn_retouch.metadata import Metadata
from lptn_retouch.model.graded import GradedLPTN
from lptn_retouch.model.lptn import LPTN
from lptn_retouch.picture.samples import one_channel
from lptn_retouch.preset import write_preset
from lptn_retouch.serve.wire import MAX_LINE, EndOfInputError, Incoming, UnreadableError

pytestmark = pytest.mark.real

Frame = tuple[dict[str, Any], list[bytes]]
Sentence = Callable[[object], str]

TYPES = {"u8": np.uint8, "u16": np.uint16, "f32": np.float32}
PATIENCE = 120  # seconds, after which a test has failed: kernels may have to be compiled
SERVE = "from lptn_retouch.serve import serve; serve()"


class Editor:
    """What an editor does: starts the engine, writes frames, reads frames."""

    def __init__(self, script: str | None = None, **environment: str) -> None:
        what = ["-m", "lptn_retouch", "serve"] if script is None else ["-c", script]
        self.process = subprocess.Popen(
            [sys.executable, *what],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
            bufsize=0,
        )
        self._frames: queue.Queue[Frame | None] = queue.Queue()
        self._id = 0
        self._said: list[bytes] = []
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._read, self._listen)]
        for thread in self._threads:
            thread.start()
        self.hello = self.next()[0]

    def __enter__(self) -> Editor:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.end()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()

    def _read(self) -> None:
        out = io.BufferedReader(self.process.stdout)  # type: ignore[type-var]
        while text := out.readline():
            message = json.loads(text)
            self._frames.put((message, [out.read(size) for size in message.get("sizes", [])]))
        self._frames.put(None)
        out.detach()

    def _listen(self) -> None:
        assert self.process.stderr is not None
        while piece := self.process.stderr.read(4096):
            self._said.append(piece)

    def write(self, data: bytes | memoryview) -> None:
        assert self.process.stdin is not None
        rest = memoryview(data)
        while rest:
            rest = rest[self.process.stdin.write(rest) :]

    def send(self, do: str, *payloads: bytes, **keys: Any) -> int:
        self._id += 1
        sizes = {"sizes": [len(payload) for payload in payloads]} if payloads else {}
        self.write(json.dumps({"id": self._id, "do": do, **sizes, **keys}).encode() + b"\n")
        for payload in payloads:
            self.write(payload)
        return self._id

    def next(self) -> Frame:
        frame = self._frames.get(timeout=PATIENCE)
        assert frame is not None, b"".join(self._said).decode()
        return frame

    def answer(self) -> Frame:
        """The next message that is no progress."""
        while (frame := self.next())[0]["kind"] == "progress":
            assert 0 <= frame[0]["share"] <= 1
        return frame

    def ask(self, do: str, *payloads: bytes, **keys: Any) -> Frame:
        wanted = self.send(do, *payloads, **keys)
        frame = self.answer()
        assert frame[0]["id"] == wanted
        return frame

    def fails(self, do: str, *payloads: bytes, **keys: Any) -> tuple[str, str]:
        message, _ = self.ask(do, *payloads, **keys)
        assert message["kind"] == "error", message
        return message["code"], message["message"]

    def retouch(self, array: np.ndarray, icc: bytes | None = None, preset: str = "tiny", **keys: Any) -> np.ndarray:
        return self.result(array, self.ask("retouch", *sent(array, icc), preset=preset, **said(array), **keys))

    def result(self, like: np.ndarray, frame: Frame) -> np.ndarray:
        message, payloads = frame
        assert message["kind"] == "done", message
        assert {key: message[key] for key in said(like)} == said(like)
        assert isinstance(message["seconds"], float)
        assert len(payloads) == 1
        self.notices = message["notices"]
        return np.frombuffer(payloads[0], like.dtype).reshape(like.shape)

    def end(self) -> int:
        """Wait until the process is gone, for so long as a person would."""
        status = self.process.wait(timeout=10)
        for thread in self._threads:
            thread.join(10)
        return status

    def stderr(self) -> str:
        return b"".join(self._said).decode()


def said(array: np.ndarray) -> dict[str, Any]:
    kind = next(name for name, dtype in TYPES.items() if dtype == array.dtype)
    return {"width": array.shape[1], "height": array.shape[0], "channels": array.shape[2], "type": kind}


def sent(array: np.ndarray, icc: bytes | None = None) -> list[bytes]:
    return [array.tobytes(), *([] if icc is None else [icc])]


def picture(kind: str = "u8", channels: int = 3, height: int = 70, width: int = 110, seed: int = 0) -> np.ndarray:
    """Smooth colours with some noise, and holes in the alpha."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    waves = [0.5 + 0.4 * np.sin(5 * x + c) * np.cos(4 * y - c) for c in range(channels)]
    values = np.clip(np.stack(waves, axis=2) + random.normal(0, 0.03, (height, width, channels)), 0, 1)
    if channels in (2, 4):
        values[: height // 3, : width // 4, -1] = 0
    if kind == "f32":
        return values.astype(np.float32)
    return np.rint(values * np.iinfo(TYPES[kind]).max).astype(TYPES[kind])


def expected(array: np.ndarray, icc: bytes | None = None, preset: str = "tiny", **strength: float) -> np.ndarray:
    """What the library makes of it."""
    grey = array.shape[2] < 3
    colour = np.concatenate([array[:, :, :1]] * 2 + [array], axis=2) if grey else array
    retoucher = Retoucher(preset)
    if icc is None:
        result = retoucher(colour, **strength)
    else:
        result = retoucher(Photo(colour, metadata=Metadata.build(icc=icc)), **strength).pixels
    return one_channel(result).reshape(array.shape) if grey else result


def grey_profile(gamma: float) -> bytes:
    tone = b"curv" + bytes(4) + (1).to_bytes(4, "big") + round(gamma * 256).to_bytes(2, "big") + bytes(2)
    white = b"XYZ " + bytes(4) + b"".join(round(v * 65536).to_bytes(4, "big") for v in (0.9642, 1, 0.8249))
    body = (2).to_bytes(4, "big")
    for name, start, size in ((b"kTRC", 156, len(tone)), (b"wtpt", 156 + len(tone), len(white))):
        body += name + start.to_bytes(4, "big") + size.to_bytes(4, "big")
    body += tone + white
    head = (128 + len(body)).to_bytes(4, "big") + bytes(4) + bytes.fromhex("02100000") + b"mntrGRAYXYZ " + bytes(12)
    return head + b"acsp" + bytes(128 - len(head) - 4) + body


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny_old: GradedLPTN) -> Iterator[Path]:
    """The user's presets: one that does something, and some that are not sound."""
    folder = tmp_path_factory.mktemp("presets")
    write_preset(folder / "tiny.safetensors", tiny_old.state_dict(), {"summary": "Tiny."})
    hostile = GradedLPTN(width=8, blocks=1, mask_width=4)
    with torch.no_grad():
        for parameter in hostile.parameters():
            parameter.copy_(torch.sign(parameter) * 1e38)
    write_preset(folder / "hostile.safetensors", hostile.state_dict(), {})
    (folder / "torn.safetensors").write_bytes((folder / "tiny.safetensors").read_bytes()[:500])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LPTN_RETOUCH_PRESETS", str(folder))
        yield folder


@pytest.fixture(scope="module")
def editor(folder: Path) -> Iterator[Editor]:  # noqa: ARG001
    """One for many tests, as it has to stand them."""
    with Editor() as editor:
        yield editor


# What comes first.


def test_hello_says_protocol_and_version(editor: Editor) -> None:
    assert editor.hello == {"kind": "hello", "protocol": 1, "version": __version__}


def test_presets_are_told_with_the_users_own(editor: Editor) -> None:
    presets = {entry.pop("name"): entry for entry in editor.ask("presets")[0]["presets"]}
    assert presets["tiny"] == {"summary": "Tiny.", "own": True, "alters": ""}
    assert presets["torn"] == {"summary": "", "own": True, "alters": ""}
    assert presets["winter"]["alters"] == "season" and not presets["winter"]["own"]
    assert len(presets) == 11


def test_a_look_of_ours_needs_no_torch_and_a_published_one_without_it_is_a_sentence(
    tmp_path: Path, one_sentence: Sentence
) -> None:
    write_preset(tmp_path / "published.safetensors", LPTN(2, 1, 1).state_dict(), {})
    with Editor(f"import sys; sys.modules['torch'] = None\n{SERVE}", LPTN_RETOUCH_PRESETS=str(tmp_path)) as editor:
        assert len(editor.ask("presets")[0]["presets"]) >= 8
        editor.ask("retouch", *sent(picture()), preset="retouch", **said(picture()))
        code, message = editor.fails("retouch", *sent(picture()), preset="published", **said(picture()))
        assert code == "internal" and "torch" in one_sentence(message)


SLOW_IMPORT = """
import sys, time
class Slowly:
    def find_spec(self, name, path=None, target=None):
        if name == "lptn_retouch.color.convert":  # one thread is at it while the other asks for color.space
            time.sleep(1.5)
sys.meta_path.insert(0, Slowly())
from lptn_retouch.serve import serve
serve()
"""


def test_a_picture_that_comes_while_the_engine_is_still_imported(folder: Path) -> None:
    assert folder.is_dir()
    with Editor(SLOW_IMPORT) as editor:
        assert np.array_equal(editor.retouch(picture()), expected(picture()))


def test_any_number_of_presets_fits_into_a_message(tmp_path: Path, tiny: GradedLPTN) -> None:
    for number in range(120):
        write_preset(tmp_path / f"p{number}.safetensors", tiny.state_dict(), {"summary": "långt " * 500})
    with Editor(LPTN_RETOUCH_PRESETS=str(tmp_path)) as editor:
        message, _ = editor.ask("presets")
        assert len(message["presets"]) == 128
        assert len(json.dumps(message)) < MAX_LINE


# Pictures, bit for bit as the library makes them.


@pytest.mark.parametrize("size", [(1, 1), (70, 111), (220, 231)])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", TYPES)
def test_every_type_and_number_of_channels(editor: Editor, kind: str, channels: int, size: tuple[int, int]) -> None:
    array = picture(kind, channels, *size)
    result = editor.retouch(array)
    assert np.array_equal(result, expected(array))
    assert editor.notices == []
    if size != (1, 1):
        assert not np.array_equal(result, array)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("channels", [3, 4])
def test_a_picture_comes_back_in_its_own_space(editor: Editor, kind: str, channels: int) -> None:
    array, icc = picture(kind, channels), adobe_rgb_profile()
    result = editor.retouch(array, icc)
    assert np.array_equal(result, expected(array, icc))
    assert not np.array_equal(result, expected(array))
    assert editor.notices == []


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("channels", [1, 2])
def test_greys_come_back_in_their_own_space(editor: Editor, kind: str, channels: int) -> None:
    array, icc = picture(kind, channels), grey_profile(1.2)
    result = editor.retouch(array, icc)
    assert np.array_equal(result, expected(array, icc))
    assert not np.array_equal(result, expected(array))
    assert editor.notices == []


@pytest.mark.parametrize("icc", [b"", srgb_profile()], ids=["empty", "sRGB"])
def test_an_empty_profile_and_srgbs_are_srgb(editor: Editor, icc: bytes) -> None:
    assert np.array_equal(editor.retouch(picture(), icc), expected(picture()))
    assert editor.notices == []


@pytest.mark.parametrize(
    "icc", [b"no profile", grey_profile(1.2), adobe_rgb_profile()[:200]], ids=["damaged", "of-greys", "cut"]
)
def test_a_profile_that_cannot_be_used_is_told_and_srgb_taken(
    editor: Editor, icc: bytes, one_sentence: Sentence
) -> None:
    assert np.array_equal(editor.retouch(picture(), icc), expected(picture()))
    assert len(editor.notices) == 1 and "sRGB" in one_sentence(editor.notices[0])


@pytest.mark.parametrize("strength", [{"amount": 0.3}, {"detail": 2}, {"amount": 1.5, "detail": 0}, {"amount": 0}])
def test_amount_and_detail(editor: Editor, strength: dict[str, float]) -> None:
    assert np.array_equal(editor.retouch(picture(), **strength), expected(picture(), **strength))


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_amount_and_detail_of_nought_are_the_input(editor: Editor, kind: str, channels: int) -> None:
    array = picture(kind, channels)
    if kind == "f32":
        array[0, :3, 0] = -1, 7, np.nan
    result = editor.retouch(array, adobe_rgb_profile(), amount=0, detail=0)
    assert result.tobytes() == array.tobytes()


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_floats_beyond_the_range_are_clipped_and_told(editor: Editor, channels: int, one_sentence: Sentence) -> None:
    array = picture("f32", channels)
    array[:20, :20] = 9.5
    array[-1, -1] = -np.inf
    assert np.array_equal(editor.retouch(array), expected(np.clip(array, 0, 1)))
    assert len(editor.notices) == 1 and "clipped" in one_sentence(editor.notices[0])


def test_floats_that_are_none_are_refused(editor: Editor, one_sentence: Sentence) -> None:
    array = picture("f32")
    array[3, 4, 1] = np.nan
    code, message = editor.fails("retouch", *sent(array), preset="tiny", **said(array))
    assert code == "usage" and "NaN" in one_sentence(message)


def test_a_preset_can_be_named_by_its_path_and_shipped_ones_by_name(editor: Editor, folder: Path) -> None:
    assert np.array_equal(editor.retouch(picture(), preset=str(folder / "tiny.safetensors")), expected(picture()))
    assert np.array_equal(editor.retouch(picture(), preset="winter"), expected(picture(), preset="winter"))


def test_a_preset_that_was_trained_again_is_read_again(
    editor: Editor, folder: Path, fill: Callable[..., GradedLPTN]
) -> None:
    write_preset(folder / "new.safetensors", fill(GradedLPTN(width=8, blocks=1, mask_width=4), 5).state_dict(), {})
    before = editor.retouch(picture(), preset="new")
    write_preset(folder / "new.safetensors", fill(GradedLPTN(width=8, blocks=1, mask_width=4), 6).state_dict(), {})
    after = editor.retouch(picture(), preset="new")
    assert not np.array_equal(before, after)
    assert np.array_equal(after, expected(picture(), preset="new"))
    (folder / "new.safetensors").unlink()


# Pictures that are kept.


@pytest.mark.parametrize("kind", TYPES)
def test_a_kept_picture_is_retouched_again_and_again(editor: Editor, kind: str) -> None:
    array, icc = picture(kind, 4), adobe_rgb_profile()
    array[0, 0, 0] = 2 if kind == "f32" else array[0, 0, 0]  # to be clipped, in a copy
    message, payloads = editor.ask("keep", *sent(array, icc), picture="a", **said(array))
    assert message["kind"] == "done" and payloads == []
    wanted = np.clip(array, 0, 1) if kind == "f32" else array
    for amount in (0.2, 1.0, 0.2):
        frame = editor.ask("retouch", picture="a", preset="tiny", amount=amount)
        assert np.array_equal(editor.result(array, frame), expected(wanted, icc, amount=amount))
    untouched = editor.ask("retouch", picture="a", preset="tiny", amount=0, detail=0)
    assert editor.result(array, untouched).tobytes() == array.tobytes()


def test_several_are_kept_replaced_and_let_go(editor: Editor, one_sentence: Sentence) -> None:
    first, second, third = picture(seed=1), picture("u16", 1, seed=2), picture(seed=3)
    editor.ask("keep", *sent(first), picture="one", **said(first))
    editor.ask("keep", *sent(second), picture="two", **said(second))
    for name, array in (("one", first), ("two", second)):
        frame = editor.ask("retouch", picture=name, preset="tiny")
        assert np.array_equal(editor.result(array, frame), expected(array))
    editor.ask("keep", *sent(third), picture="one", **said(third))
    assert np.array_equal(editor.result(third, editor.ask("retouch", picture="one", preset="tiny")), expected(third))
    for _ in range(2):
        assert editor.ask("forget", picture="one")[0]["kind"] == "done"
    code, message = editor.fails("retouch", picture="one", preset="tiny")
    assert code == "usage" and "'one'" in one_sentence(message)
    assert editor.ask("retouch", picture="two", preset="tiny")[0]["kind"] == "done"


def test_a_picture_that_comes_along_is_not_the_one_that_is_kept(editor: Editor) -> None:
    kept, along = picture(seed=1), picture(seed=2)
    editor.ask("keep", *sent(kept), picture="a", **said(kept))
    assert np.array_equal(editor.retouch(along, picture="a"), expected(along))
    assert np.array_equal(editor.result(kept, editor.ask("retouch", picture="a", preset="tiny")), expected(kept))


# Order, and what is wanted no more.


def test_requests_that_come_at_once_are_answered_in_order(editor: Editor) -> None:
    arrays = [picture(seed=seed) for seed in range(5)]
    ids = [editor.send("retouch", *sent(array), preset="tiny", **said(array)) for array in arrays]
    for wanted, array in zip(ids, arrays, strict=True):
        frame = editor.answer()
        assert frame[0]["id"] == wanted
        assert np.array_equal(editor.result(array, frame), expected(array))


HELD = """
import os, time
from lptn_retouch.retoucher import Retoucher
plain = Retoucher.__call__
def held(self, *picture, **strength):
    while not os.path.exists({gate!r}):
        time.sleep(0.01)
    return plain(self, *picture, **strength)
Retoucher.__call__ = held
""".lstrip()


@pytest.fixture
def held(tmp_path: Path, folder: Path) -> Iterator[tuple[Editor, Path, int]]:  # noqa: ARG001
    """An editor whose engine is at work on a request until a file, the gate, is there."""
    gate, array = tmp_path / "gate", picture()
    with Editor(HELD.format(gate=str(gate)) + SERVE) as editor:
        editor.ask("keep", *sent(array), picture="a", **said(array))
        number = editor.send("retouch", picture="a", preset="tiny")
        shares = [editor.next()[0]["share"] for _ in range(2)]
        assert shares == sorted(shares)
        yield editor, gate, number


def test_a_request_that_waits_is_cancelled_at_once(held: tuple[Editor, Path, int], one_sentence: Sentence) -> None:
    editor, gate, first = held
    waiting = editor.send("retouch", *sent(picture(seed=4)), preset="tiny", **said(picture()))
    keeping = editor.send("keep", *sent(picture(seed=5)), picture="b", **said(picture()))
    editor.send("retouch", picture="a", preset="tiny", amount=0.5)
    for of in (waiting, keeping):
        cancel = editor.send("cancel", of=of)
        message, _ = editor.next()  # while the first is in work still
        assert (message["id"], message["kind"], message["code"]) == (of, "error", "cancelled")
        one_sentence(message["message"])
        assert editor.next()[0] == {"id": cancel, "kind": "done"}
    gate.touch()
    assert editor.answer()[0]["id"] == first
    assert np.array_equal(editor.result(picture(), editor.answer()), expected(picture(), amount=0.5))
    assert editor.fails("retouch", picture="b", preset="tiny")[0] == "usage"


def test_the_result_of_a_cancelled_request_in_work_is_dropped(held: tuple[Editor, Path, int]) -> None:
    editor, gate, first = held
    cancel = editor.send("cancel", of=first)
    assert editor.next()[0] == {"id": cancel, "kind": "done"}
    gate.touch()
    message, payloads = editor.next()
    assert (message["id"], message["kind"], message["code"], payloads) == (first, "error", "cancelled", [])
    assert editor.ask("retouch", picture="a", preset="tiny")[0]["kind"] == "done"


def test_cancelling_what_is_done_or_never_was_is_done(editor: Editor) -> None:
    number = editor.ask("presets")[0]["id"]
    for of in (number, 10**9, -3):
        assert editor.ask("cancel", of=of)[0]["kind"] == "done"


def test_only_so_many_requests_wait(held: tuple[Editor, Path, int], one_sentence: Sentence) -> None:
    editor, gate, _ = held
    for _ in range(1000):
        editor.send("forget", picture="b")
    code, message = editor.fails("forget", picture="b")
    assert code == "usage" and "wait" in one_sentence(message)
    gate.touch()
    assert editor.answer()[0]["kind"] == "done"
    for _ in range(1000):
        assert editor.answer()[0]["kind"] == "done"


# The end.


@pytest.mark.parametrize(
    "last",
    [
        b"",
        b'{"id": 1, "do": "pres',
        b'{"id": 1, "do": "keep", "picture": "a", "width": 9, "height": 9, "channels": 1, "type": "u8", "sizes": [81]}'
        b"\nab",
        b'{"id": 1, "do": "nothing", "sizes": [1000000]}\nab',
        b'{"id": 1, "do": "retouch", "preset": "tiny", '
        b'"width": 1, "height": 1, "channels": 1, "type": "u8", "sizes": [1]}\na',
    ],
    ids=["idle", "in-a-message", "in-a-payload", "in-what-is-passed-over", "at-work"],
)
def test_the_process_ends_when_its_input_does(folder: Path, last: bytes) -> None:  # noqa: ARG001
    with Editor() as editor:
        editor.write(last)
        assert editor.process.stdin is not None
        editor.process.stdin.close()
        assert editor.end() == 0
        assert "Traceback" not in editor.stderr()


def test_the_process_ends_in_the_middle_of_work(held: tuple[Editor, Path, int]) -> None:
    editor, _, _ = held
    editor.send("retouch", picture="a", preset="tiny")
    assert editor.process.stdin is not None
    editor.process.stdin.close()
    assert editor.end() == 0


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="the end of another's child is told on Linux alone")
def test_the_process_ends_when_its_editor_is_killed() -> None:
    script = (
        "import subprocess, sys, time\n"
        "p = subprocess.Popen([sys.executable, '-m', 'lptn_retouch', 'serve'], stdin=-1, stdout=-1)\n"
        "p.stdout.readline(); print(p.pid, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        engine = os.pidfd_open(int(parent.stdout.readline()))
        parent.send_signal(signal.SIGKILL)
    ended = select.select([engine], [], [], PATIENCE)[0]
    if not ended:
        signal.pidfd_send_signal(engine, signal.SIGKILL)
    os.close(engine)
    assert ended, "it lives on"


def test_the_process_ends_when_nobody_reads_its_answers(folder: Path) -> None:  # noqa: ARG001
    process = subprocess.Popen(
        [sys.executable, "-m", "lptn_retouch", "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with process:
        assert process.stdin is not None and process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        process.stdin.write(b'{"id": 1, "do": "presets"}\n')
        process.stdin.flush()
        assert process.wait(timeout=30) == 1


def test_an_engine_that_is_killed_is_gone_for_the_editor(held: tuple[Editor, Path, int]) -> None:
    editor, _, _ = held
    editor.process.kill()
    assert editor.end() == -signal.SIGKILL


def test_an_editor_that_reads_nothing_is_heard_all_the_same(folder: Path) -> None:  # noqa: ARG001
    """A result that is stuck in a full pipe keeps nobody from cancelling, nor from going away."""
    array = picture("f32", 4, 300, 400)
    process = subprocess.Popen(
        [sys.executable, "-m", "lptn_retouch", "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with process:
        assert process.stdin is not None
        for number in range(20):
            head = {"id": number, "do": "retouch", "preset": "tiny", "sizes": [array.nbytes], **said(array)}
            process.stdin.write(json.dumps(head).encode() + b"\n" + array.tobytes())
            process.stdin.write(json.dumps({"id": 100 + number, "do": "cancel", "of": number}).encode() + b"\n")
        process.stdin.close()
        assert process.wait(timeout=10) == 0


# What libraries print.


def test_what_libraries_print_goes_to_standard_error(folder: Path) -> None:  # noqa: ARG001
    chatty = (
        "import os, sys, lptn_retouch.serve.service as service\n"
        "plain = service._retoucher\n"
        "def loud(name):\n"
        "    print('printed'); sys.stdout.flush(); os.write(1, b'written'); os.system('echo from a child')\n"
        "    print('read', repr(sys.stdin.read())); sys.stdout.flush()\n"
        "    return plain(name)\n"
        "service._retoucher = loud\n"
    )
    with Editor(chatty + SERVE) as editor:
        assert np.array_equal(editor.retouch(picture()), expected(picture()))
        assert editor.process.stdin is not None
        editor.process.stdin.close()
        editor.end()
        for words in ("printed", "written", "from a child", "read ''"):
            assert words in editor.stderr()


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
def test_it_runs_without_a_standard_error(folder: Path) -> None:  # noqa: ARG001
    command = ["sh", "-c", 'exec "$0" -m lptn_retouch serve 2>&-', sys.executable]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(b'{"id": 1, "do": "presets"}\n')
        process.stdin.flush()
        assert [json.loads(process.stdout.readline())["kind"] for _ in range(2)] == ["hello", "done"]
        process.stdin.close()
        assert process.wait(timeout=10) == 0


# Requests that are wrong.

WRONG = [
    ("dance", {}),
    (None, {}),
    (["keep"], {}),
    ("keep", {"width": 2, "height": 1, "channels": 3, "type": "u8"}),
    ("keep", {"picture": 7}),
    ("keep", {"picture": "a"}),
    ("keep", {"picture": "a", "width": 0, "height": 1, "channels": 3, "type": "u8"}),
    ("keep", {"picture": "a", "width": True, "height": 1, "channels": 3, "type": "u8"}),
    ("keep", {"picture": "a", "width": -2, "height": -1, "channels": 3, "type": "u8"}),
    ("keep", {"picture": "a", "width": 2.0, "height": 1, "channels": 3, "type": "u8"}),
    ("keep", {"picture": "a", "width": 10**400, "height": 10**400, "channels": 3, "type": "u8"}),
    ("keep", {"picture": "a", "width": 10**6, "height": 10**6, "channels": 3, "type": "u8"}),
    ("keep", {"picture": "a", "width": 2, "height": 1, "channels": 5, "type": "u8"}),
    ("keep", {"picture": "a", "width": 2, "height": 1, "channels": "3", "type": "u8"}),
    ("keep", {"picture": "a", "width": 2, "height": 1, "channels": 3, "type": "f64"}),
    ("keep", {"picture": "a", "width": 2, "height": 1, "channels": 3, "type": ["u8"]}),
    ("keep", {"picture": "a", "width": 2, "height": 1, "channels": 3, "type": "u16"}),
    ("retouch", {"width": 2, "height": 1, "channels": 3, "type": "u8"}),
    ("retouch", {"preset": 3, "picture": "a"}),
    ("retouch", {"preset": "tiny"}),
    ("retouch", {"preset": "tiny", "width": 2, "height": 1, "channels": 4, "type": "u8"}),
    ("forget", {}),
    ("cancel", {}),
    ("cancel", {"of": "3"}),
]  # fmt: skip


@pytest.mark.parametrize("payloads", [[], [b"abcdef"], [b"abcdef", b"", b"x"], [b"\n" * 70000]])
@pytest.mark.parametrize(("do", "keys"), WRONG)
def test_a_wrong_request_is_a_sentence_and_the_next_is_understood(
    editor: Editor, do: str, keys: dict[str, Any], payloads: list[bytes], one_sentence: Sentence
) -> None:
    code, message = editor.fails(do, *payloads, **keys)
    assert code == "usage"
    one_sentence(message)
    assert editor.ask("presets")[0]["kind"] == "done"


@pytest.mark.parametrize("strength", [{"amount": 2.1}, {"detail": "much"}, {"amount": None}, {"detail": float("nan")}])
def test_a_strength_out_of_range_is_a_sentence(
    editor: Editor, strength: dict[str, Any], one_sentence: Sentence
) -> None:
    code, message = editor.fails("retouch", *sent(picture()), preset="tiny", **said(picture()), **strength)
    assert code == "usage"
    one_sentence(message)


@pytest.mark.parametrize("identity", ["x", None, 1.0, True, [1]])
def test_an_id_that_is_no_whole_number_is_answered_without_one(
    editor: Editor, identity: object, one_sentence: Sentence
) -> None:
    editor.send("presets", b"some bytes", id=identity)
    message, _ = editor.next()
    assert message["id"] is None and message["code"] == "usage"
    one_sentence(message["message"])


def test_keys_that_are_not_known_and_bytes_that_are_not_needed_are_passed_over(editor: Editor) -> None:
    assert editor.ask("presets", b"bytes", mood="merry", nested={"a": [1, {}]})[0]["kind"] == "done"
    assert np.array_equal(editor.retouch(picture(), later={"x": 1}), expected(picture()))


@pytest.mark.parametrize(
    ("preset", "part"),
    [
        ("no such", "there is no preset 'no such'"),
        ("", "there is no preset"),
        ("../tiny", "there is no preset"),
        ("nowhere/x.safetensors", "no such preset file"),
        ("a\0b.safetensors", "no such preset file"),
        ("\ud800", "there is no preset"),
        ("x" * 50000, "there is no preset"),
        ("torn", "torn.safetensors: not a sound"),
        ("hostile", "hostile"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_a_preset_that_cannot_be_used_is_a_sentence(
    editor: Editor, preset: str, part: str, one_sentence: Sentence
) -> None:
    code, message = editor.fails("retouch", *sent(picture()), preset=preset, **said(picture()))
    assert code == "preset" and part in one_sentence(message)
    assert editor.ask("presets")[0]["kind"] == "done"


# Lies, and too little memory.


@pytest.mark.parametrize("do", ["keep", "retouch"])
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_a_payload_of_a_terabyte_is_refused_before_it_comes(do: str, one_sentence: Sentence) -> None:
    with Editor() as editor:
        keys = {"picture": "a", "preset": "tiny", "width": 10**6, "height": 10**3, "channels": 4, "type": "f32"}
        code, message = editor.fails(do, **keys, sizes=[10**12])
        assert code == "usage" and "16000000000" in one_sentence(message)
        editor.write(b"x" * 10_000_000)  # is all taken in, and held nowhere
        assert resident(editor) < 1e9


def test_a_picture_larger_than_the_memory_is_refused_before_it_comes(one_sentence: Sentence) -> None:
    small = "import lptn_retouch.serve.service as service; service.memory_here = lambda: 10_000_000\n"
    with Editor(small + SERVE) as editor:
        array = picture("u8", 3, 1000, 1000)
        ask = editor.ask
        assert ask("keep", *sent(array), picture="a", **said(array))[0]["kind"] == "done"
        code, message = editor.fails("keep", *sent(array), picture="b", **said(array))
        assert code == "memory" and "forget" in one_sentence(message)
        assert editor.fails("retouch", *sent(array), preset="retouch", **said(array))[0] == "memory"
        assert ask("retouch", picture="a", preset="retouch", amount=0, detail=0)[0]["kind"] == "done"
        assert ask("forget", picture="a")[0]["kind"] == "done"
        assert ask("keep", *sent(array), picture="b", **said(array))[0]["kind"] == "done"


def test_a_profile_without_end_is_refused(editor: Editor, one_sentence: Sentence) -> None:
    code, message = editor.fails("keep", b"abc", bytes(65 << 20), picture="a", **said(picture("u8", 3, 1, 1)))
    assert code == "usage" and "profile" in one_sentence(message)
    assert editor.ask("presets")[0]["kind"] == "done"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_memory_that_is_promised_is_not_taken_before_it_comes() -> None:
    with Editor() as editor:
        head = {"id": 1, "do": "keep", "picture": "a", "width": 30000, "height": 30000, "channels": 3, "type": "u8"}
        editor.write(json.dumps(head | {"sizes": [2_700_000_000]}).encode() + b"\n" + bytes(5_000_000))
        assert resident(editor) < 1e9


def resident(editor: Editor) -> int:
    status = Path(f"/proc/{editor.process.pid}/status").read_text()
    return 1024 * int(status.partition("VmRSS:")[2].split()[0])


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        ("MemoryError()", "memory"),
        ("RuntimeError('DefaultCPUAllocator: can\\'t allocate memory: you tried to allocate 9 bytes')", "memory"),
        ("__import__('torch').OutOfMemoryError('CUDA out of memory. Tried to allocate 2 GiB')", "memory"),
        ("RuntimeError('two\\nlines. Two sentences')", "internal"),
        ("KeyError()", "internal"),
    ],
)
def test_what_nobody_foresaw_is_a_sentence_and_the_engine_goes_on(
    folder: Path,  # noqa: ARG001
    raised: str,
    code: str,
    one_sentence: Sentence,
) -> None:
    broken = (
        "from lptn_retouch.retoucher import Retoucher\n"
        "def raises(self, *picture, **strength):\n"
        f"    raise {raised}\n"
        "Retoucher.using_up = raises\n"
    )
    with Editor(broken + SERVE) as editor:
        found, message = editor.fails("retouch", *sent(picture()), preset="tiny", **said(picture()))
        assert found == code
        one_sentence(message)
        editor.ask("keep", *sent(picture()), picture="a", **said(picture()))
        frame = editor.ask("retouch", picture="a", preset="tiny")
        assert np.array_equal(editor.result(picture(), frame), expected(picture()))
        assert ("Traceback" in editor.stderr()) == (code == "internal")


# What is no message.

NONE = [
    b"hello\n",
    b"\n",
    b"[1, 2]\n",
    b"7\n",
    b"\xff\xfe\n",
    b'{"id": 1, "do": "presets"\n',
    b"[" * 60000 + b"\n",
    b'{"id": ' + b"9" * 10000 + b"}\n",
    b"x" * (MAX_LINE + 10),
    b'{"id": 1, "do": "presets", "sizes": 5}\n',
    b'{"id": 1, "do": "presets", "sizes": [-5]}\n',
    b'{"id": 1, "do": "presets", "sizes": [1e12]}\n',
    b'{"id": 1, "do": "presets", "sizes": [true]}\n',
]


@pytest.mark.parametrize("data", NONE, ids=lambda data: data[:12].decode("latin-1").strip() or "empty")
def test_after_what_is_no_message_the_process_says_so_and_ends(data: bytes, one_sentence: Sentence) -> None:
    with Editor() as editor:
        editor.write(data)
        message, _ = editor.next()
        assert (message["id"], message["kind"], message["code"]) == (None, "error", "usage")
        one_sentence(message["message"])
        assert editor.end() == 2


@given(st.lists(st.one_of(st.binary(max_size=50), st.sampled_from([b"\n", b'{"id": 1, "sizes": [3]}\n', *NONE[:6]]))))
def test_no_bytes_make_the_reader_stumble(pieces: list[bytes]) -> None:
    incoming = Incoming(io.BytesIO(b"".join(pieces)))
    with pytest.raises((EndOfInputError, UnreadableError)):
        while True:
            message, sizes = incoming.message()
            assert isinstance(message, dict)
            incoming.skip(sum(sizes))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 300) | st.floats(width=16) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
FRAMES = st.fixed_dictionaries(
    {"id": st.integers(0, 99)},
    optional={
        "do": st.sampled_from(["presets", "keep", "retouch", "forget", "cancel"]) | JSON,
        "picture": st.sampled_from(["a", "b"]) | JSON,
        "preset": st.sampled_from(["tiny", "torn", "none"]) | JSON,
        "width": st.integers(1, 4) | JSON,
        "height": st.integers(1, 4) | JSON,
        "channels": st.integers(1, 4) | JSON,
        "type": st.sampled_from(sorted(TYPES)) | JSON,
        "amount": st.floats(0, 2) | JSON,
        "of": st.integers(0, 99) | JSON,
    },
)


@given(st.lists(st.tuples(FRAMES, st.booleans(), st.lists(st.binary(max_size=90), max_size=3)), min_size=1, max_size=8))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_request_whatever_it_says_has_one_answer(
    editor: Editor, one_sentence: Sentence, frames: list[tuple[dict[str, Any], bool, list[bytes]]]
) -> None:
    for keys, fitting, payloads in frames:
        numbers = [keys.get(key) for key in ("width", "height", "channels")]
        if fitting and all(type(number) is int and 0 < number < 5 for number in numbers):
            kind = keys.get("type")
            each = np.dtype(TYPES.get(kind, np.uint8) if isinstance(kind, str) else np.uint8).itemsize
            payloads = [bytes(int(np.prod(numbers)) * each), *payloads[:1]]
        editor.send(keys.get("do"), *payloads, **{key: value for key, value in keys.items() if key != "do"})
    for _ in frames:
        message, _ = editor.answer()
        assert message["kind"] in ("done", "error")
        if message["kind"] == "error":
            assert message["code"] in ("usage", "preset", "cancelled")
            one_sentence(message["message"])
