"""One photograph in a process of its own: ``python -m lptn_retouch.bench.alone SOURCE TARGET``.

Prints as JSON what it took: memory at the peak beyond what the process held when it was ready, seconds, and Pillow's.
"""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from pathlib import Path

REPEATS = 3, 15  # at least and at most, of which the best counts: the first also fetches code and memory
TOGETHER = 100e6  # pixels that the repeats of a small one come to: it is over soon, and any disturbance weighs more


def main(source: Path, target: Path) -> None:
    """Measure, and print."""
    import numpy as np
    from PIL import Image

    from lptn_retouch.bench.jpeg import pass_through
    from lptn_retouch.bench.timing import timed
    from lptn_retouch.photo import Photo
    from lptn_retouch.retoucher import Retoucher

    Image.MAX_IMAGE_PIXELS = None
    retoucher, small = Retoucher("retouch", "cpu"), source.with_name("small.jpg")
    Photo(np.full((480, 640, 3), 90, np.uint8)).save(small)
    retoucher(small).save(target)
    with Image.open(source) as photograph:
        repeats = min(max(round(TOGETHER / (photograph.width * photograph.height)), REPEATS[0]), REPEATS[1])
    base = _from_here()
    whole = [timed(lambda: retoucher(source).save(target)) for _ in range(repeats)]
    peak = peak_memory()
    codec = [timed(lambda: pass_through(source, target)) for _ in range(repeats)]
    print(json.dumps({"base": base, "peak": peak, "seconds": {"whole": whole, "codec": codec}}))


def peak_memory() -> int:
    """Bytes that this process had in memory at most.

    On Linux not as ``getrusage`` tells it: that number survives ``exec``, so that of a process which a large one
    started is the large one's.

    Example:
        >>> peak_memory() > 1e6
        True
    """
    with suppress(OSError, StopIteration):
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith("VmHWM")).split()[1])
    if sys.platform == "win32":
        return _peak_on_windows()
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if sys.platform == "win32":

    def _peak_on_windows() -> int:
        """``PROCESS_MEMORY_COUNTERS.PeakWorkingSetSize`` of psapi.h."""
        import ctypes
        from ctypes import wintypes

        class Counters(ctypes.Structure):
            _fields_ = (("size", wintypes.DWORD), ("faults", wintypes.DWORD),
                        ("peak", ctypes.c_size_t), ("others", ctypes.c_size_t * 7))  # fmt: skip

        counters = Counters(ctypes.sizeof(Counters))
        kernel = ctypes.WinDLL("kernel32")
        kernel.GetCurrentProcess.restype = wintypes.HANDLE
        kernel.K32GetProcessMemoryInfo.argtypes = wintypes.HANDLE, ctypes.POINTER(Counters), wintypes.DWORD
        if not kernel.K32GetProcessMemoryInfo(kernel.GetCurrentProcess(), ctypes.byref(counters), counters.size):
            raise OSError("Windows does not tell how much memory this process has had.")
        return int(counters.peak)


def _from_here() -> int:
    """Have the peak counted from now on, where the system can, and return what it is now."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # proc(5): the peak is set to what is in memory
    return peak_memory()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
