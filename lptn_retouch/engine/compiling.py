"""The CPU engine's kernels, compiled for this processor or fetched from numba's cache on the disk.

They are compiled once a machine and a kind of picture. That takes a while, and numba does one after the other; so where
there is a second core, another process compiles those of the last step meanwhile, and this one finds them in the cache.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import suppress
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from lptn_retouch.model.form import TERMS, Form, level_sizes, shapes_of
from lptn_retouch.notices import compiling, without_numba
from lptn_retouch.threads import core_count

_KERNELS = 6  # that numba keeps on the disk
_OTHER = "from lptn_retouch.engine.compiling import compile_finish; compile_finish({!r})"
_PATIENCE = 60  # seconds

_SIZES = level_sizes(16, 16, 4)  # of a picture that needs every kernel: it is seen at level 1

_lock = threading.Lock()


def compiled(dtype: npt.DTypeLike) -> bool:
    """Have the kernels for a kind of picture; say so if that takes long, or fails.

    Returns:
        Whether they are there.
    """
    with _lock:
        return _compile(np.dtype(dtype).name)


@lru_cache
def _compile(dtype: str) -> bool:
    try:
        with compiling():
            for _ in range(_KERNELS):
                with suppress(OSError):  # a kernel is there, but the disk is full and does not keep it
                    compile_all(dtype)
                    break
            else:
                compile_all(dtype)
    except Exception as error:
        without_numba(error)
        return False
    return True


def compile_all(dtype: str) -> None:
    """Have all kernels for a kind of picture, "uint8" for example, by having them do a small one."""
    from lptn_retouch.engine import inference, kernels, passes

    weights = {name: np.zeros(shape, np.float32) for name, shape in shapes_of(Form(1, 0, 1)).items()}
    seen = passes.shrunk(*_small(dtype), _SIZES)  # by a kernel that is soon compiled: it tells whether any is kept
    kept = kernels.shrink.stats.cache_path is not None
    other = _another(dtype) if kept and kernels.shrink.stats.cache_misses else None
    try:
        curve = passes.curve_of(inference.choose(weights, passes.thumbnail_of(seen)).curve)
        kernels.grade(seen, curve, seen, 0, len(seen[0]))
        passes.translate(weights, passes.halved(seen, _SIZES[1:]), None, _SIZES[1:], 1, 1)
    finally:
        if other is not None:
            with suppress(subprocess.TimeoutExpired):
                other.wait(_PATIENCE)
    compile_finish(dtype)


@lru_cache
def _another(dtype: str) -> subprocess.Popen[bytes] | None:
    """A process that compiles the last step's kernel; once, however often the rest is tried. None where none can be.

    It says nothing, since what this process prints may be read by a program; and with -P it imports nothing from the
    working folder, which may be anybody's.
    """
    if core_count() < 2 or not sys.executable or getattr(sys, "frozen", False):  # that would be the frozen program
        return None
    nothing, words = subprocess.DEVNULL, [sys.executable, "-P", "-c", _OTHER.format(dtype)]
    with suppress(OSError):
        return subprocess.Popen(words, stdin=nothing, stdout=nothing, stderr=nothing)
    return None


def compile_finish(dtype: str) -> None:
    """Have the kernel of the last step."""
    from lptn_retouch.engine import passes

    flat, scale = _small(dtype)
    curve, level, matrices = (np.zeros(shape, np.float32) for shape in ((3, TERMS), (3, *_SIZES[1]), (9, *_SIZES[-1])))
    passes.finish(flat, scale, curve, level, matrices, _SIZES, 0, None, np.empty_like(flat))


def _small(dtype: str) -> tuple[npt.NDArray[Any], np.float32]:
    flat = np.zeros((_SIZES[0][0], 3 * _SIZES[0][1]), dtype)
    flat.flags.writeable = False
    return flat, np.float32(1)


def _unlock() -> None:
    """In a forked process: whoever may have held the lock is not there."""
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unlock)
