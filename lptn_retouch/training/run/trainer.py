"""The trainer: a config in, a run folder out."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from lptn_retouch.evaluation.metrics import psnr
from lptn_retouch.training.data.manifest import write_manifest
from lptn_retouch.training.run import runfolder
from lptn_retouch.training.run.config import OptimConfig, TrainConfig
from lptn_retouch.training.run.curves import missing, show_curves
from lptn_retouch.training.run.interrupt import Interrupt, Stopped
from lptn_retouch.training.run.learner import Learner
from lptn_retouch.training.run.lessons import Course, prepare
from lptn_retouch.training.run.parallel import Rank, join
from lptn_retouch.training.run.sheet import draw_sheet

Say = Callable[[str], None]


def train(config: TrainConfig, run: Path, say: Say = print, *, verbose: bool = False) -> Path:
    """Train a preset; go on where the run folder's checkpoint stands, if it has one.

    Args:
        config: the run, see :func:`lptn_retouch.training.run.config.read_config`.
        run: folder for ``config.json``, ``manifest.json``, ``log.jsonl``, the curves, the sheets, ``checkpoint.pt``
            and the trained ``weights.pt``. A killed run that is started again ends with the same weights, bit for
            bit, as one that was left alone (on the same machine's CPU).
        say: where progress goes, a line at a time.
        verbose: whether losses and steps a second are said too; ``log.jsonl`` holds them anyway.

    Returns:
        The run folder's file of averaged weights: those that did best on the held-out pictures.

    Raises:
        Stopped: Ctrl-C or SIGTERM came while it learnt; the checkpoint is of the step after which it came.
        TrainingError: there are no pictures to learn from, or the loss ran away.
        PhotoError: a picture cannot be read, or the disk is full.
    """
    if config.optim.threads:
        torch.set_num_threads(config.optim.threads)
    with join() as rank:
        if rank.first:
            course = _begin(config, run, say)
            if absent := missing():
                say(absent)
        rank.wait()
        if not rank.first:  # the first has fitted the teacher and filled the cache by now
            course, say = prepare(config, run, _silent), _silent
        _Run(config, run, course, rank, say, verbose=verbose).learn()
        if rank.first:
            show_curves(run)
    return run / runfolder.WEIGHTS


def _begin(config: TrainConfig, run: Path, say: Say) -> Course:
    """Make the run folder this run's, and read its pictures."""
    runfolder.claim(run, config, say)
    course = prepare(config, run, say)
    if not write_manifest(run, course.files):
        runfolder.set_aside(run, "learnt from other pictures", say)
        runfolder.claim(run, config, say)
        course = prepare(config, run, say)
        write_manifest(run, course.files)
    return course


@dataclass
class _Best:
    """The best figure on the held-out pictures so far, dB, and the step at which it was reached."""

    score: float = -math.inf
    step: int = 0

    def is_long_ago(self, done: int, optim: OptimConfig) -> bool:
        """Whether a run has waited for a better one as long as its config says."""
        return bool(optim.patience and self.step and done - self.step >= optim.patience * optim.evaluate_every)


class _Run:
    """A run from its checkpoint on. All of its processes learn; the first measures, draws, saves and tells."""

    def __init__(self, config: TrainConfig, run: Path, course: Course, rank: Rank, say: Say, *, verbose: bool) -> None:
        self.config, self.optim, self.run, self.course, self.rank = config, config.optim, run, course, rank
        self.say, self.verbose = say, verbose
        self.learner = Learner(config, rank, course.gate, course.grade)
        self.begun, self.best, self.untouched = 0, _Best(), _untouched(course)
        if state := runfolder.load_checkpoint(run, rank.device):
            self.learner.load_state(state)
            self.begun = int(state["step"])
            self.best = _Best(float(state["best"]), int(state.get("best_step", 0)))
            say(f"going on from step {self.begun}")
        elif rank.first and self.untouched is not None:
            runfolder.note(run, step=0, untouched_psnr=self.untouched)
        self.last = self.begun if self.best.is_long_ago(self.begun, self.optim) else self.optim.steps
        self.losses: list[dict[str, float]] = []  # of each step since the last line of the log
        self.started = time.monotonic()

    def learn(self) -> None:
        """Take all steps that are left.

        Raises:
            Stopped: somebody asked for it, and it is saved.
        """
        with Interrupt() as interrupt:
            for done in range(self.begun + 1, self.last + 1):
                self._step(done - 1)
                news = self._validate(done) if self.rank.first else []
                settled = self.best.is_long_ago(done, self.optim)
                leaving = self.rank.any(settled or interrupt.number > 0)
                ending = leaving or done == self.last
                if self.rank.first:
                    self._draw(done, ending=settled or done == self.last)
                    news += self._save(done, ending=ending)
                    if news:
                        self.say(f"step {done} of {self.last}: {'; '.join(news)}")
                if settled:
                    self.say(f"stopping here: the held-out pictures have come no closer since step {self.best.step}")
                    break
                if leaving and done < self.last and self.rank.first:
                    raise Stopped(done, interrupt.number)
                if ending:
                    break
        if self.rank.first and self.best.step and self.untouched is not None:
            count = len(self.course.validation_set)
            close = _how_close(self.best.score, self.untouched)
            self.say(f"kept step {self.best.step}: {close}, on {count} picture{'s' if count > 1 else ''} held out")
        self.rank.wait()

    def _step(self, step: int) -> None:
        config, course, size = self.config, self.course, self.optim.batch
        seed = self.optim.seed * 1_000_003 + step
        torch.manual_seed(seed)  # dropout too repeats itself in a resumed run
        rows = self.rank.rows(size)
        before, target = course.lessons.batch(size, config.data, config.jitter, seed, rows)
        style = course.draw_style(size, config.data, seed)
        losses = self.learner.step(before, target, None if style is None else style[rows], step)
        if self.rank.first:
            self.losses.append(losses)

    def _validate(self, done: int) -> list[str]:
        """Measure the averaged weights, where it is time, and keep them if none did better; tells how they did."""
        if done % self.optim.evaluate_every and done != self.last:
            return []
        weights = self.learner.average.state_dict()
        if self.untouched is None:
            runfolder.save(self.run / runfolder.WEIGHTS, weights)
            return []
        score = mean_psnr(self.learner.average, self.course.validation_set)
        runfolder.note(self.run, step=done, validation_psnr=score)
        runfolder.save(self.run / f"weights-{done:06d}.pt", weights)
        if score >= self.best.score:
            runfolder.save(self.run / runfolder.WEIGHTS, weights)
            self.best = _Best(score, done)
        return [_how_close(score, self.untouched) + (", the best so far" if self.best.step == done else "")]

    def _draw(self, done: int, *, ending: bool) -> None:
        """Draw the held-out pictures and the curves, where it is time."""
        every = self.optim.sheet_every
        if every and self.course.validation_set and (done % every == 0 or ending):
            draw_sheet(self.learner.average, self.course.validation_set, self.run / f"sheet-{done:06d}.png")
            show_curves(self.run)

    def _save(self, done: int, *, ending: bool) -> list[str]:
        """Write the log and the checkpoint, where it is time; tells how long it will take."""
        if done % self.optim.save_every and not ending:
            return []
        names = dict.fromkeys(name for losses in self.losses for name in losses)
        means = {name: sum(losses.get(name, 0.0) for losses in self.losses) / len(self.losses) for name in names}
        self.losses = []
        rate = (done - self.begun) / (time.monotonic() - self.started)
        runfolder.note(self.run, step=done, **means, steps_per_second=round(rate, 3))
        state = {**self.learner.state(), "step": done, "best": self.best.score, "best_step": self.best.step}
        runfolder.save(self.run / runfolder.CHECKPOINT, state)
        news = [] if ending else [_time_left((self.last - done) / rate)]
        if self.verbose:
            news += [*(f"{name} {value:.4f}" for name, value in means.items()), f"{rate:.2f} steps/s"]
        return news


def _untouched(course: Course) -> float | None:
    """How near the held-out pictures are to their targets as they are, dB; None where that says nothing."""
    if not (course.validation_set and course.picks_best):
        return None
    return sum(psnr(before, target) for before, target in course.validation_set) / len(course.validation_set)


def _how_close(score: float, untouched: float) -> str:
    return f"how close: {score:.1f} dB, untouched {untouched:.1f}"


def _time_left(seconds: float) -> str:
    return f"about {seconds / 60:.0f} min left" if seconds >= 90 else f"about {max(seconds, 0):.0f} s left"


def mean_psnr(net: nn.Module, examples: list[tuple[Tensor, Tensor]]) -> float:
    """Mean PSNR, dB, of a network over inputs and targets, (1, 3, h, w) each."""
    net.eval()
    device = next(net.parameters()).device
    with torch.inference_mode():
        found = [psnr(net(before.to(device)).clamp(0, 1).cpu(), target) for before, target in examples]
    return sum(found) / len(found)


def _silent(_: str) -> None: ...
