"""The scheduler at a thousand workers, simulated with measured times: where it stops growing in a straight line.

    python tools/scale_simulation.py [--photographs 1000000] [--save]

Events are those of the real run: a worker gets a shard from the runner's own queue; a photograph takes one of the
seconds that tools/scale.py measured, drawn anew for each, and what its storage takes; the driver, which is one thread,
writes two lines of the journal for each and hears one message. Machines are lost now and then. Measured figures are
read from benchmarks/results/scale.json.
"""

from __future__ import annotations

import argparse
import heapq
import json
import random
from pathlib import Path
from typing import Any, cast

from lptn_retouch.batch.shards import Queue
from lptn_retouch.batch.work import Work

RESULTS = Path(__file__).resolve().parent.parent / "benchmarks" / "results"
WORKERS = (1, 10, 100, 300, 1_000, 3_000)
START = 15.0  # seconds until an actor is there
STORAGE = 0.35  # seconds of fetching 10 MB and putting as much, at 60 MB/s and 20 ms to the first byte
LOST_AN_HOUR = 0.02  # of the workers, as where machines are lent by the hour


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", type=int, default=1_000_000)
    parser.add_argument("--save", action="store_true")
    args = parser.parse_args()
    measured = json.loads((RESULTS / "scale.json").read_text())["figures"]
    driver = 2 / measured["journal, lines/s, 16 a flush"] + 1 / measured["messages/s of 1000 streams"]
    rows = []
    print(f"the driver takes {1000 * driver:.2f} ms a photograph, so it keeps up with {1 / driver:,.0f} a second")
    print(f"{'workers':>8} {'hours':>8} {'speed-up':>9} {'efficiency':>10} {'driver busy':>11}")
    alone = None
    for workers in WORKERS:
        count = min(args.photographs, 200 * workers + 2_000)
        hours, busy = simulated(measured["seconds of each"], driver, workers, count)
        rate = count / hours
        alone = alone or rate
        row = {
            "workers": workers,
            "photographs/h": rate,
            "efficiency": rate / alone / workers,
            "driver busy": busy,
            "hours": args.photographs / rate,
        }
        rows.append(row)
        print(f"{workers:8,} {row['hours']:8.1f} {rate / alone:9.1f} {row['efficiency']:10.1%} {busy:11.1%}")
    if args.save:
        file = RESULTS / "scale-simulation.json"
        file.write_text(json.dumps({"driver_seconds": driver, "storage": STORAGE, "rows": rows}, indent=1) + "\n")


def simulated(seconds: list[float], driver: float, workers: int, count: int, seed: int = 0) -> tuple[float, float]:
    """Hours that a batch takes, from the first actor that is there, and the share of them that the driver is busy."""
    draw = random.Random(seed)
    queue = Queue(cast("list[Work]", list(range(count))), workers)
    lost, mean = LOST_AN_HOUR / 3600, sum(seconds) / len(seconds)
    now = driver_free = driver_busy = 0.0
    # (when, order, worker, photographs left of its shard): a worker that wants a shard has none left
    events: list[tuple[float, int, int, list[Any]]] = [(draw.uniform(0, 1), n, n, []) for n in range(workers)]
    heapq.heapify(events)
    order, done = workers, 0

    def hear(at: float) -> float:
        """When the driver has dealt with something that came at this time."""
        nonlocal driver_free, driver_busy
        driver_free = max(driver_free, at) + driver
        driver_busy += driver
        return driver_free

    while done < count:
        now, _, worker, shard = heapq.heappop(events)
        order += 1
        if shard:  # one more is told of
            shard.pop(0)
            done += 1
            told = hear(now)
            queue.took(mean)
            if not shard:
                now = told
        if not shard:
            shard = queue.shard()
            if not shard:
                continue
        took = draw.choice(seconds) + STORAGE * draw.lognormvariate(0, 0.4)
        if draw.random() < took * lost:  # its machine is gone: what it had goes to others, and another is started
            for work in reversed(shard):
                queue.give_back(work)
            heapq.heappush(events, (now + took + START, order, worker, []))
            continue
        heapq.heappush(events, (now + took, order, worker, shard))
    return now / 3600, driver_busy / now


if __name__ == "__main__":
    main()
