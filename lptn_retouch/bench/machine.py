"""Where and with what figures were taken."""

from __future__ import annotations

import os
import platform
import subprocess
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import lptn_retouch
from lptn_retouch.memory import memory_here
from lptn_retouch.threads import thread_count

_ROOT = Path(__file__).resolve().parents[2]  # of a checkout
_PACKAGES = ("torch", "numba", "numpy", "pillow", "simplejpeg", "imagecodecs")


def circumstances() -> dict[str, Any]:
    """Machine, versions and commit, as they stand in the report.

    Example:
        >>> sorted(circumstances())
        ['commit', 'machine', 'versions']
    """
    memory = memory_here()
    machine = {
        "cpu": _cpu(),
        "kernels": _compiled_for(),
        "cores": thread_count(),
        "memory_gb": None if memory is None else round(memory / 1e9, 1),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }
    versions = {"lptn_retouch": lptn_retouch.__version__, "python": platform.python_version()}
    return {
        "machine": machine,
        "versions": versions | {name: _version(name) for name in _PACKAGES},
        "commit": _commit(),
    }


def _cpu() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _compiled_for() -> str | None:
    """The processor whose instructions the kernels use: this one, or an older one that NUMBA_CPU_NAME names."""
    with suppress(ImportError):
        from llvmlite.binding import get_host_cpu_name  # type: ignore[import-untyped]

        return os.environ.get("NUMBA_CPU_NAME") or str(get_host_cpu_name())
    return None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    if not (_ROOT / ".git").exists():  # an installed package may lie in somebody else's checkout
        return None
    with suppress(OSError, subprocess.CalledProcessError):
        words = ["git", "rev-parse", "--short", "HEAD"]
        return subprocess.run(words, capture_output=True, text=True, check=True, cwd=_ROOT).stdout.strip()
    return None
