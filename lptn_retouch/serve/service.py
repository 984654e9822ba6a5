"""Requests, in their order: one thread reads them, this one does them, a third writes the answers."""

from __future__ import annotations

import os
import threading
import time
import traceback
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from lptn_retouch.errors import LptnRetouchError, PresetError, TooLargeError, UsageError
from lptn_retouch.memory import memory_here
from lptn_retouch.serve.faults import CancelledError, told
from lptn_retouch.serve.wire import (
    MAX_LINE,
    PROTOCOL,
    EndOfInputError,
    Incoming,
    Message,
    Outgoing,
    UnreadableError,
    line,
    take_standard_streams,
)
from lptn_retouch.version import __version__

if TYPE_CHECKING:
    from lptn_retouch.retoucher import Retoucher
    from lptn_retouch.serve.pictures import Picture

REQUESTS = ("presets", "keep", "retouch", "forget", "cancel")
_WAITING = 1000  # requests
_SHARE = 0.5  # of the memory, for pictures that wait or are kept; work on one takes about as much again
_ROOM = 8 << 30  # bytes for them where it is not known how much memory there is


@dataclass(eq=False)
class Request:
    """A request, checked as far as can be before its turn.

    Args:
        message: as it came.
        picture: that came along.
        cancelled: its answer is wanted no more.
    """

    message: Message
    picture: Picture | None = None
    cancelled: bool = False

    @property
    def id(self) -> int:
        return int(self.message["id"])

    @property
    def size(self) -> int:
        return 0 if self.picture is None else self.picture.size


def serve() -> NoReturn:
    """Answer requests from standard input on standard output until it ends; never returns.

    The process ends at once when its input does, whatever it is at: the editor has closed it, or is gone.
    """
    incoming, outgoing = take_standard_streams()
    Service(Incoming(incoming), Outgoing(outgoing)).run()


