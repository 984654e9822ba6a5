"""The server that a batch's processes are forked from: what it has made ready, and that they can use it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from lptn_retouch import Photo, Retoucher
from lptn_retouch.batch.local import Process
from lptn_retouch.threads import thread_count

HAS_SERVER = "forkserver" in multiprocessing.get_all_start_methods() and sys.platform != "darwin"


def kernels_ready() -> bool:
    from lptn_retouch.engine import compiling

    return compiling._compile.cache_info().currsize > 0


def retouched(side: int) -> tuple[int, np.ndarray]:
    return thread_count(), Retoucher("winter", "cpu")(np.full((side, side, 3), 90, np.uint8))


@pytest.mark.slow
@pytest.mark.skipif(not HAS_SERVER, reason="processes are started, not forked, here")
def test_a_process_of_a_batch_has_its_kernels_when_it_starts():
    process = Process(1)
    try:
        assert process.call(kernels_ready, timeout=300)
    finally:
        process.close()


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 3])
def test_a_process_of_a_batch_uses_as_many_threads_as_it_may_and_waits_for_none(threads: int):
    process = Process(threads)
    try:
        for side in (40, 160, 1200):
            used, picture = process.call(retouched, side, timeout=300)
            assert used == threads
            assert (picture == Retoucher("winter", "cpu")(np.full((side, side, 3), 90, np.uint8))).all()
    finally:
        process.close()


@pytest.mark.slow
@pytest.mark.skipif(not HAS_SERVER, reason="processes are started, not forked, here")
def test_ctrl_c_while_all_that_is_made_ready_ends_a_batch_without_a_traceback(tmp_path: Path):
    source, results = tmp_path / "photographs", tmp_path / "results"
    source.mkdir()
    for number in range(20):
        Photo(np.full((1200, 1800, 3), 10 * number, np.uint8)).save(source / f"{number}.jpg")
    words = [sys.executable, "-m", "lptn_retouch", "batch", str(source), str(results)]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        while not (results / ".lptn-retouch" / "journal.jsonl").exists() and process.poll() is None:
            time.sleep(0.05)
        time.sleep(0.7)  # the server is importing torch
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        _, said = process.communicate(timeout=120)
    assert process.returncode == 130 and "Traceback" not in said
    assert "run the same again" in said
