"""Real files, damaged at random, through everything that reads or patches metadata, and through `open_photo` whole.

    python tools/fuzz.py --data ../shared/data [--minutes N] [--seed S] [--parts NAME ...] [--save]
    python tools/fuzz.py --data ../shared/data --parts NAME --again FILE ...

Laws: readers raise nothing, patchers and `open_photo` only LptnRetouchError with one sentence; a metadata input takes
less than 2 s of processor and 64 MB and four times its length; patching twice is patching once and moves nothing; what
was embedded into a container is read from it again; `open_photo` neither dies nor takes more memory than the size in
the header justifies. What breaks a law is made small and written to --crashes; --again repeats such a file.
`--save` adds the run to benchmarks/results/fuzz.json.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import multiprocessing
import os
import platform
import random
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import tracemalloc
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from fuzz_laws import PARTS, Broken, Part, law, one_sentence, parts
from fuzz_mutations import mutated

from lptn_retouch.errors import PhotoError, UnsupportedPhotoError
from lptn_retouch.opening import open_fitting

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 2.0
SLICE = 2.0  # seconds that each part gets in turn
MEMORY, PER_BYTE = 64 << 20, 4
BASE, COPIES, GUARD = 96 << 20, 6, 2 << 30  # of `open_photo`: bytes at least, pictures, address space
MOST_PIXELS, PATIENCE = 6_000_000, 30.0
WATCHED = 50  # one input in so many is run with its memory traced, which is slow


class TooSlow(BaseException):
    """Not an Exception, so that nothing under test catches it."""


@dataclass
class Tally:
    """What became of a part's inputs."""

    inputs: int = 0
    refused: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    peak: int = 0
    broken: dict[str, int] = field(default_factory=dict)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=1.0, help="of wall time, shared by the parts")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--crashes", type=Path, default=Path("runs/fuzz"))
    parser.add_argument("--again", type=Path, nargs="+", metavar="FILE", help="run these files and nothing else")
    parser.add_argument("--save", action="store_true")
    args = parser.parse_args()
    signal.signal(signal.SIGPROF, _too_slow)
    with contextlib.closing(Opener()) as opener:
        chosen = [part for part in parts(args.data, opener) if part.name in args.parts]
        if args.again:
            return again(chosen, args.again)
        tallies = fuzz(chosen, args.seed, args.minutes * 60, args.crashes)
    result = report(tallies, args.seed)
    print(json.dumps(result, indent=1))
    if args.save:
        file = ROOT / "benchmarks" / "results" / "fuzz.json"
        runs = json.loads(file.read_text())["runs"] if file.exists() else []
        file.write_text(json.dumps({"runs": [*runs, result]}, indent=1) + "\n")
    return 1 if any(tally.broken for tally in tallies.values()) else 0


def fuzz(chosen: list[Part], seed: int, seconds: float, crashes: Path) -> dict[str, Tally]:
    """Damage and try, each part a slice of time in turn, until the time is up."""
    tallies = {part.name: Tally() for part in chosen}
    randoms = {part.name: random.Random(f"{seed} {part.name}") for part in chosen}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for part in chosen:
            tally, start = tallies[part.name], time.monotonic()
            while (now := time.monotonic()) < min(start + SLICE, end):
                data = mutated(randoms[part.name], part.seeds)
                slowest = tally.slowest
                said = tried(part, data, tally)
                if tally.slowest > max(slowest, SECONDS * part.calls / 4):
                    crashes.mkdir(parents=True, exist_ok=True)
                    (crashes / f"{part.name}-slowest.bin").write_bytes(data)
                if said is not None:
                    tally.broken[said] = tally.broken.get(said, 0) + 1
                    if tally.broken[said] == 1:
                        keep(part, data, said, crashes, seed)
            tally.seconds += now - start
    return tallies


def tried(part: Part, data: bytes, tally: Tally | None = None) -> str | None:
    """Run one input; what law it breaks, and where, or None."""
    tally = tally or Tally()
    is_traced = part.is_pure and tally.inputs % WATCHED == 0
    tally.inputs += 1
    if is_traced:
        tracemalloc.start()
    start = time.process_time()
    try:
        signal.setitimer(signal.ITIMER_PROF, SECONDS * part.calls * (6 if is_traced else 1))
        try:
            part.check(data)
        except part.allowed as error:
            tally.refused += 1
            one_sentence(str(error))
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        took = time.process_time() - start
        tally.slowest = max(tally.slowest, 0.0 if is_traced else took)
        peak = tracemalloc.get_traced_memory()[1] if is_traced else 0
        tally.peak = max(tally.peak, peak)
        law(peak <= MEMORY + PER_BYTE * len(data), f"takes more than {MEMORY >> 20} MB and {PER_BYTE} x its length")
    except (Exception, TooSlow) as error:
        return _signature(error)
    finally:
        if is_traced:
            tracemalloc.stop()
    return None


def _signature(error: BaseException) -> str:
    """An error and the innermost place in the library that it came from, so that each is told once."""
    places = [f for f in traceback.extract_tb(error.__traceback__) if "lptn_retouch" in Path(f.filename).parts]
    where = f" in {Path(places[-1].filename).name}:{places[-1].name}" if places else ""
    words = str(error)[:160] if isinstance(error, Broken) else ""
    return f"{type(error).__name__}{where}{': ' + words if words else ''}"


