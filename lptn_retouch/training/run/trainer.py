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
        _learn(config, run, course, rank, say, verbose=verbose)
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


def _learn(config: TrainConfig, run: Path, course: Course, rank: Rank, say: Say, *, verbose: bool) -> None:
    learner, optim = Learner(config, rank, course.gate, course.grade), config.optim
    first, best, untouched = 0, _Best(), _untouched(course)
    if state := runfolder.load_checkpoint(run, rank.device):
        learner.load_state(state)
        first = int(state["step"])
        best = _Best(float(state["best"]), int(state.get("best_step", 0)))
        say(f"going on from step {first}")
    elif rank.first and untouched is not None:
        runfolder.note(run, step=0, untouched_psnr=untouched)

    def save(done: int) -> None:
        state = {**learner.state(), "step": done, "best": best.score, "best_step": best.step}
        runfolder.save(run / runfolder.CHECKPOINT, state)

    rows, last = rank.rows(optim.batch), optim.steps
    if best.is_long_ago(first, optim):
        last = first
    started, losses, counted = time.monotonic(), dict[str, float](), 0
    with Interrupt() as interrupt:
        for step in range(first, last):
            seed = optim.seed * 1_000_003 + step
            torch.manual_seed(seed)  # dropout too repeats itself in a resumed run
            before, target = course.lessons.batch(optim.batch, config.data, config.jitter, seed, rows)
            style = course.draw_style(optim.batch, config.data, seed)
            found = learner.step(before, target, None if style is None else style[rows], step)
            losses = {name: losses.get(name, 0.0) + value for name, value in found.items()}
            counted += 1
            done, news = step + 1, list[str]()
            if rank.first and (done % optim.evaluate_every == 0 or done == last):
                news += _validate(learner, course, run, done, best, untouched)
            settled = best.is_long_ago(done, optim)
            leaving = rank.any(settled or interrupt.number > 0)
            ending = leaving or done == last
            if not rank.first:
                if ending:
                    break
                continue
            if (
                optim.sheet_every
                and course.validation_set
                and (done % optim.sheet_every == 0 or settled or done == last)
            ):
                draw_sheet(learner.average, course.validation_set, run / f"sheet-{done:06d}.png")
                show_curves(run)
            if done % optim.save_every == 0 or ending:
                means = {name: value / counted for name, value in losses.items()}
                rate = (done - first) / (time.monotonic() - started)
                runfolder.note(run, step=done, **means, steps_per_second=round(rate, 3))
                losses, counted = {}, 0
                save(done)
                if not ending:
                    news.append(_time_left((last - done) / rate))
                if verbose:
                    news += [*(f"{name} {value:.4f}" for name, value in means.items()), f"{rate:.2f} steps/s"]
            if news:
                say(f"step {done} of {last}: {'; '.join(news)}")
            if settled:
                say(f"stopping here: the held-out pictures have come no closer since step {best.step}")
                break
            if leaving and done < last:
                raise Stopped(done, interrupt.number)
    if rank.first and best.step and untouched is not None:
        pictures = f"{len(course.validation_set)} picture{'s' if len(course.validation_set) > 1 else ''}"
        say(f"kept step {best.step}: {_how_close(best.score, untouched)}, on {pictures} held out")
    rank.wait()


def _validate(
    learner: Learner, course: Course, run: Path, done: int, best: _Best, untouched: float | None
) -> list[str]:
    """Measure the averaged weights on the held-out pictures, and keep them if none did better; tells how they did."""
    weights = learner.average.state_dict()
    if untouched is None:
        runfolder.save(run / runfolder.WEIGHTS, weights)
        return []
    score = mean_psnr(learner.average, course.validation_set)
    runfolder.note(run, step=done, validation_psnr=score)
    runfolder.save(run / f"weights-{done:06d}.pt", weights)
    if score >= best.score:
        runfolder.save(run / runfolder.WEIGHTS, weights)
        best.score, best.step = score, done
    return [_how_close(score, untouched) + (", the best so far" if best.step == done else "")]


def _untouched(course: Course) -> float | None:
    """How near the held-out pictures are to their right answers as they are, dB; None where that says nothing."""
    if not (course.validation_set and course.picks_best):
        return None
    return sum(psnr(before, after) for before, after in course.validation_set) / len(course.validation_set)


def _how_close(score: float, untouched: float) -> str:
    return f"how close: {score:.1f} dB, untouched {untouched:.1f}"


def _time_left(seconds: float) -> str:
    return f"about {seconds / 60:.0f} min left" if seconds >= 90 else f"about {max(seconds, 0):.0f} s left"


def mean_psnr(net: nn.Module, examples: list[tuple[Tensor, Tensor]]) -> float:
    """Mean PSNR, dB, of a network over inputs and targets, (1, 3, h, w) each."""
    net.eval()
    device = next(net.parameters()).device
    with torch.inference_mode():
        return sum(psnr(net(before.to(device)).clamp(0, 1).cpu(), after) for before, after in examples) / len(examples)


def _silent(_: str) -> None: ...
