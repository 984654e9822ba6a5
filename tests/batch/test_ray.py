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

import numpy as np
import psutil
import pytest

from lptn_retouch import Photo, retouch_folder
from lptn_retouch.errors import UsageError
from tests.places import LAKE, ROOT

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


def started(root: Path, results: str, cluster: Any, *more: str, **env: str) -> subprocess.Popen[str]:
    words = ("--engine", "ray", "--address", cluster.address, "--json", *more)
    return subprocess.Popen(
        command(root, results, *words),
        env={**os.environ, **env},
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
        _, err = process.communicate(timeout=300)
    assert process.returncode == 130 and "run the same again" in err, err
    with started(folders, "stopped", cluster) as process:
        _, err = process.communicate(timeout=300)
    assert process.returncode == 1, err
    is_whole(folders, "stopped")


def below_actors(node: Any) -> list[psutil.Process]:
    """The processes of a node that photographs are done in, and those that start them."""
    raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
    actors = [child for child in raylet.children() if "Worker" in "".join(child.cmdline())]
    return [child for actor in actors for child in actor.children(recursive=True)]


def test_what_a_slow_machine_has_not_taken_up_is_done_by_others(cluster: Any, tmp_path: Path) -> None:
    """All but the one photograph that it is at."""
    count = 60
    (tmp_path / "in").mkdir()
    for i in range(count):
        shutil.copy(LAKE, tmp_path / "in" / f"p{i:02}.jpg")
    frozen: list[psutil.Process] = []
    with started(tmp_path, "out", cluster) as process:
        try:
            wait_for(tmp_path, "out", 8, process)
            frozen = next(found for node in cluster.workers if (found := below_actors(node)))
            for one in frozen:
                one.suspend()
            wait_for(tmp_path, "out", count - 1, process)
            assert process.poll() is None, "the one that it is at is still to be done"
        finally:
            for one in frozen:
                one.resume()
        _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert set(ended(tmp_path, "out").values()) == {1} and len(ended(tmp_path, "out")) == count


def test_a_machine_that_lacks_the_preset_is_left_out(cluster: Any, folders: Path, tmp_path: Path) -> None:
    """It would fail photographs faster than the others do them."""
    presets = tmp_path / "data" / "lptn_retouch" / "presets"
    presets.mkdir(parents=True)
    shutil.copy(ROOT / "presets" / "winter.safetensors", presets / "ours.safetensors")
    node = cluster.add_node(num_cpus=1, include_dashboard=False, env_vars={"XDG_DATA_HOME": str(tmp_path / "data")})
    cluster.wait_for_nodes()
    with started(folders, "preset", cluster, "-p", "ours", XDG_DATA_HOME=str(tmp_path / "data")) as process:
        out, err = process.communicate(timeout=300)
    assert process.returncode == 1 and "is left out: it has not the same preset or mask (ours)" in err, err
    assert Counter(json.loads(line)["outcome"] for line in out.splitlines()) == {"done": COUNT, "failed": 1}
    cluster.remove_node(node)
    with started(folders, "none", cluster, "-p", "ours", XDG_DATA_HOME=str(tmp_path / "data")) as process:
        out, err = process.communicate(timeout=300)
    assert process.returncode == 2 and "no machine of the cluster can work on this batch" in err and not out, err
    assert "Traceback" not in err


def test_a_machine_where_nothing_can_be_started_is_left_out(cluster: Any, folders: Path, tmp_path: Path) -> None:
    (tmp_path / "lptn_retouch").mkdir()
    (tmp_path / "lptn_retouch" / "__init__.py").write_text("raise ImportError('not on this machine')")
    alone = cluster.add_node(num_cpus=1, include_dashboard=False, env_vars={"PYTHONPATH": str(tmp_path)})
    cluster.wait_for_nodes()
    with started(folders, "broken", cluster) as process:
        _, err = process.communicate(timeout=300)
    cluster.remove_node(alone)
    assert process.returncode == 1 and "Traceback" not in err, err
    is_whole(folders, "broken")


def test_a_machine_where_no_photograph_can_be_worked_on_is_left_out(folders: Path, tmp_path: Path) -> None:
    """Its actors start, but not the processes that photographs are done in; here it is the only one."""
    from ray.cluster_utils import Cluster

    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\nif 'multiprocessing.forkserver' in ' '.join(sys.orig_argv):\n    os._exit(1)\n"
    )
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    made.add_node(num_cpus=1, include_dashboard=False, env_vars={"PYTHONPATH": str(tmp_path)})
    made.wait_for_nodes()
    with started(folders, "processless", made) as process:
        out, err = process.communicate(timeout=300)
    made.shutdown()
    assert process.returncode == 2 and not out and "Traceback" not in err, err
    assert (
        "no machine of the cluster can work on this batch: a machine is left out, since nothing can be started" in err
    )