def keep(part: Part, data: bytes, said: str, crashes: Path, seed: int) -> None:
    """Write the input, made as small as it gets in a few seconds."""
    small = smaller(part, data, said)
    crashes.mkdir(parents=True, exist_ok=True)
    name = f"{part.name}-{hashlib.sha256(said.encode()).hexdigest()[:8]}"
    (crashes / f"{name}.bin").write_bytes(small)
    (crashes / f"{name}.txt").write_text(f"{said}\nseed {seed}, {len(small)} of {len(data)} bytes\n")
    print(f"{part.name}: {said} ({crashes / name}.bin, {len(small)} bytes)", file=sys.stderr, flush=True)


def smaller(part: Part, data: bytes, said: str, seconds: float = 10.0) -> bytes:
    """Cut pieces out, each time half as long, as long as the same law breaks."""
    end, size = time.monotonic() + seconds, len(data) // 2
    while size and time.monotonic() < end:
        at = 0
        while at < len(data) and time.monotonic() < end:
            shorter = data[:at] + data[at + size :]
            if tried(part, shorter) == said:
                data = shorter
            else:
                at += size
        size //= 2
    return data


def again(chosen: list[Part], files: list[Path]) -> int:
    """Run files that were kept; with the traceback."""
    status = 0
    for file in files:
        for part in chosen:
            said = tried(part, file.read_bytes())
            print(f"{file} {part.name}: {said or 'fine'}")
            if said:
                status = 1
                with contextlib.suppress(Exception):
                    try:
                        part.check(file.read_bytes())
                    except Exception:
                        traceback.print_exc()
                        raise
    return status


def report(tallies: dict[str, Tally], seed: int) -> dict[str, Any]:
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=ROOT).stdout
    return {
        "machine": f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} CPUs",
        "commit": commit.strip(),
        "seed": seed,
        "minutes": round(sum(tally.seconds for tally in tallies.values()) / 60, 1),
        "inputs": sum(tally.inputs for tally in tallies.values()),
        "parts": {
            name: {
                "inputs": tally.inputs,
                "refused": tally.refused,
                "a_second": round(tally.inputs / max(tally.seconds, 1e-9)),
                "slowest_s": round(tally.slowest, 3),
                "peak_mb": round(tally.peak / 1e6, 1),
                "broken": tally.broken,
            }
            for name, tally in tallies.items()
        },
    }


def _too_slow(*_: object) -> None:
    raise TooSlow(f"more than {SECONDS} s")


class Opener:
    """`open_photo` in a child process, which may die, hang or eat memory without harm.

    The child's address space is bounded, as a guard; the law is about the memory that it really touches, which the
    size in the header justifies: the coded file, and a few pictures of that size at its depth.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
        self._child: BaseProcess | None = None

    def __call__(self, data: bytes) -> None:
        """Open a file with this content.

        Raises:
            PhotoError: as `open_photo` does.
            Broken: a law is.
        """
        if self._child is None:
            self._start()
        assert self._child is not None
        file = Path(self._folder.name, "photo")
        file.write_bytes(data)
        self._pipe.send(str(file))
        try:
            waited = self._pipe.poll(PATIENCE)
            law(waited, f"open_photo does not end in {PATIENCE:.0f} s")
            said = self._pipe.recv()
        except (Broken, EOFError, OSError) as error:
            self._child.kill()
            self._child.join()
            ended, self._child = self._child.exitcode, None
            law(not isinstance(error, (EOFError, OSError)), f"open_photo ends the process with {ended}")
            raise
        if said is not None:
            raise said

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._child = context.Process(target=serve, args=(theirs, Path(self._folder.name, "chatter")), daemon=True)
        self._child.start()
        theirs.close()

    def close(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.join()
        self._folder.cleanup()


def serve(pipe: Connection, chatter: Path) -> None:
    """The child: open what is named, and tell what became of it."""
    os.dup2(os.open(chatter, os.O_CREAT | os.O_TRUNC | os.O_RDWR | os.O_APPEND), 2)
    guard = _status("VmSize") + GUARD
    resource.setrlimit(resource.RLIMIT_AS, (guard, guard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(EOFError, KeyboardInterrupt):
        while True:
            path = Path(pipe.recv())
            try:
                _open(path)
                said = chatter.read_text(errors="replace")
                law(not said, f"something is written to standard error: {re.sub('[0-9]+', '0', said)[:24]!r}")
                pipe.send(None)
            except Exception as error:
                pipe.send(_alone(error) if _is_ours(error) else Broken(_signature(error)))
            os.truncate(chatter, 0)


def _open(path: Path) -> None:
    room = BASE + PER_BYTE * path.stat().st_size

    def fits(width: int, height: int, dtype: str) -> None:
        nonlocal room
        if width * height > MOST_PIXELS:
            raise UnsupportedPhotoError("There are too many pixels to try thousands of these; nothing was decoded.")
        room += COPIES * 4 * {"uint8": 1, "uint16": 2}.get(dtype, 4) * width * height

    Path("/proc/self/clear_refs").write_text("5")  # VmHWM starts anew
    base = _status("VmRSS")
    try:
        photo = open_fitting(path, fits)
    finally:
        taken = _status("VmHWM") - base
        law(taken <= room, f"open_photo takes {taken >> 20} MB, of {room >> 20} that the header's size justifies")
    law(photo.pixels.size > 0 and photo.pixels.shape[2] in (3, 4), "open_photo gives no picture")
    for notice in photo.notices:
        one_sentence(notice)


def _alone(error: Exception) -> Exception:
    """The error without those it came from, which may not travel between processes."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def _is_ours(error: Exception) -> bool:
    return isinstance(error, (PhotoError, Broken)) and "not enough memory" not in str(error)


def _status(name: str) -> int:
    """A line of /proc/self/status, in bytes."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name + ":"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    sys.exit(main())
