"""The trainer: a config in, a run folder out."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from lptn_retouch.training import runfolder
from lptn_retouch.training.config import TrainConfig
from lptn_retouch.training.curves import missing, show_curves
from lptn_retouch.training.learner import Learner
from lptn_retouch.training.lessons import Course, prepare
from lptn_retouch.training.manifest import write_manifest
from lptn_retouch.training.metrics import psnr
from lptn_retouch.training.parallel import Place, join
from lptn_retouch.training.sheet import draw_sheet

Say = Callable[[str], None]


def train(config: TrainConfig, run: Path, say: Say = print) -> Path:
    """Train a preset; go on where the run folder's checkpoint stands, if it has one.

    Args:
        config: the run, see :func:`lptn_retouch.training.config.read_config`.
        run: folder for ``config.json``, ``manifest.json``, ``log.jsonl``, the curves, the sheets, ``checkpoint.pt``
            and the trained ``weights.pt``. A killed run that is started again ends with the same weights, bit for
            bit, as one that was left alone (on the same machine's CPU).
        say: where progress goes, a line at a time.

    Returns:
        The run folder's file of averaged weights: those that did best on the held-out pictures.

    Raises:
        TrainingError: there are no pictures to learn from, the run folder belongs to another config, or the loss ran
            away.
        PhotoError: a picture cannot be read, or the disk is full.
    """
    if config.optim.threads:
        torch.set_num_threads(config.optim.threads)
    with join() as place:
        if place.first:
            runfolder.claim(run, config)
            course = prepare(config, run, say)
            write_manifest(run, course.files)
            if absent := missing():
                say(absent)
        place.wait()
        if not place.first:  # the first has fitted the teacher and filled the cache by now
            course, say = prepare(config, run, _silent), _silent
        _learn(config, run, course, place, say)
        if place.first:
            show_curves(run)
    return run / runfolder.WEIGHTS


def _learn(config: TrainConfig, run: Path, course: Course, place: Place, say: Say) -> None:
    learner, optim = Learner(config, place, course.gate), config.optim
    first, best = 0, -math.inf
    if state := runfolder.load_checkpoint(run, place.device):
        learner.load_state(state)
        first, best = int(state["step"]), float(state["best"])
        say(f"going on from step {first}")
    elif place.first and course.exam and course.judged:
        untouched = sum(psnr(before, after) for before, after in course.exam) / len(course.exam)
        runfolder.note(run, step=0, untouched_psnr=untouched)
    rows, last = place.rows(optim.batch), optim.steps
    started, losses, counted = time.monotonic(), dict[str, float](), 0
    for step in range(first, last):
        seed = optim.seed * 1_000_003 + step
        torch.manual_seed(seed)  # dropout too repeats itself in a resumed run
        before, target = course.lessons.batch(optim.batch, config.data, config.jitter, seed, rows)
        style = course.draw_style(optim.batch, config.data, seed)
        found = learner.step(before, target, None if style is None else style[rows], step)
        losses = {name: losses.get(name, 0.0) + value for name, value in found.items()}
        counted += 1
        done = step + 1
        if not place.first:
            continue
        if done % optim.evaluate_every == 0 or done == last:
            best = _examine(learner, course, run, done, best, say)
        if optim.sheet_every and course.exam and (done % optim.sheet_every == 0 or done == last):
            draw_sheet(learner.average, course.exam, run / f"sheet-{done:06d}.png")
            show_curves(run)
        if done % optim.save_every == 0 or done == last:
            means = {name: value / counted for name, value in losses.items()}
            rate = (done - first) / (time.monotonic() - started)
            told = "  ".join(f"{name} {value:.4f}" for name, value in means.items())
            say(f"step {done}/{last}  {told}  {rate:.2f} steps/s  {(last - done) / rate / 60:.1f} min left")
            runfolder.note(run, step=done, **means)
            losses, counted = {}, 0
            runfolder.save(run / runfolder.CHECKPOINT, {**learner.state(), "step": done, "best": best})
    place.wait()


def _examine(learner: Learner, course: Course, run: Path, done: int, best: float, say: Say) -> float:
    """Measure the averaged weights on the held-out pictures, and keep them if none did better."""
    weights = learner.average.state_dict()
    if not (course.exam and course.judged):
        runfolder.save(run / runfolder.WEIGHTS, weights)
        return best
    score = mean_psnr(learner.average, course.exam)
    say(f"step {done}/{learner.config.optim.steps}  held out {score:.2f} dB")
    runfolder.note(run, step=done, validation_psnr=score)
    runfolder.save(run / f"weights-{done:06d}.pt", weights)
    if score >= best:
        runfolder.save(run / runfolder.WEIGHTS, weights)
    return max(best, score)


def mean_psnr(net: nn.Module, exam: list[tuple[Tensor, Tensor]]) -> float:
    """Mean PSNR, dB, of a network over inputs and targets, (1, 3, h, w) each."""
    net.eval()
    device = next(net.parameters()).device
    with torch.inference_mode():
        return sum(psnr(net(before.to(device)).clamp(0, 1).cpu(), after) for before, after in exam) / len(exam)


def _silent(_: str) -> None: ...
