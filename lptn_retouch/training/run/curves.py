"""The curves of a run: ``curves.png`` and scalars for TensorBoard, where their libraries are installed.

Both come from ``pip install "lptn-retouch[train]"``; a run does without them.
"""

from __future__ import annotations

import json
import warnings
from importlib.util import find_spec
from pathlib import Path

from lptn_retouch.files import write_atomically
from lptn_retouch.training import INSTALL

CURVES = "curves.png"
Curves = dict[str, list[tuple[int, float]]]  # name to steps and values


def missing() -> str:
    """One line on what a run will do without, "" if it has all."""
    absent = [name for name in ("matplotlib", "tensorboard") if find_spec(name) is None]
    return f"no curves from {' and '.join(absent)}; install with: {INSTALL}" if absent else ""


def read_log(run: Path) -> Curves:
    """The curves in ``log.jsonl``; where a resumed run repeated a step, the later line counts."""
    found: dict[str, dict[int, float]] = {}
    file = run / "log.jsonl"
    for line in file.read_text("utf-8").splitlines() if file.exists() else []:
        try:
            said = json.loads(line)
            step = int(said.pop("step"))
        except (ValueError, KeyError):  # a line cut short by a kill
            continue
        for name, value in said.items():
            if name not in ("time", "steps_per_second"):
                found.setdefault(name, {})[step] = value
    return {name: sorted(values.items()) for name, values in found.items()}


def show_curves(run: Path) -> None:
    """Bring the curves up to date with the log, as far as the libraries are there."""
    curves = read_log(run)
    if curves and find_spec("matplotlib"):
        _draw(curves, run / CURVES)
    if curves and find_spec("tensorboard"):
        _write_scalars(curves, run / "tensorboard")


def _draw(curves: Curves, file: Path) -> None:
    """Draw the run's losses, and its figures on held-out pictures."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 6), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, sharex=True)
    for name, points in curves.items():
        axes = below if name.endswith("psnr") else above
        steps, values = zip(*points, strict=True)
        if len(points) == 1:
            axes.axhline(values[0], linestyle=":", color="grey", label=name.replace("_", " "))
        else:
            axes.plot(steps, values, label=name.replace("_", " "))
    for axes, label in ((above, "loss"), (below, "held out, dB")):
        axes.set_ylabel(label)
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[1]:
            axes.legend()
    below.set_xlabel("step")
    write_atomically(file, lambda stream: canvas.print_png(stream))  # type: ignore[no-untyped-call]


def _write_scalars(curves: Curves, folder: Path) -> None:
    """Write TensorBoard's file anew: the log holds all there is, and a resumed run has repeated some of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the libraries below it about each other
        from torch.utils.tensorboard import SummaryWriter

    for old in folder.glob("events.out.tfevents.*"):
        old.unlink()
    with SummaryWriter(folder) as writer:
        for name, points in curves.items():
            for step, value in points:
                writer.add_scalar(name, value, step)
