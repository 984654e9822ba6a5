"""What retouching costs on this machine, as ratios taken in one run: behind ``lptn-retouch bench``.

Each benchmark is a module with a function ``measure(setting, ...)``, which returns :class:`figure.Figure` objects, or a
sentence that says why it cannot be run here. All but `gpu` are of the CPU.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from lptn_retouch.errors import UsageError
from lptn_retouch.names import did_you_mean

NAMES = ("network", "jpeg", "depth", "memory", "cold", "folder", "gpu")


def check_names(names: Sequence[str]) -> tuple[str, ...]:
    """The benchmarks that were asked for, in the order in which they are run.

    Raises:
        UsageError: there is none of that name.

    Example:
        >>> check_names(["jpeg", "network"])
        ('network', 'jpeg')
    """
    for name in names:
        if name not in NAMES:
            meant = did_you_mean(name, NAMES) or f"name some of {', '.join(NAMES)}."
            raise UsageError(f"there is no benchmark {name[:40]!r}; {meant}")
    return tuple(name for name in NAMES if name in names)


def run(
    names: Sequence[str] = NAMES,
    *,
    quick: bool = False,
    photo: str | os.PathLike[str] | None = None,
    tell: Callable[[str], None] = lambda line: None,  # noqa: ARG005
) -> dict[str, Any]:
    """Run benchmarks one after the other.

    Args:
        names: of :data:`NAMES`.
        quick: fewer repeats and no large pictures, to see whether all is well.
        photo: a file whose picture is measured, tiled to each size; None for a sample, or a synthetic scene.
        tell: is called with each line of progress.

    Returns:
        Machine, versions, commit, date, load, and for each benchmark its figures or why it was skipped; for JSON.

    Raises:
        UsageError: there is no benchmark of such a name.
        PhotoError: the photo cannot be opened.
    """
    names = check_names(names)
    from lptn_retouch.bench.machine import circumstances
    from lptn_retouch.bench.photograph import read_scene
    from lptn_retouch.bench.setting import Setting

    report: dict[str, Any] = {**circumstances(), "date": datetime.now(UTC).isoformat(timespec="seconds")}
    report["load"] = round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
    report |= {"quick": quick, "benchmarks": {}}
    with tempfile.TemporaryDirectory(prefix="lptn-retouch-bench-") as folder:
        setting = Setting(read_scene(photo), Path(folder), quick, tell)
        for name in names:
            tell(f"{name} ...")
            measured = import_module(f"lptn_retouch.bench.{name}").measure(setting)
            if isinstance(measured, str):
                report["benchmarks"][name] = {"skipped": measured}
            else:
                report["benchmarks"][name] = {"figures": [figure.to_json() for figure in measured]}
    return report
