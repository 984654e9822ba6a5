"""A folder of photographs: its pace against Pillow's, what a photograph costs and where, memory, and the start.

Pillow opens and saves the same files, in as many processes as there are cores. Twice: by turns, a part of the folder
each, with all processes of both running already; and as whole commands, each counted with its start.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from shutil import copyfile
from statistics import mean, median
from tempfile import TemporaryDirectory
from typing import Any

from lptn_retouch.batch import Look, Output
from lptn_retouch.batch.options import Settings
from lptn_retouch.batch.photograph import do, prepare
from lptn_retouch.batch.plan import Job
from lptn_retouch.batch.process import Process
from lptn_retouch.batch.run import Batch
from lptn_retouch.batch.work import Work
from lptn_retouch.bench import processes
from lptn_retouch.bench.figure import Figure, duration, ratio
from lptn_retouch.bench.photograph import QUALITY, write_photograph
from lptn_retouch.bench.resave import resave
from lptn_retouch.bench.setting import Setting, frame
from lptn_retouch.bench.timing import interleaved, timed
from lptn_retouch.errors import LptnRetouchError
from lptn_retouch.retoucher import Retoucher
from lptn_retouch.threads import thread_count
from lptn_retouch.verify.compare import compare

PHOTOGRAPHS, QUICK_PHOTOGRAPHS = 200, 40
MANY, QUICK_MANY = 1000, 200  # small ones
AT_LEAST = 0.6  # of Pillow's pace
STEADY = 5.0  # percent at most between memory at the end and at the beginning
_VARIANTS = 6  # photographs that differ in every pixel; the others are copies
_LOOKS = 200  # at memory in a long run: each takes hundredths of a second
_UNIT = "of Pillow's pace"


def measure(
    setting: Setting, megapixels: float = 12, photographs: int | None = None, small: float = 3, many: int | None = None
) -> list[Figure]:
    """Pace and cost of a photograph; memory and start of a batch of many small ones.

    Args:
        megapixels, photographs: of the folder whose pace is measured.
        small, many: megapixels and number of those that memory and start are measured with.
    """
    photographs = photographs or (QUICK_PHOTOGRAPHS if setting.quick else PHOTOGRAPHS)
    many = many or (QUICK_MANY if setting.quick else MANY)
    with TemporaryDirectory(dir=setting.folder) as place:
        source = _folder(setting, Path(place), megapixels, photographs)
        figures = _pace(setting, source, megapixels)
        figures += _parts(setting, source, megapixels)
        figures.append(_commands(setting, source, megapixels, photographs))
    with TemporaryDirectory(dir=setting.folder) as place:
        source = _folder(setting, Path(place), small, many)
        return figures + _long_run(setting, source, small, many)


def _folder(setting: Setting, place: Path, megapixels: float, count: int) -> Path:
    """A folder of so many photographs."""
    setting.tell(f"  {count} photographs of {megapixels:g} megapixels")
    folder = place / "photographs"
    folder.mkdir()
    for number in range(count):
        path, variant = folder / f"{number:04}.jpg", folder / f"{number % _VARIANTS:04}.jpg"
        if number < _VARIANTS:
            write_photograph(path, setting.scene, *frame(megapixels), seed=number)
        else:
            copyfile(variant, path)
    return folder


def _pace(setting: Setting, source: Path, megapixels: float) -> list[Figure]:
    """Both by turns, each time with further photographs; the first turn does not count."""
    setting.tell("  by turns with Pillow")
    saved = source.with_name("saved")
    saved.mkdir()
    with (
        Batch(source, source.with_name("results"), Settings(device="cpu")) as batch,
        ProcessPoolExecutor(thread_count(), get_context("spawn")) as pool,
    ):

        def retouch(jobs: list[Job]) -> None:
            for result in batch.run(jobs):
                if result.outcome != "done":
                    raise LptnRetouchError(result.reason)

        def pass_through(jobs: list[Job]) -> None:
            files = [source / job.found.file for job in jobs]
            list(pool.map(partial(resave, results=saved, quality=QUALITY), files))

        each = max(1, len(batch.plan.jobs) // (setting.repeats + 1))
        turns = {
            "batch": _Turns(retouch, batch.plan.jobs, each),
            "Pillow": _Turns(pass_through, batch.plan.jobs, each),
        }
        seconds = interleaved(turns, setting.repeats)
        workers = batch.workers
    a_photograph = {name: [round(run / each, 6) for run in runs] for name, runs in seconds.items()}
    facts: dict[str, Any] = {"workers": workers, "photographs_a_turn": each}
    facts["megapixels_per_second"] = round(megapixels / median(a_photograph["batch"]), 1)
    for name, turn in turns.items():
        facts |= {f"{name}_{key}": value for key, value in turn.facts().items()}
    name = f"{megapixels:g} MP"
    return [
        ratio(f"{name}, pace", a_photograph, "Pillow", "batch", _UNIT, at_least=AT_LEAST, megapixels=megapixels),
        duration(f"{name}, a photograph", a_photograph["batch"], megapixels=megapixels, facts=facts),
    ]


class _Turns:
    """Work that is done on some photographs of a folder with each call, and what it took of the cores.

    Args:
        work: is given the photographs.
        jobs: all of the folder.
        each: how many of them a turn has.
    """

    def __init__(self, work: Callable[[list[Job]], object], jobs: list[Job], each: int) -> None:
        self._work, self._each = work, each
        self._parts = iter([jobs[first : first + each] for first in range(0, len(jobs), each)])
        self._took: list[tuple[float, float]] = []

    def __call__(self) -> None:
        jobs, before = next(self._parts), self._now()
        self._work(jobs)
        wall, cpu, idle = (after - then for then, after in zip(before, self._now(), strict=True))
        self._took.append((cpu / self._each, idle / wall / (os.cpu_count() or 1)))

    def _now(self) -> tuple[float, float, float]:
        return time.perf_counter(), processes.cpu_seconds(os.getpid()), processes.idle_seconds()

    def facts(self) -> dict[str, float]:
        """Seconds on a core for each photograph, and the part of the time in which a core had nothing to do at all."""
        if processes.missing():
            return {}
        cpu, idle = (median(values) for values in zip(*self._took[1:], strict=True))
        return {"cpu_seconds": round(cpu, 4), "idle_share": round(idle, 3)}


def _parts(setting: Setting, source: Path, megapixels: float) -> list[Figure]:
    """What one photograph takes in a process of a batch that has one thread and the machine for itself."""
    setting.tell("  in parts")
    target = source.with_name("part.jpg")
    process = Process(1)
    try:
        parts = process.call(_timed_parts, source / "0000.jpg", target, 2 * setting.repeats)
    finally:
        process.close()
    name = f"{megapixels:g} MP, one thread"
    return [
        duration(f"{name}, {part}", wall, megapixels=megapixels, facts={"cpu_seconds": round(median(cpu), 4)})
        for part, (wall, cpu) in parts.items()
    ]


def _timed_parts(source: Path, target: Path, repeats: int) -> dict[str, tuple[list[float], list[float]]]:
    """For each part its seconds on the clock and on a core; what it lacks on a core, it waits for the disk."""
    retoucher, output = Retoucher("retouch", "cpu"), Output()
    work = Work(source.name, source, Look(), (output,), (target,), device="cpu")
    prepare(Look(), "cpu")
    parts: dict[str, tuple[list[float], list[float]]] = {}

    def part(name: str, call: Callable[..., Any], *arguments: Any) -> Any:
        wall, cpu = parts.setdefault(name, ([], []))
        before = time.perf_counter(), time.process_time()
        value = call(*arguments)
        wall.append(round(time.perf_counter() - before[0], 6))
        cpu.append(time.process_time() - before[1])
        return value

    for turn in range(1 + repeats):
        if turn == 1:
            parts.clear()
        photo = part("retouch", retoucher.using_up, part("open", retoucher.open, source))
        part("save", output.save, photo, target)
        part("compare the metadata", compare, source, target)
        part("fingerprint of the result", _fingerprint, target)
        del photo
        part("whole", do, work)
        part("whole, for a report", do, replace(work, thumbnails=True))
    return parts


def _fingerprint(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _commands(setting: Setting, source: Path, megapixels: float, photographs: int) -> Figure:
    """The two as commands, by turns. A quick run is too short for what a start costs, so it has no target."""
    setting.tell("  as whole commands")
    resaving = "-m", "lptn_retouch.bench.resave"
    seconds: dict[str, list[float]] = {"batch": [], "Pillow": []}
    for _ in range(1 if setting.quick else 2):
        with TemporaryDirectory(dir=source.parent) as place:
            seconds["batch"].append(timed(lambda: _command(source, Path(place, "results"))))
        with TemporaryDirectory(dir=source.parent) as place:
            words = [sys.executable, *resaving, str(source), str(Path(place, "results")), str(QUALITY)]
            seconds["Pillow"].append(timed(lambda: subprocess.run(words, check=True, capture_output=True)))  # noqa: B023
    return ratio(
        f"{megapixels:g} MP, whole commands",
        seconds,
        "Pillow",
        "batch",
        _UNIT,
        at_least=None if setting.quick else AT_LEAST,
        megapixels=megapixels,
        facts={"photographs": photographs},
    )


def _long_run(setting: Setting, source: Path, megapixels: float, photographs: int) -> list[Figure]:
    """Memory while a batch goes on, the first result, and the same again when all is done."""
    setting.tell("  a long run")
    results = source.with_name("results")
    reason = processes.missing()
    seconds, memory = _command(source, results, look=0 if reason else max(1, photographs // _LOOKS))
    setting.tell("  the same again")
    again, _ = _command(source, results)
    not_told = {"memory": f"not measured, as {reason}"} if reason else {}
    name = f"{photographs} of {megapixels:g} MP"
    figures = [
        duration(f"{name}, to the first result", seconds[:1], megapixels=megapixels, facts=not_told),
        duration(f"{name}, when all is done already", again[-1:], megapixels=megapixels),
    ]
    if reason is None:
        whole, own = zip(*(look for look in memory if look[1]), strict=True)  # not when the command was just gone
        first, last = at_both_ends(own)
        figures.append(
            Figure(
                f"{name}, memory, its end against its start",
                100 * abs(last / first - 1),
                "% off",
                at_most=STEADY,
                megapixels=megapixels,
                facts={
                    "mb_at_start_and_end": [round(value / 1e6, 1) for value in (first, last)],
                    "mb_with_code": round(max(whole) / 1e6, 1),
                },
            )
        )
    return figures


def at_both_ends(values: Sequence[float]) -> tuple[float, float]:
    """The means of the first tenth and of the last, without a twentieth at either end: processes start and end there.

    Example:
        >>> at_both_ends(range(40))
        (3.5, 35.5)
    """
    tenth, edge = max(1, len(values) // 10), len(values) // 20
    return mean(values[edge : edge + tenth]), mean(values[len(values) - edge - tenth : len(values) - edge])


def _command(source: Path, results: Path, *, look: int = 0) -> tuple[list[float], list[tuple[int, int]]]:
    """Run `batch` as a command.

    Args:
        look: at its memory with every so manieth result; 0 for never.

    Returns:
        Seconds from its start, of each result and then of its end; and bytes held, as :func:`processes.held` has them.
    """
    words = [sys.executable, "-m", "lptn_retouch", "batch", str(source), str(results), "--json", "--device", "cpu"]
    started, seconds, memory = time.perf_counter(), [], []
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        for _ in process.stdout or ():
            seconds.append(time.perf_counter() - started)
            if look and len(seconds) % look == 0:
                memory.append(processes.held(process.pid))
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, words)
    return [*seconds, time.perf_counter() - started], memory