def test_a_machine_that_comes_is_used(cluster: Any, folders: Path) -> None:
    words = ("--workers", "9", "--timeout", "60")  # more than there is room for: they wait for machines
    with started(folders, "more", cluster, *words) as process:
        wait_for(folders, "more", 2, process)
        cluster.add_node(num_cpus=1, include_dashboard=False)
        _, err = process.communicate(timeout=300)
    assert process.returncode == 1, err
    is_whole(folders, "more")


def test_what_is_too_large_for_its_share_is_done_alone(tmp_path: Path) -> None:
    """On a machine of its own, which the batch itself has to give back before."""
    (tmp_path / "in").mkdir()
    Photo(np.full((1000, 1400, 3), 90, np.uint8)).save(tmp_path / "in" / "large.png")
    script = """
import ray
ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
from lptn_retouch import retouch_folder
for limit in (20_000_000, 10_000_000):
    print(*(r.outcome + " " + r.reason for r in retouch_folder("in", str(limit), engine="ray", memory_limit=limit)))
assert ray.is_initialized(), "it is the program's own"
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first.startswith("done"), done.stdout + done.stderr
    assert second.startswith("failed") and "megapixels needs" in second


@pytest.mark.parametrize("imported", ["", "import ray"])
def test_what_is_started_for_a_run_listens_to_this_machine_alone_and_ends_with_it(
    cluster: Any,  # noqa: ARG001  another on this machine, which is not to be taken for it
    folders: Path,
    tmp_path: Path,
    imported: str,
) -> None:
    script = f"""
import os, sys
import psutil
{imported}
from lptn_retouch import retouch_folder
before = dict(os.environ)
results = retouch_folder(sys.argv[1], sys.argv[2], engine="ray")
next(results)
me = psutil.Process()
for process in [me, *me.children(recursive=True)]:
    print(*(port.laddr.ip for port in process.net_connections("inet") if port.status == psutil.CONN_LISTEN))
results.close()
import ray
assert not ray.is_initialized()
assert {{k: v for k, v in os.environ.items() if "ENABLE" in k}} == {{k: v for k, v in before.items() if "ENABLE" in k}}
"""
    words = [sys.executable, "-c", script, str(folders / "in"), str(tmp_path / "out")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
    assert len(done.stdout.split()) > 3, "it did listen"


def test_a_cluster_with_a_token_takes_those_who_have_it(folders: Path) -> None:
    script = """
import sys
from ray.cluster_utils import Cluster
made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
print(made.address, flush=True)
sys.stdin.read()
made.shutdown()
"""
    env = {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0123456789abcdef" * 4}
    words = [sys.executable, "-c", script]
    with subprocess.Popen(words, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as guarded:
        assert guarded.stdout is not None
        address = next(line for line in guarded.stdout if ":" in line).strip()
        batch = command(folders, "guarded", "--engine", "ray", "--address", address)
        refused = subprocess.run(batch, capture_output=True, text=True, timeout=300)  # it has none
        taken = subprocess.run(batch, env=env, capture_output=True, text=True, timeout=300)
        guarded.communicate("")
    assert refused.returncode == 2 and "no Ray cluster takes this program" in refused.stderr, refused.stderr
    assert "Traceback" not in refused.stderr
    assert taken.returncode == 1, taken.stderr
    is_whole(folders, "guarded")


def test_memory_is_no_storage_of_a_cluster() -> None:
    pytest.importorskip("upath")
    with pytest.raises(UsageError, match="no cluster reaches"):
        retouch_folder("memory://photos", "memory://results", engine="ray")


def test_without_ray_its_install_line_is_said(folders: Path, tmp_path: Path) -> None:
    (tmp_path / "ray.py").write_text("raise ImportError('not here')")
    env = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    words = command(folders, "without", "--engine", "ray")
    done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and 'pip install "lptn-retouch[ray]"' in done.stderr, done.stderr


def test_clients_of_ray_are_refused(folders: Path) -> None:
    words = ("--engine", "ray", "--address", "ray://127.0.0.1:10001")
    done = subprocess.run(command(folders, "client", *words), capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "name the head's own --address" in done.stderr, done.stderr
    assert done.stderr.count("\n") == 1


def test_no_cluster_at_an_address_is_said(folders: Path) -> None:
    words = ("--engine", "ray", "--address", "127.0.0.1:1")
    done = subprocess.run(command(folders, "nowhere", *words), capture_output=True, text=True, timeout=300)
    assert done.returncode == 2 and "there is no Ray cluster" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
