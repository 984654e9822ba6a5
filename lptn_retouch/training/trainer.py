"""The paired trainer: a TOML file in, a run folder out."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from lptn_retouch.errors import TrainingError
from lptn_retouch.formats.files import write_atomically
from lptn_retouch.model.checkpoint import read_published, read_safetensors
from lptn_retouch.model.graded import GradedLPTN
from lptn_retouch.model.lptn import load_checked
from lptn_retouch.training.config import TrainConfig
from lptn_retouch.training.metrics import psnr
from lptn_retouch.training.pairs import PairSet, load_native

CHECKPOINT = "checkpoint.pt"


def train(config: TrainConfig, run: Path, say: Callable[[str], None] = print) -> Path:
    """Train a preset from pairs; go on where the run folder's checkpoint stands, if it has one.

    Args:
        config: the run, see :func:`lptn_retouch.training.config.read_config`.
        run: folder for ``config.json``, ``log.jsonl``, ``checkpoint.pt`` and the trained ``weights.pt``. A killed run
            that is started again ends with the same weights, bit for bit, as one that was left alone.
        say: where progress goes, a line at a time.

    Returns:
        The run folder's file of averaged weights.

    Raises:
        TrainingError: the folders hold no pairs, the run folder belongs to another config, or the loss ran away.
    """
    if config.optim.threads:
        torch.set_num_threads(config.optim.threads)
    run.mkdir(parents=True, exist_ok=True)
    _claim(run, config)
    say(f"reading {config.data.train}")
    pairs = PairSet.load(Path(config.data.train), config.data)
    say(f"{len(pairs)} pairs in {', '.join(f'{len(v)} {k}' for k, v in pairs.buckets.items())}")
    validation = list(load_native(Path(config.data.validate))) if config.data.validate else []

    torch.manual_seed(config.optim.seed)
    net = GradedLPTN(**vars(config.model))
    if config.optim.start:
        load_checked(net, _start_weights(Path(config.optim.start)))
    average = GradedLPTN(**vars(config.model))
    average.load_state_dict(net.state_dict())
    optimizer = torch.optim.AdamW(net.parameters(), lr=config.optim.rate, weight_decay=config.optim.decay)
    first = _resume(run, net, average, optimizer)
    if first:
        say(f"going on from step {first}")

    started, losses = time.monotonic(), 0.0
    for step in range(first, config.optim.steps):
        loss = _step(net, optimizer, pairs, config, step)
        _move_average(average, net, min(config.optim.average, (1 + step) / (10 + step)))
        losses += loss
        done = step + 1
        if done % config.optim.save_every == 0 or done == config.optim.steps:
            count = min(config.optim.save_every, done - first) or 1
            rate = (done - first) / (time.monotonic() - started)
            pace = f"{rate:.2f} steps/s  {(config.optim.steps - done) / rate / 60:.1f} min left"
            say(f"step {done}/{config.optim.steps}  loss {losses / count:.4f}  {pace}")
            _note(run, step=done, loss=losses / count)
            losses = 0.0
            _save(run, net, average, optimizer, done)
        if validation and (done % config.optim.evaluate_every == 0 or done == config.optim.steps):
            score = mean_psnr(average, validation)
            say(f"step {done}/{config.optim.steps}  validation {score:.2f} dB")
            _note(run, step=done, validation_psnr=score)
            _write(run / f"weights-{done:06d}.pt", average.state_dict())
    weights = run / "weights.pt"
    _write(weights, average.state_dict())
    return weights


def _start_weights(file: Path) -> dict[str, Tensor]:
    if not file.is_file():
        raise TrainingError(f"{file}: no such file; [optim] start names a run's weights.pt or a .safetensors preset.")
    return read_safetensors(file)[0] if file.suffix == ".safetensors" else read_published(file)


def mean_psnr(net: nn.Module, pairs: list[tuple[str, Tensor, Tensor]]) -> float:
    """Mean PSNR, dB, of a network over pairs at their own size."""
    net.eval()
    with torch.inference_mode():
        return sum(psnr(net(before).clamp(0, 1), after) for _, before, after in pairs) / len(pairs)


def _step(net: GradedLPTN, optimizer: torch.optim.Optimizer, pairs: PairSet, config: TrainConfig, step: int) -> float:
    seed = config.optim.seed * 1_000_003 + step
    torch.manual_seed(seed)  # dropout too repeats itself in a resumed run
    before, after = pairs.batch(config.optim.batch, config.data, config.jitter, seed)
    net.train()
    warm = min(1.0, (step + 1) / 100)
    for group in optimizer.param_groups:
        group["lr"] = config.optim.rate * warm * 0.5 * (1 + math.cos(math.pi * step / config.optim.steps))
    loss = colour_loss(net(before), after)
    if not bool(torch.isfinite(loss)):
        raise TrainingError(f"the loss ran away at step {step}; start again with a lower [optim] rate.")
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    optimizer.step()
    return float(loss.detach())


def colour_loss(result: Tensor, target: Tensor) -> Tensor:
    """L1 and L2 together, picture by picture: the first keeps the middle honest, the second the worst."""
    error = result - target
    return error.abs().mean() + error.square().mean((1, 2, 3)).add(1e-6).sqrt().mean()


def _move_average(average: nn.Module, net: nn.Module, keep: float) -> None:
    with torch.no_grad():
        for old, new in zip(average.parameters(), net.parameters(), strict=True):
            old.lerp_(new, 1 - keep)


def _claim(run: Path, config: TrainConfig) -> None:
    described = json.dumps(config.as_dict(), indent=1)
    file = run / "config.json"
    if file.exists() and file.read_text("utf-8") != described:
        raise TrainingError(f"{run} holds a run of another config; name another folder, or remove this one.")
    file.write_text(described, "utf-8")


def _resume(run: Path, net: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    file = run / CHECKPOINT
    if not file.exists():
        return 0
    state = torch.load(file, weights_only=True)
    net.load_state_dict(state["net"])
    average.load_state_dict(state["average"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"])


def _save(run: Path, net: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer, step: int) -> None:
    state = {
        "net": net.state_dict(),
        "average": average.state_dict(),
        "optimizer": optimizer.state_dict(),
        "step": step,
    }
    _write(run / CHECKPOINT, state)


def _write(file: Path, state: object) -> None:
    """A checkpoint is replaced whole: a run killed while saving still has the one before."""
    write_atomically(file, lambda stream: torch.save(state, stream))


def _note(run: Path, **values: float) -> None:
    with (run / "log.jsonl").open("a", encoding="utf-8") as log:
        print(json.dumps({"time": round(time.time(), 1), **values}), file=log)


def say_to_stderr(line: str) -> None:
    """Progress for a terminal or a log."""
    print(line, file=sys.stderr, flush=True)
