"""Frames: a line of JSON, and behind it raw payloads. Standard library only, so that hello is out at once."""

from __future__ import annotations

import io
import json
import os
import queue
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

PROTOCOL = 1
MAX_LINE = 64 << 10  # bytes of a message, its end of line included
_PIECE = 1 << 20  # bytes read or written in one call
_UNWRITTEN = 1000  # messages that an editor may leave unread before its requests are left unread as well

Message = dict[str, Any]


class EndOfInputError(Exception):
    """The editor has closed its end, or is gone."""


class UnreadableError(Exception):
    """What came is no message, so where the next one begins cannot be known."""


def take_standard_streams() -> tuple[io.FileIO, io.FileIO]:
    """Keep standard input and output for the protocol: whoever writes to descriptor 1 writes to standard error now.

    Returns:
        What comes in and what goes out, neither of them buffered: a buffer has a lock, and a thread that waits for
        input would hold it while the process ends.
    """
    nothing = os.open(os.devnull, os.O_RDWR)
    incoming, outgoing = os.dup(0), os.dup(1)
    os.dup2(nothing, 0)
    try:
        os.dup2(2, 1)
    except OSError:  # there is no standard error, as under a window manager
        os.dup2(nothing, 1)
    os.close(nothing)
    for end in (incoming, outgoing):
        with suppress(OSError, AttributeError):
            os.set_blocking(end, True)
    return io.FileIO(incoming, "rb"), io.FileIO(outgoing, "wb")


class Incoming:
    """What the editor writes; one thread reads it.

    Args:
        file: unbuffered.

    Example:
        >>> incoming = Incoming(io.BytesIO(b'{"id": 1, "sizes": [2]}\\nhi'))
        >>> incoming.message()
        ({'id': 1, 'sizes': [2]}, [2])
        >>> incoming.skip(2)
    """

    def __init__(self, file: io.RawIOBase | io.BytesIO) -> None:
        self._file = file
        self._ahead = bytearray()  # read, and not asked for yet

    def message(self) -> tuple[Message, list[int]]:
        """The next message, and how long the payloads are that follow it.

        Raises:
            EndOfInputError: there is none.
            UnreadableError: it is no such thing; the message is a sentence.
        """
        while (end := self._ahead.find(b"\n", 0, MAX_LINE)) < 0:
            if len(self._ahead) >= MAX_LINE:
                raise UnreadableError(f"a message is one line of at most {MAX_LINE} bytes; end this process.")
            self._ahead += self._read(MAX_LINE)
        line = bytes(self._ahead[:end])
        del self._ahead[: end + 1]
        try:
            message = json.loads(line.decode())
        except (ValueError, RecursionError):  # no UTF-8, no JSON, or a number of a million digits
            message = None
        if not isinstance(message, dict):
            raise UnreadableError("a message is an object of JSON on one line, which this is not; end this process.")
        sizes = message.get("sizes", [])
        if not isinstance(sizes, list) or not all(type(size) is int and size >= 0 for size in sizes):
            raise UnreadableError("sizes is a list of whole numbers, each a payload's bytes; end this process.")
        return message, sizes

    def fill(self, view: memoryview) -> None:
        """Read a payload into memory made for it.

        Raises:
            EndOfInputError: it is cut short.
        """
        done = min(len(view), len(self._ahead))
        view[:done] = self._ahead[:done]
        del self._ahead[:done]
        while done < len(view):
            got = self._file.readinto(view[done : done + _PIECE])
            if not got:
                raise EndOfInputError
            done += got

    def skip(self, count: int) -> None:
        """Let a payload of so many bytes pass.

        Raises:
            EndOfInputError: it is cut short.
        """
        done = min(count, len(self._ahead))
        del self._ahead[:done]
        while done < count:
            done += len(self._read(min(count - done, _PIECE)))

    def _read(self, count: int) -> bytes:
        piece = self._file.read(count)
        if not piece:
            raise EndOfInputError
        return piece


class Outgoing:
    """What the editor reads. A thread of its own writes it, so that one who does not read holds nobody else up.

    Args:
        file: unbuffered. Where it breaks, the editor is gone, and the process ends.
    """

    def __init__(self, file: io.FileIO) -> None:
        self._file = file
        self._unwritten: queue.Queue[tuple[bytes | memoryview, ...]] = queue.Queue(_UNWRITTEN)
        threading.Thread(target=self._write, daemon=True).start()

    def send(self, message: Mapping[str, Any], payload: memoryview | None = None) -> None:
        """Send a message; with a payload, which is not copied, return when both are written."""
        if payload is None:
            self._unwritten.put((line(message),))
        else:
            self._unwritten.put((line({**message, "sizes": [payload.nbytes]}), payload))
            self.flush()

    def flush(self) -> None:
        """Return when everything is written."""
        self._unwritten.join()

    def _write(self) -> None:
        try:
            while True:
                self._write_parts(self._unwritten.get())
                self._unwritten.task_done()
        except OSError:
            os._exit(1)

    def _write_parts(self, parts: tuple[bytes | memoryview, ...]) -> None:
        for part in parts:
            rest = memoryview(part)
            while rest:
                rest = rest[self._file.write(rest[:_PIECE]) or 0 :]


def line(message: Mapping[str, Any]) -> bytes:
    """A message as it is sent.

    Example:
        >>> line({"id": 1, "kind": "done"})
        b'{"id": 1, "kind": "done"}\\n'
    """
    return json.dumps(message).encode() + b"\n"
