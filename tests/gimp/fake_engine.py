#!/usr/bin/env python3
"""Stands in for `lptn-retouch serve` (docs/serve.md) with a rule that can be checked to the last bit, in any Python.

A sample v becomes v + amount * (top - 2v), rounded: inverted at amount 1. Alpha is left alone. Presets that misbehave:
slow (five seconds, with progress), hang, deaf (hangs, cancelled or not), die (as if killed for want of memory), memory,
garbage, short; and one that has a remark: clipping.
$FAKE_PROTOCOL is the number it says hello with; $FAKE_LOG takes a line a request.
"""

from __future__ import annotations

import array
import json
import os
import signal
import threading
import time
from pathlib import Path

PRESETS = ("retouch", "winter", "clipping", "slow", "hang", "die", "memory")
TOPS = {"u8": 255, "u16": 65535, "f32": 1.0}
CODES = {"u8": "B", "u16": "H", "f32": "f"}


def rule(samples, wire_type, amount):
    """What becomes of samples that are not alpha."""
    top = TOPS[wire_type]
    if wire_type == "f32":
        return array.array("f", [v + amount * (1 - 2 * v) for v in samples])
    table = array.array(
        CODES[wire_type], [min(max(int(v + amount * (top - 2 * v) + 0.5), 0), top) for v in range(top + 1)]
    )
    return array.array(CODES[wire_type], map(table.__getitem__, samples))


def retouched(pixels, channels, wire_type, amount):
    """The rule for a whole picture."""
    if wire_type == "u8" and channels in (1, 3):  # fast enough for a preview
        return bytes(pixels).translate(rule(range(256), "u8", amount).tobytes())
    samples = array.array(CODES[wire_type], pixels)
    for channel in range(channels - 1 + channels % 2):
        samples[channel::channels] = rule(samples[channel::channels], wire_type, amount)
    return samples.tobytes()


class Session:
    """What is kept between requests."""

    def __init__(self):
        self.kept = {}
        self.cancelled = set()

    def answer(self, message, payloads):
        if message["do"] == "presets":
            presets = [{"name": n, "summary": f"What {n} does.", "own": False, "alters": "tone"} for n in PRESETS]
            say({"id": message["id"], "kind": "done", "presets": presets})
        elif message["do"] == "keep":
            self.kept[message["picture"]] = (message, payloads)
            say({"id": message["id"], "kind": "done"})
        elif message["do"] == "retouch":
            self.retouch(message, payloads)
        else:
            say({"id": message["id"], "kind": "done"})

    def retouch(self, message, payloads):
        number, preset = message["id"], Path(message["preset"]).name
        picture = message
        if "picture" in message:
            picture, payloads = self.kept[message["picture"]]
        size = picture["width"] * picture["height"] * picture["channels"] * array.array(CODES[picture["type"]]).itemsize
        if len(payloads[0]) != size:
            return fail(number, "usage", "the picture has another size than it says; send all of it.")
        if preset == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if preset == "memory":
            return fail(number, "memory", "there is too little memory for this picture; retouch a smaller one.")
        if preset == "deaf":
            time.sleep(3600)
        while preset == "hang" and number not in self.cancelled:
            time.sleep(0.05)
        if preset == "garbage":
            OUT.write(b"hello, I am a library\n")
            OUT.flush()
            return None
        for share in range(100 if preset == "slow" else 0):
            if number not in self.cancelled:
                say({"id": number, "kind": "progress", "share": share / 100})
                time.sleep(0.05)
        if number in self.cancelled:
            return fail(number, "cancelled", "this was cancelled.")
        if preset not in (*PRESETS, "short"):
            return fail(number, "preset", f"there is no preset '{preset}'; there are: retouch, winter.")
        say({"id": number, "kind": "progress", "share": 0.5, "news": "from a later version"})
        out = retouched(payloads[0], picture["channels"], picture["type"], message.get("amount", 1))
        if preset == "short":
            out = out[:-1]
        keys = {key: picture[key] for key in ("width", "height", "channels", "type")}
        keys["notices"] = ["Values were clipped."] if preset == "clipping" else []
        say({"id": number, "kind": "done", **keys, "seconds": 0.01, "sizes": [len(out)]}, out)
        return None


def say(message, payload=b""):
    OUT.write(json.dumps(message).encode() + b"\n" + payload)
    OUT.flush()


def fail(number, code, sentence):
    say({"id": number, "kind": "error", "code": code, "message": sentence})


def read_exactly(size):
    """From descriptor 0: a buffered reader held by a thread would abort Python at its end."""
    parts = []
    while size:
        part = os.read(0, min(size, 1 << 20))
        if not part:
            os._exit(0)
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def read_line():
    line = b""
    while not line.endswith(b"\n"):
        line += read_exactly(1)
    return line


def main():
    session, waiting, ready = Session(), [], threading.Condition()

    def work():
        while True:
            with ready:
                ready.wait_for(lambda: waiting)
                message, payloads = waiting.pop(0)
            if os.environ.get("FAKE_LOG"):
                with Path(os.environ["FAKE_LOG"]).open("a", encoding="utf-8") as log:
                    log.write(json.dumps(message) + "\n")
            session.answer(message, payloads)

    say({"kind": "hello", "protocol": int(os.environ.get("FAKE_PROTOCOL", "1")), "version": "0.0-fake"})
    threading.Thread(target=work, daemon=True).start()
    while True:  # the end of the input ends the process, whatever it is at
        message = json.loads(read_line())
        payloads = [read_exactly(size) for size in message.get("sizes", ())]
        if message["do"] == "cancel":
            session.cancelled.add(message["of"])
        with ready:
            waiting.append((message, payloads))
            ready.notify()


if __name__ == "__main__":
    OUT = os.fdopen(os.dup(1), "wb")
    main()
