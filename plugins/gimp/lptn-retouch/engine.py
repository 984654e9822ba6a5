"""The client's side of `lptn-retouch serve` (docs/serve.md): finds the engine, starts it, asks it.

Knows nothing of GIMP: any editor whose plug-ins are written in Python can use it as it is.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

PROTOCOL = 1
HELLO_WITHIN = 90  # seconds; a cold start on a slow disk takes ten
INSTALL = "run: lptn-retouch gimp install"
HERE = Path(__file__).resolve().parent

# What an editor sets for the Python and the libraries that it brings along. The engine has its own.
EDITORS_OWN = (
    "PYTHONHOME",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "GI_TYPELIB_PATH",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "DYLD_LIBRARY_PATH",
    "BABL_PATH",
    "GEGL_PATH",
)


class EngineError(Exception):
    """What a user should read; `code` is the protocol's, or "engine" when the engine itself is the trouble."""

    def __init__(self, sentence, code="engine"):
        super().__init__(sentence)
        self.code = code


def command():
    """How to start the engine: $LPTN_RETOUCH_ENGINE, then engine.json beside this file, then lptn-retouch on PATH."""
    told = os.environ.get("LPTN_RETOUCH_ENGINE")
    if told:
        return shlex.split(told, posix=os.name != "nt")
    path = HERE / "engine.json"
    try:
        words = json.loads(path.read_text(encoding="utf-8"))["command"]
        if not words or not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise ValueError("command is not a list of words")
    except FileNotFoundError:
        found = shutil.which("lptn-retouch")
        if not found:
            raise EngineError(
                "The engine of LPTN Retouch is not installed; type in a terminal: pip install lptn-retouch, "
                "and then: lptn-retouch gimp install."
            ) from None
        return [found, "serve"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EngineError(f"{path} cannot be used ({error}); {INSTALL}.") from None
    if not shutil.which(words[0]):
        raise EngineError(
            f"The engine of LPTN Retouch is no longer at {words[0]}; type in a terminal: pip install lptn-retouch, "
            "and then: lptn-retouch gimp install."
        )
    return words


def environment():
    """What the engine may know of this process's environment."""
    kept = {name: value for name, value in os.environ.items() if name not in EDITORS_OWN}
    kept["PYTHONIOENCODING"] = "utf-8"
    return kept


def open_log():
    """The file that takes the engine's standard error: beside this file, or where temporary files are."""
    for path in (HERE / "engine.log", Path(tempfile.gettempdir(), "engine.log")):
        with suppress(OSError):
            return path.open("wb", buffering=0)
    return Path(os.devnull).open("wb", buffering=0)


class Engine:
    """One engine process. `ask` may be called from one thread at a time, `cancel` and `kill` from any.

    Raises:
        EngineError: it is not there, cannot be started, or speaks another protocol.
    """

    def __init__(self):
        words = command()
        self.log = open_log()
        hidden = {"creationflags": subprocess.CREATE_NO_WINDOW} if os.name == "nt" else {"pipesize": 1 << 20}
        try:
            self.process = subprocess.Popen(
                words,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self.log,
                env=environment(),
                **hidden,
            )
        except OSError as error:
            self.log.close()
            raise EngineError(
                f"The engine of LPTN Retouch could not be started ({words[0]}: {error.strerror}); {INSTALL}."
            ) from None
        self.writing = threading.Lock()
        self.last = 0  # the number of the last request
        self.in_work = None  # the number of the retouch that is waited for
        self.late = False
        try:
            self.version = self._hello()
        except EngineError:
            self.close()
            raise

    def ask(self, request, payloads=(), progress=None):
        """Send a request and wait for its answer.

        Args:
            request: its keys, without id and sizes. payloads: bytes, one after the other.
            progress: called with a share from 0 to 1.

        Returns:
            the message of the kind done, and a list of its payloads.

        Raises:
            EngineError: the answer is an error, or the engine has ended.
        """
        number = self._send(request, payloads)
        self.in_work = number if request["do"] == "retouch" else None
        try:
            while True:
                message, answer = self._read()
                if message.get("id") != number:
                    if message.get("kind") == "error" and message.get("id") is None:
                        raise EngineError(str(message.get("message")), message.get("code", "internal"))
                    continue  # to a cancel
                if message.get("kind") == "progress":
                    if progress:
                        progress(float(message.get("share", 0)))
                elif message.get("kind") == "error":
                    raise EngineError(str(message.get("message")), message.get("code", "internal"))
                elif message.get("kind") == "done":
                    return message, answer
        finally:
            self.in_work = None

    def cancel(self):
        """Let the retouch that is waited for end with the error cancelled; none is fine."""
        number = self.in_work
        if number is not None:
            with suppress(EngineError):  # who waits for the answer will be told
                self._send({"do": "cancel", "of": number})

    def close(self):
        """End the engine by ending its input; it stops at once, whatever it is at."""
        with suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(2)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.log.close()

    def kill(self):
        """End the engine by force."""
        self.process.kill()

    def _hello(self):
        """The version that the engine says it is of."""
        watch = threading.Timer(HELLO_WITHIN, self._too_late)
        watch.daemon = True
        watch.start()
        try:
            hello, _ = self._read()
        finally:
            watch.cancel()
        version, protocol = (hello.get(key, "?") for key in ("version", "protocol"))
        if hello.get("kind") != "hello" or protocol != PROTOCOL:
            raise EngineError(
                f"This plug-in speaks protocol {PROTOCOL} and the engine, lptn-retouch {version}, protocol {protocol}; "
                f"{INSTALL}."
            )
        return version

    def _send(self, request, payloads=()):
        with self.writing:
            self.last += 1
            message = dict(request, id=self.last)
            if payloads:
                message["sizes"] = [len(payload) for payload in payloads]
            try:
                self.process.stdin.write(json.dumps(message).encode() + b"\n")
                for payload in payloads:
                    self.process.stdin.write(payload)
                self.process.stdin.flush()
            except (OSError, ValueError):
                raise self._ended() from None
            return self.last

    def _read(self):
        """The next message and its payloads."""
        line = self.process.stdout.readline(1 << 16)
        if not line:
            raise self._ended()
        try:
            message = json.loads(line)
            sizes = [int(size) for size in message.get("sizes", ())]
        except (ValueError, TypeError, AttributeError):
            self.kill()
            text = line[:60].decode("utf-8", "replace").strip()
            raise EngineError(
                f"What answers is not the engine of LPTN Retouch (it says {text!r}); {INSTALL}."
            ) from None
        payloads = [self.process.stdout.read(size) for size in sizes]
        if [len(payload) for payload in payloads] != sizes:
            raise self._ended()
        return message, payloads

    def _too_late(self):
        self.late = True
        self.kill()

    def _ended(self):
        """Why the engine is no longer there, and what to do."""
        try:
            status = self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.kill()
            status = self.process.wait()
        log = self.log.name
        if self.late:
            return EngineError(
                f"The engine of LPTN Retouch did not answer within {HELLO_WITHIN} seconds; run: lptn-retouch serve, "
                f"to see why; its log is {log}."
            )
        if os.name != "nt" and status in (-signal.SIGKILL, 128 + signal.SIGKILL):
            return EngineError(
                "The engine of LPTN Retouch was killed, most likely for want of memory; close other programs, "
                f"or retouch a smaller picture; its log is {log}.",
                "memory",
            )
        return EngineError(
            f"The engine of LPTN Retouch ended with status {status} ({last_words(log)}); "
            f"run: lptn-retouch gimp doctor; its log is {log}."
        )


def last_words(log):
    """The last line of a log, which of a traceback is the one that names the error."""
    text = ""
    with suppress(OSError):
        text = Path(log).read_bytes()[-4000:].decode("utf-8", "replace")
    words = [line.strip() for line in text.split("\n") if line.strip()]
    return words[-1][:200].rstrip(".") if words else "it said nothing"
