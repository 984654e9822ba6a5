"""Draw what `lptn-retouch bench --json` measured: benchmarks/results/bench.json to docs/performance.png.

python tools/plot.py [BENCH.json [PICTURE.png]]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter

ROOT = Path(__file__).resolve().parent.parent
INK, GREY, BLUE, RED, GREEN = "#222222", "#8a8a8a", "#1f6fb4", "#c0392b", "#3a8f5c"
SIZE = (12.4, 4.6)  # inches, at 100 dots each
Figures = dict[str, list[dict[str, Any]]]
Points = list[tuple[float, float]]


def main(source: Path, target: Path) -> None:
    report = json.loads(source.read_text())
    figures: Figures = {name: said.get("figures", []) for name, said in report["benchmarks"].items()}
    mpl.rcParams.update({"font.size": 9, "axes.edgecolor": GREY, "text.color": INK, "axes.labelcolor": INK})
    mpl.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "axes.titlelocation": "left"})
    sheet, (left, middle, right) = plt.subplots(
        1, 3, figsize=SIZE, width_ratios=(1.25, 0.95, 1.25), layout="constrained"
    )
    draw_seconds(left, figures)
    draw_memory(middle, figures)
    draw_ratios(right, figures)
    machine, versions = report["machine"], report["versions"]
    words = f"{machine['cpu']}, {machine['cores']} cores; lptn_retouch {versions['lptn_retouch']}"
    words += f", torch {versions['torch']}, Pillow {versions['pillow']}; {report['date'][:10]}"
    sheet.supxlabel(words, x=0.01, ha="left", fontsize=8, color=GREY)
    sheet.savefig(target, dpi=100)


def draw_seconds(axes: Axes, figures: Figures) -> None:
    """Seconds by size, both in powers of ten: a line of slope one is as fast per pixel everywhere."""
    network, memory = figures.get("network", []), figures.get("memory", [])
    floor = [figure for figure in figures.get("depth", []) if figure["name"] == "uint16"]
    lines = {
        "published network, in memory": (points(network, "published"), RED, "o-"),
        "ours, JPEG to JPEG": (points(memory, "whole"), BLUE, "o-"),
        "Pillow opens and saves, no more": (points(memory, "codec"), GREY, "o-"),
        "ours, in memory": (points([*network, *floor], "engine", "uint8"), BLUE, "o--"),
    }
    for label, (line, colour, style) in lines.items():
        if line:
            axes.loglog(*zip(*line, strict=True), style, color=colour, label=label, markersize=4, linewidth=1.4)
    axes.set_title("Seconds a picture")
    megapixels(axes, [x for line, _, _ in lines.values() for x, _ in line])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
    if axes.lines:
        axes.legend(frameon=False, loc="upper left", fontsize=8)
    low, high = axes.get_ylim()
    axes.set_ylim(low, high * (high / low) ** 0.45)  # room for the legend


def draw_memory(axes: Axes, figures: Figures) -> None:
    """Peak memory by size."""
    sizes = [figure for figure in figures.get("memory", []) if "megapixels" in figure]
    peaks = [(figure["megapixels"], figure["measured"]) for figure in sizes]
    if peaks:
        axes.plot(*zip(*peaks, strict=True), "o-", color=BLUE, markersize=4, linewidth=1.4)
        x, y = peaks[-1]
        axes.annotate(f"{y / x:.1f} bytes a pixel", (x, y), (-8, 0), textcoords="offset points", ha="right")
    axes.set(title="Peak memory, JPEG to JPEG, MB", xlabel="megapixels", xlim=0, ylim=0)
    for figure in sizes:
        if "at_most" in figure:
            axes.plot(figure["megapixels"], figure["at_most"], "_", color=INK, markersize=14, markeredgewidth=2)
            place = (figure["megapixels"], figure["at_most"])
            axes.annotate(
                f"≤ {figure['at_most']:g}", place, (0, 6), textcoords="offset points", ha="center", fontsize=8
            )
    axes.grid(alpha=0.25)


def draw_ratios(axes: Axes, figures: Figures) -> None:
    """Every figure that has a target, as a part of what the target allows: bars that end before the line are within."""
    rows = [(name, figure) for name, several in figures.items() for figure in several if "target" in figure]
    shares = [f["measured"] / f["at_most"] if "at_most" in f else f["at_least"] / f["measured"] for _, f in rows]
    beyond = max([1.0, *shares]) + 0.08
    for row, ((_, figure), share) in enumerate(zip(rows, shares, strict=True)):
        unit = "×" if figure["unit"].startswith("times") else f" {figure['unit']}"
        axes.barh(row, share, color=GREEN if figure["met"] else RED, height=0.55)
        axes.text(beyond, row, f"{figure['measured']:.3g}{unit}, {figure['target']}", va="center", fontsize=8)
    axes.axvline(1, color=INK, linewidth=1.4)
    axes.set_yticks(range(len(rows)), [f"{name}: {figure['name']}" for name, figure in rows])
    axes.set_xticks([0, 1], ["0", "target"])
    axes.set_xlim(0, beyond + 0.95)
    axes.tick_params(axis="y", length=0)
    axes.spines[["bottom"]].set_visible(False)
    axes.set_title("Part of what the target allows")
    axes.invert_yaxis()


def points(figures: list[dict[str, Any]], *names: str) -> Points:
    """Size and best seconds of each figure that timed one of these."""
    found = [(f["megapixels"], min(f["seconds"][n])) for f in figures for n in names if n in f.get("seconds", {})]
    return sorted(found)


def megapixels(axes: Axes, sizes: list[float]) -> None:
    """Name the sizes that were measured, those too close to another left out."""
    named: list[float] = []
    for size in sorted(set(sizes)):
        if not named or size > 1.6 * named[-1]:
            named.append(size)
    axes.set_xticks(named, [f"{size:.2g}" if size < 10 else f"{size:.0f}" for size in named])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("megapixels")
    axes.grid(alpha=0.25)


if __name__ == "__main__":
    given = [Path(word) for word in sys.argv[1:]]
    usual = [ROOT / "benchmarks" / "results" / "bench.json", ROOT / "docs" / "performance.png"]
    main(*(given + usual[len(given) :]))
