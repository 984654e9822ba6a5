"""A batch on a Ray cluster of several nodes, which is really there: nodes are killed, and the driver too."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.places import LAKE

os.environ["RAY_AUTH_MODE"] = "disabled"  # read when Ray is imported; else it depends on whether this user has a token
ray = pytest.importorskip("ray", reason="there is no wheel of Ray for this system and Python")
pytestmark = [pytest.mark.slow, pytest.mark.real]

COUNT = 24


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head without cores, and three nodes of one core each."""
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    nodes = [made.add_node(num_cpus=1, include_dashboard=False) for _ in range(3)]
    made.wait_for_nodes()
    made.workers = nodes  # type: ignore[attr-defined]
    yield made
    made.shutdown()


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs, and what the local runner makes of them."""
    root = tmp_path_factory.mktemp("cluster")
    (root / "in").mkdir()
    for i in range(COUNT):
        shutil.copy(LAKE, root / "in" / f"p{i:02}.jpg")
    (root / "in" / "damaged.jpg").write_bytes((LAKE).read_bytes()[:2000])
    done = subprocess.run(command(root, "local"), capture_output=True, text=True, timeout=300)
    assert done.returncode == 1, done.stderr
    return root


def command(root: Path, results: str, *words: str) -> list[str]:
    return [sys.executable, "-m", "lptn_retouch", "batch", str(root / "in"), str(root / results), *words]


def started(root: Path, results: str, cluster: Any) -> subprocess.Popen[str]:
    words = ("--engine", "ray", "--address", cluster.address, "--json")
    return subprocess.Popen(
        command(root, results, *words),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def ended(root: Path, results: str) -> Counter[str]:
    """How often each photograph is on record as done."""
    journal = root / results / ".lptn-retouch" / "journal.jsonl"
    lines = journal.read_bytes().splitlines() if journal.exists() else []
    records = [json.loads(line) for line in lines if line.endswith(b"}")]
    return Counter(record["file"] for record in records if record.get("outcome") == "done")


def wait_for(root: Path, results: str, count: int, process: subprocess.Popen[str]) -> None:
    for _ in range(1200):
        if len(ended(root, results)) >= count:
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    pytest.fail("the cluster has done nothing in two minutes")


def is_whole(root: Path, results: str) -> None:
    """Every photograph is done once, as the local runner does it, and nothing else is there."""
    assert ended(root, results) == Counter({f"p{i:02}.jpg": 1 for i in range(COUNT)})
    made = {path.name: path.read_bytes() for path in (root / results).iterdir() if path.is_file()}
    assert made == {path.name: path.read_bytes() for path in (root / "local").iterdir() if path.is_file()}


def test_a_node_that_dies_costs_nothing(cluster: Any, folders: Path) -> None:
    with started(folders, "node", cluster) as process:
        wait_for(folders, "node", 4, process)
        cluster.remove_node(cluster.workers.pop(), allow_graceful=False)
        out, err = process.communicate(timeout=300)
    assert process.returncode == 1, err
    assert Counter(json.loads(line)["outcome"] for line in out.splitlines()) == {"done": COUNT, "failed": 1}
    assert "Traceback" not in err and "damaged.jpg: this JPEG is damaged" in err
    is_whole(folders, "node")


def test_a_driver_that_is_killed_goes_on_when_it_is_started_again(cluster: Any, folders: Path) -> None:
    with started(folders, "driver", cluster) as process:
        wait_for(folders, "driver", 5, process)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)
    before = len(ended(folders, "driver"))
    assert before < COUNT, "it was killed before its end"
    with started(folders, "driver", cluster) as process:
        out, err = process.communicate(timeout=300)
    assert process.returncode == 1, err
    assert Counter(json.loads(line)["outcome"] for line in out.splitlines())["skipped"] == before
    is_whole(folders, "driver")


def test_a_stop_ends_what_is_in_work_and_the_next_run_completes(cluster: Any, folders: Path) -> None:
    with started(folders, "stopped", cluster) as process:
        wait_for(folders, "stopped", 3, process)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=120)
    assert process.returncode == 130 and "run the same again" in err, err
    with started(folders, "stopped", cluster) as process:
        _, err = process.communicate(timeout=300)
    assert process.returncode == 1, err
    is_whole(folders, "stopped")


def test_no_cluster_at_an_address_is_said(folders: Path) -> None:
    words = ("--engine", "ray", "--address", "127.0.0.1:1")
    done = subprocess.run(command(folders, "nowhere", *words), capture_output=True, text=True, timeout=120)
    assert done.returncode == 2 and "there is no Ray cluster" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
