"""What a batch costs besides the photographs: on Ray, in the driver, in the journal, in listing.

    python tools/scale.py [--megapixels 24] [--photographs 80] [--save]

Prints, and with --save writes to benchmarks/results/scale.json: seconds of one core for a photograph; two nodes of one
core against one; Ray on this machine, as one node, against the local runner, two at once; lines of the journal and
files of a listing a second; what the driver can hear a second, and the memory it takes. Ratios are taken in one run,
over its second half, so starting is told apart. Run it where nothing else runs.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lptn_retouch.batch.folder import retouch_folder
from lptn_retouch.batch.journal import Journal, Past
from lptn_retouch.batch.options import Settings
from lptn_retouch.batch.plan import Choice, make_plan
from lptn_retouch.batch.ray_cluster import ready_of
from lptn_retouch.batch.ray_worker import Told
from lptn_retouch.batch.run import Batch
from lptn_retouch.batch.settings import Output
from lptn_retouch.batch.walk import listing
from lptn_retouch.batch.work import Result
from lptn_retouch.bench.machine import circumstances
from lptn_retouch.bench.photograph import synthetic_scene, write_photograph
from lptn_retouch.bench.setting import frame

RESULT = Path(__file__).resolve().parent.parent / "benchmarks" / "results" / "scale.json"
LINES, TOGETHER, FILES = 2_000, 16, 20_000
ACTORS, STREAMS, EVERY, SECONDS = 8, 1_000, 0.25, 10.0  # who tells the driver something, how often, and for how long
STARTED = 0.5  # share of the photographs by whose end all that do them are there


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megapixels", type=float, default=24)
    parser.add_argument("--photographs", type=int, default=80)
    parser.add_argument("--save", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lptn-scale-") as folder:
        root = Path(folder)
        source = photographs(root / "in", args.megapixels, args.photographs)
        figures: dict[str, Any] = {"megapixels": args.megapixels, "photographs": args.photographs}
        figures |= journal(root / "journal") | walking(root / "many")
        figures |= memory(root / "many", root / "done")
        figures |= runners(source, root)
        figures[f"messages/s of {STREAMS} streams"] = hearing()
    for name, value in figures.items():
        print(f"{name:40} {value:,.4g}" if isinstance(value, float) else f"{name:40} {value}")
    if args.save:
        RESULT.write_text(json.dumps(circumstances() | {"figures": figures}, indent=1) + "\n")


def photographs(folder: Path, megapixels: float, count: int) -> Path:
    """As many different photographs as a camera would write."""
    folder.mkdir()
    scene = synthetic_scene()
    for i in range(count):
        write_photograph(folder / f"p{i:04}.jpg", scene, *frame(megapixels), seed=i)
    return folder


def runners(source: Path, root: Path) -> dict[str, Any]:
    """Seconds a photograph by who does it; the nodes are of one core each, on this machine."""
    turns = range(2)  # of which the quicker counts: what else the machine does only takes time
    one, took = min(on_nodes(1, source, root / f"one{turn}") for turn in turns)
    two = min(on_nodes(2, source, root / f"two{turn}")[0] for turn in turns)
    here = {
        engine: [steady(source, root / f"{engine}{turn}", engine=engine, workers=2) for turn in turns]
        for engine in ("local", "ray")
    }
    local, ray = (min(here[engine])[0] for engine in here)
    return {
        "ray, one node, s": one,
        "seconds of each": took,
        "ray, two nodes, s": two,
        "two nodes against one": one / two,
        "local, two at once, s": local,
        "ray on this machine, two at once, s": ray,
        "ray against local": ray / local,
    }


def on_nodes(count: int, source: Path, root: Path) -> tuple[float, list[float]]:
    """Seconds a photograph on a fresh cluster of so many nodes, and what each took."""
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        for _ in range(count):
            cluster.add_node(num_cpus=1, include_dashboard=False)
        cluster.wait_for_nodes()
        ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.ERROR)
        return steady(source, root, engine="ray")
    finally:
        ray.shutdown()
        cluster.shutdown()


def steady(source: Path, results: Path, **how: Any) -> tuple[float, list[float]]:
    """Seconds a photograph when all are at work, and what each took."""
    ends: list[float] = []
    took: list[float] = []
    for result in retouch_folder(source, results, **how):
        assert result.outcome == "done", result.reason
        ends.append(time.perf_counter())
        took.append(round(result.seconds, 4))
    first = int(len(ends) * STARTED)
    return (ends[-1] - ends[first]) / (len(ends) - 1 - first), took[first:]


def journal(folder: Path) -> dict[str, float]:
    """Lines a second, flushed to the disk one by one, and some together."""
    folder.mkdir()
    found = {}
    for together in (1, TOGETHER):
        lines = [{"file": f"a/{i}.jpg", "outcome": "begun", "outputs": [{"file": f"a/{i}.jpg"}]} for i in range(LINES)]
        with Journal(folder, "/photographs") as log:
            started = time.perf_counter()
            for i in range(0, LINES, together):
                log.append(*lines[i : i + together])
            found[f"journal, lines/s, {together} a flush"] = LINES / (time.perf_counter() - started)
    return found


def walking(folder: Path) -> dict[str, float]:
    """Files a second, listed and planned, of folders of a thousand."""
    for i in range(FILES):
        if i % 1000 == 0:
            (folder / str(i)).mkdir(parents=True)
        (folder / str(i - i % 1000) / f"p{i}.jpg").touch()
    started = time.perf_counter()
    listing(folder)
    listed = time.perf_counter()
    make_plan(folder, folder.parent / "planned", (Output(),), Choice())
    planned = time.perf_counter()
    return {"listing, files/s": FILES / (listed - started), "planning, files/s": FILES / (planned - listed)}


def memory(folder: Path, results: Path) -> dict[str, float]:
    """Bytes of the driver for each photograph when all are done, and of what the next run knows by the journal."""
    before = resident()
    with Batch(folder, results, Settings()) as batch:
        works = [batch.work(job) for job in batch.to_do()[0]]
        for work in works:
            file = {"path": str(work.targets[0]), "size": 10_000_000, "modified": time.time_ns(), "sha256": "a" * 64}
            tags = {"kept": 120, "changed": 3, "added": 4, "dropped": 2, "lost": 0}
            done = Result(work.file, "done", work.source, work.targets, "retouch", files=(file,), metadata=tags)
            batch.journal.append(batch._record(work, done))
        ended = resident()
        again = Past(results, str(folder))
        known = resident()
        assert all(again.of(work.file) for work in works)
    return {
        "driver, bytes a photograph": (ended - before) / FILES,
        "journal read again, bytes a photograph": (known - ended) / FILES,
    }


def resident() -> int:
    """Bytes of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def hearing() -> float:
    """What one driver hears a second of a thousand streams, as much of each as is told of a photograph.

    Those that tell it are on the same cores, so it is rather more where they are not.
    """
    import ray

    told = Told(Result("a/photograph.jpg", "done", Path("/photographs/a/photograph.jpg"), notices=("x" * 80,)), [])

    class Telling:
        def tell(self) -> Iterator[Told]:
            while True:
                time.sleep(EVERY)
                yield told

    ray.init("local", include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    try:
        each = STREAMS // ACTORS
        wanted = ray.remote(Telling).options(num_cpus=0, max_concurrency=each)
        actors = [wanted.remote() for _ in range(ACTORS)]
        streams = [actor.tell.remote() for actor in actors for _ in range(each)]
        for stream in streams:
            ray.get(next(stream))
        heard, started = 0, time.perf_counter()
        while time.perf_counter() - started < SECONDS:
            for stream in ready_of(ray, streams):
                ray.get(next(stream))
                heard += 1
        return heard / (time.perf_counter() - started)
    finally:
        ray.shutdown()


if __name__ == "__main__":
    os.environ["RAY_AUTH_MODE"] = "disabled"  # the cluster is of this machine, for minutes
    main()