class Service:
    """One editor's requests, and the pictures that are kept for it.

    Args:
        incoming: what it writes.
        outgoing: what it reads.
    """

    def __init__(self, incoming: Incoming, outgoing: Outgoing) -> None:
        self._incoming, self._outgoing = incoming, outgoing
        self._change = threading.Condition()  # guards the four below
        self._waiting: deque[Request] = deque()
        self._current: Request | None = None
        self._kept: dict[str, Picture] = {}
        self._ready = threading.Event()

    def run(self) -> NoReturn:
        self._outgoing.send({"kind": "hello", "protocol": PROTOCOL, "version": __version__})
        threading.Thread(target=self._listen, daemon=True).start()
        threading.Thread(target=self._warm_up, daemon=True).start()
        while True:
            with self._change:
                self._current = None
                self._change.wait_for(lambda: self._waiting)
                self._current = self._waiting.popleft()
            self._do(self._current)

    def _warm_up(self) -> None:
        """Have everything at hand that the first preview needs, before it is asked for."""
        try:
            import_module("lptn_retouch.retoucher")
        finally:
            self._ready.set()
        import numpy as np

        with suppress(LptnRetouchError):  # who asks for that preset is told
            _retoucher("retouch")(np.zeros((192, 192, 3), np.uint8))  # large enough to need every kernel

    # What the reading thread does.

    def _listen(self) -> None:
        try:
            while True:
                self._take(*self._incoming.message())
        except EndOfInputError:
            os._exit(0)
        except UnreadableError as error:
            self._fail(None, "usage", str(error))
            self._outgoing.flush()
            os._exit(2)
        except BaseException:
            traceback.print_exc()
            os._exit(1)

    def _take(self, message: Message, sizes: list[int]) -> None:
        """Check a request and take in what follows it, or pass that over."""
        try:
            request = self._checked(message, sizes)
        except Exception as error:
            identity = message.get("id")
            self._fail(identity if type(identity) is int else None, *told(error))
            self._incoming.skip(sum(sizes))
            return
        if request.picture is None:
            self._incoming.skip(sum(sizes))
        else:
            self._incoming.fill(request.picture.samples.data)
            self._incoming.fill(request.picture.icc.data)
        if message["do"] == "cancel":
            self._cancel(request)
            return
        with self._change:
            self._waiting.append(request)
            self._change.notify()

    def _checked(self, message: Message, sizes: list[int]) -> Request:
        """A request, with memory for the picture that comes along."""
        if type(message.get("id")) is not int:
            raise UsageError("every request has an id, a whole number; send one.")
        do = message.get("do")
        if do not in REQUESTS:
            raise UsageError(f"do is one of {', '.join(REQUESTS)}; send one.")
        if do == "cancel" and type(message.get("of")) is not int:
            raise UsageError("cancel needs the id of a request in of, a whole number; send it.")
        if do in ("keep", "forget") and not isinstance(message.get("picture"), str):
            raise UsageError(f"{do} needs a name for the picture in picture; send one.")
        if do == "retouch" and not isinstance(message.get("preset"), str):
            raise UsageError("retouch needs the name of a preset, or the path of its file, in preset; send one.")
        if do == "retouch" and not sizes and not isinstance(message.get("picture"), str):
            raise UsageError("retouch needs a picture that is kept, named in picture, or one that comes along.")
        with self._change:
            if len(self._waiting) >= _WAITING and do != "cancel":
                raise UsageError(f"{_WAITING} requests are waiting already; wait for answers before sending more.")
        if do == "keep" or (do == "retouch" and sizes):
            return Request(message, self._picture(message, sizes))
        return Request(message)

    def _picture(self, message: Message, sizes: list[int]) -> Picture:
        """Memory for a picture, still empty: the system gives it page by page, as it is filled."""
        self._ready.wait()  # else two threads import one package by two doors, and each finds half of it
        import numpy as np

        from lptn_retouch.serve.pictures import Picture, read_layout

        layout = read_layout(message, sizes)
        there = memory_here()
        room = _ROOM if there is None else int(there * _SHARE)
        with self._change:
            requests = [*self._waiting, *([self._current] if self._current else [])]
            held = sum(one.size for one in requests) + sum(one.size for one in self._kept.values())
        if held + sum(sizes) > room:
            raise TooLargeError(
                f"this picture takes {sum(sizes) / 1e9:.1f} GB, and of the {room / 1e9:.1f} GB for pictures "
                f"{max(room - held, 0) / 1e9:.1f} are free; make it smaller first, or forget others."
            )
        return Picture(layout, np.empty(sizes[0], np.uint8), np.empty(sum(sizes[1:]), np.uint8))

    def _cancel(self, request: Request) -> None:
        of = request.message["of"]
        with self._change:
            waiting = [one for one in self._waiting if one.id == of]
            for one in waiting:
                self._waiting.remove(one)
            if self._current is not None and self._current.id == of:
                self._current.cancelled = True
        for one in waiting:
            self._fail(one.id, *told(CancelledError()))
        self._outgoing.send({"id": request.id, "kind": "done"})

    # What this thread does.

    def _do(self, request: Request) -> None:
        try:
            answer, payload = getattr(self, f"_{request.message['do']}")(request)
        except Exception as error:
            self._fail(request.id, *told(error))
        else:
            self._outgoing.send({"id": request.id, "kind": "done", **answer}, payload)

    def _presets(self, request: Request) -> tuple[Message, None]:
        self._ready.wait()
        from lptn_retouch.preset import find_preset, list_presets, read_header, user_folder

        own, found = user_folder(), []
        for name in list_presets():
            header: dict[str, str] = {}
            with suppress(PresetError):  # an unsound file is listed, and told about when it is asked for
                file = find_preset(name)
                header = read_header(file)
            found.append((name, header.get("summary", ""), file.parent == own, header.get("alters", "")))
        for longest in (400, 100, 20, 0):  # characters, so that all of them fit into a message
            presets = [
                {"name": name, "summary": summary[:longest], "own": mine, "alters": alters[:longest]}
                for name, summary, mine, alters in found
            ]
            if len(line({"id": request.id, "presets": presets})) < MAX_LINE - 100:
                break
        return {"presets": presets[:400]}, None

    def _keep(self, request: Request) -> tuple[Message, None]:
        assert request.picture is not None
        with self._change:
            self._kept[request.message["picture"]] = request.picture
            request.picture = None
        return {}, None

    def _forget(self, request: Request) -> tuple[Message, None]:
        with self._change:
            self._kept.pop(request.message["picture"], None)
        return {}, None

    def _retouch(self, request: Request) -> tuple[Message, memoryview]:
        self._progress(request, 0)
        self._ready.wait()
        from lptn_retouch.serve.pictures import retouched
        from lptn_retouch.strength import strengths

        message, start = request.message, time.monotonic()
        ours = request.picture is not None
        picture = request.picture or self._kept.get(message["picture"])
        if picture is None:
            raise UsageError(f"no picture {message['picture'][:80]!r} is kept; send it with keep first.")
        amount, detail = strengths(message.get("amount", 1.0), message.get("detail", 1.0))
        retoucher = _retoucher(message["preset"])
        self._progress(request, 0.1)
        payload, notices = retouched(picture, retoucher, amount, detail, ours=ours)
        self._progress(request, 0.9)
        layout = picture.layout
        answer = {
            "width": layout.width,
            "height": layout.height,
            "channels": layout.channels,
            "type": layout.type,
            "seconds": round(time.monotonic() - start, 4),
            "notices": notices,
        }
        return answer, payload

    def _progress(self, request: Request, share: float) -> None:
        """Tell how far a request is, unless it is wanted no more."""
        if request.cancelled:
            raise CancelledError
        self._outgoing.send({"id": request.id, "kind": "progress", "share": share})

    def _fail(self, identity: int | None, code: str, sentence: str) -> None:
        self._outgoing.send({"id": identity, "kind": "error", "code": code, "message": sentence})


def _retoucher(preset: str) -> Retoucher:
    """A preset, loaded once; again where its file is another than it was."""
    from lptn_retouch.preset import find_preset

    path = find_preset(preset)
    found = path.stat()
    return _loaded(path.resolve(), found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=32)  # of a megabyte or four each
def _loaded(path: Path, modified: int, size: int) -> Retoucher:  # noqa: ARG001
    from lptn_retouch.retoucher import Retoucher

    return Retoucher(path)
