"""How far a batch is: a bar where there is a terminal, a line now and then where there is not."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from lptn_retouch.batch.words import duration

if TYPE_CHECKING:
    from rich.progress import Progress

EVERY = 30.0  # seconds between lines in a pipe, a log or a notebook


class Gauge:
    """Files, megapixels a second, time left and failures, on standard error.

    Args:
        total: files; None where nobody knows, as of a folder that is watched.
        quiet: say nothing.
    """

    def __init__(self, total: int | None, *, quiet: bool = False) -> None:
        self._total, self._quiet = total, quiet
        self._files = self._failed = 0
        self._megapixels, self._started = 0.0, time.monotonic()
        self._said = self._started
        self._bar: Progress | None = None
        self._task: Any = None
        if quiet:
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(file=sys.stderr)
        if console.is_terminal and not console.is_jupyter:
            self._bar = Progress(
                MofNCompleteColumn(),
                BarColumn(),
                TextColumn("{task.fields[pace]}"),
                TimeRemainingColumn(compact=True),
                TextColumn("[red]{task.fields[failed]}"),
                console=console,
                redirect_stdout=sys.stdout.isatty(),  # else paths that a program waits for would go to the terminal
                transient=True,
            )
            self._task = self._bar.add_task("", total=total, pace="", failed="")

    def __enter__(self) -> Gauge:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def add(self, megapixels: float, *, failed: bool, done_now: bool = True) -> None:
        """Count a file.

        Args:
            megapixels: of it.
            failed: whether it did.
            done_now: whether it was worked on; if not, it does not count in the pace.
        """
        self._files += 1
        self._failed += failed
        self._megapixels += megapixels if done_now else 0
        if self._bar is not None:
            self._bar.update(self._task, advance=1, pace=self._pace(), failed=self._failures())
        elif not self._quiet and time.monotonic() - self._said >= EVERY:
            self._said = time.monotonic()
            of = "" if self._total is None else f" of {self._total}"
            self.say(
                ", ".join(filter(None, (f"{self._files}{of} files", self._pace(), self._left(), self._failures())))
            )

    def say(self, line: str) -> None:
        """Print a line on standard error, above the bar if there is one."""
        if self._bar is not None:
            self._bar.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            print(line, file=sys.stderr, flush=True)

    def _pace(self) -> str:
        return f"{self._megapixels / max(time.monotonic() - self._started, 0.01):.0f} MP/s"

    def _failures(self) -> str:
        return f"{self._failed} failed" if self._failed else ""

    def _left(self) -> str:
        if not self._total or not self._files:
            return ""
        seconds = (time.monotonic() - self._started) / self._files * (self._total - self._files)
        return f"{duration(seconds)} left"
