"""The thread that talks to the engine while a dialog is open: the newest preview first, thumbnails when there is time.

Knows neither GIMP nor Gtk, which must only be touched in the main thread.
"""

from __future__ import annotations

import threading
from collections import deque

from engine import Engine, EngineError


class Worker:
    """Starts an engine, and asks it for what is wanted.

    Args:
        tell: called in the worker's thread with what has come: ("presets", list of dicts), ("thumbnail", preset's name,
            bytes), ("preview", picture's name, bytes, mark), ("failed", sentence, mark).
    """

    def __init__(self, tell):
        self.tell = tell
        self.engine = None
        self.pictures = {}  # name: (what the protocol says of it, payloads)
        self.sent = set()  # names of pictures that the engine has
        self.names = None  # of presets
        self.wanted = None  # (picture's name, settings, mark)
        self.thumbnails = deque()
        self.stopping = False
        self.change = threading.Condition()  # guards the five above
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def add_picture(self, name, keys, payloads):
        """A picture that previews can be made of."""
        with self.change:
            self.pictures[name] = (keys, payloads)
            self.sent.discard(name)

    def want(self, name, settings, mark):
        """Ask for a preview; one that is not yet begun is dropped, one in work is cancelled. `mark` comes back."""
        with self.change:  # or the cancel could hit the new one
            self._cancel()
            self.wanted = (name, settings, mark)
            self.change.notify()

    def want_thumbnails(self, names):
        """Ask for a thumbnail of each preset, of the picture "thumbnail"."""
        with self.change:
            self.thumbnails.extend(names)
            self.change.notify()

    def stop(self, patience):
        """End the thread: the engine, ready for the next request, or None if there is none that lives.

        Args:
            patience: seconds that it may take to let go of what it is at, before it is killed.
        """
        with self.change:
            self._cancel()
            self.stopping = True
            self.change.notify()
        self.thread.join(patience)
        while self.thread.is_alive() and self.engine:  # one that is only starting ends with this process
            self.engine.kill()
            self.thread.join(0.1)
        return self.engine

    def _cancel(self):
        engine = self.engine
        if engine:
            engine.cancel()

    def _run(self):
        self._attempt(self._start, None)
        while True:
            with self.change:
                self.change.wait_for(lambda: self.stopping or self.wanted or (self.thumbnails and self.engine))
                if self.stopping:
                    return
                wanted, self.wanted = self.wanted, None
                thumbnail = None if wanted else self.thumbnails.popleft()
            if wanted:
                self._attempt(lambda wanted=wanted: self._preview(*wanted), wanted[2])
            else:
                self._attempt(lambda name=thumbnail: self._thumbnail(name), None, thumbnail)

    def _attempt(self, work, mark, thumbnail=None):
        try:
            if not self.engine and work != self._start:
                self._start()
            work()
        except EngineError as error:
            if self.engine and self.engine.process.poll() is not None:
                self.engine.close()
                self.engine = None
                self.sent.clear()
            if error.code != "cancelled":
                self.tell("failed", str(error), mark)
            elif thumbnail:
                self.thumbnails.appendleft(thumbnail)

    def _start(self):
        self.engine = Engine()
        answer, _ = self.engine.ask({"do": "presets"})
        if self.names is None:
            self.names = [preset["name"] for preset in answer["presets"]]
            self.tell("presets", answer["presets"])

    def _retouched(self, name, settings):
        keys, payloads = self.pictures[name]
        if name not in self.sent:
            self.engine.ask(dict(keys, do="keep", picture=name), payloads)
            self.sent.add(name)
        _, answer = self.engine.ask(dict(settings, do="retouch", picture=name))
        return answer[0]

    def _preview(self, name, settings, mark):
        self.tell("preview", name, self._retouched(name, settings), mark)

    def _thumbnail(self, preset):
        self.tell("thumbnail", preset, self._retouched("thumbnail", {"preset": preset}))
