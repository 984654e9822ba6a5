"""What a process and all those that it started take, as Linux tells it in /proc."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")


def missing() -> str | None:
    """Why it cannot be told here, one sentence; None where it can."""
    if (_PROC / "self" / "smaps_rollup").exists():
        return None
    return "this system does not tell in /proc what a process holds."


def family(pid: int) -> list[int]:
    """A process and all that descend from it.

    Example:
        >>> missing() is not None or os.getpid() in family(os.getpid())
        True
    """
    children: dict[int, list[int]] = {}
    for folder in _PROC.iterdir():
        if folder.name.isdigit():
            with suppress(OSError):  # it has ended meanwhile
                children.setdefault(int(_stat(folder)[1]), []).append(int(folder.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


def held(pid: int) -> tuple[int, int]:
    """Bytes that a process and its descendants hold in memory; what they share counts once.

    Returns:
        All of it; and without what is mapped from files, code above all, of which other programs that run the same
        take over a part when they come.

    References:
        proc(5): Pss and Pss_File in smaps_rollup.

    Example:
        >>> missing() is not None or held(os.getpid())[0] > held(os.getpid())[1] > 1e6
        True
    """
    total = {"Pss": 0, "Pss_File": 0}
    for one in family(pid):
        with suppress(OSError):
            for line in (_PROC / str(one) / "smaps_rollup").read_text().splitlines():
                name, _, rest = line.partition(":")
                if name in total:
                    total[name] += 1024 * int(rest.split()[0])
    return total["Pss"], total["Pss"] - total["Pss_File"]


def cpu_seconds(pid: int) -> float:
    """Seconds that a process, its descendants, and those of them that have ended were on a core; 0 where none can tell.

    References:
        proc(5): utime, stime, cutime, cstime in stat.

    Example:
        >>> missing() is not None or cpu_seconds(os.getpid()) > 0
        True
    """
    if missing():
        return 0.0
    ticks = 0
    for one in family(pid):
        with suppress(OSError):
            ticks += sum(map(int, _stat(_PROC / str(one))[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def idle_seconds() -> float:
    """Seconds that cores of the machine had nothing to do, or nothing but to wait for a disk, since it was started.

    What other programs do is not in them; 0 where none can tell.

    References:
        proc(5): idle and iowait in /proc/stat.

    Example:
        >>> missing() is not None or idle_seconds() > 0
        True
    """
    if missing():
        return 0.0
    ticks = (_PROC / "stat").read_text().splitlines()[0].split()
    return (int(ticks[4]) + int(ticks[5])) / os.sysconf("SC_CLK_TCK")


def _stat(folder: Path) -> list[str]:
    """The fields of a process's stat from the third on; the second, its name, may hold anything."""
    return (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
