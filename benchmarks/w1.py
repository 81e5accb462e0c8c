"""W1 on the product: one run of 1,000 steps, each of which adds 1.5 KB to its state; `python -m benchmarks.w1`."""

import argparse
import gc
import json
import os
import statistics
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks import database, workload
from benchmarks.durable import SLOTS, WORKERS, Workers
from benchmarks.figures import emit, milliseconds, percentile
from benchmarks.product import DATABASE, PACKAGES, Product

N_WARM_STEPS = 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1000)
    given = parser.parse_args()
    os.environ["BENCH_STEPS"] = str(given.steps)
    product = Product("bench-appends")
    product.set_up()
    try:
        figures = measure(product, given.steps)
    finally:
        product.tear_down()
    emit(f"W1 n={given.steps}", product.name, figures, PACKAGES)


def measure(product: Product, n: int) -> dict[str, tuple[float | None, str]]:
    with Workers(product, "rate") as workers:
        beginning = workload.initial()
        _finish(product, workers, [{"n": N_WARM_STEPS, **beginning}] * (WORKERS * SLOTS))
        before = database.disk_bytes(DATABASE)
        with database.connect(DATABASE) as connection:
            written = database.wal_bytes(connection)
            began = time.time()
            run = _finish(product, workers, [{"n": n, **beginning}])
            written = database.wal_bytes(connection) - written
        entries = _entries(workers)[-(n + 1) :]
    grown = database.disk_bytes(DATABASE) - before
    latencies = [later - earlier for earlier, later in pairwise(entries)]
    return {
        "commits": (round(n / (entries[-1] - began), 1), "1/s"),
        **milliseconds(latencies),
        "growth": (round(grown / 1e6, 3), "MB"),
        "wal": (round(written / 1e6, 3), "MB"),
        **rebuilding(run.pk, n),
    }


def rebuilding(run_id: Any, n: int) -> dict[str, tuple[float | None, str]]:
    """Rebuild the state after each step, each compared with the true one."""
    from runs.checkpoints.store import rebuild
    from runs.models import Run

    gc.freeze()  # as web process and workers do when they start
    run, taken = Run.objects.get(pk=run_id), {}
    rebuild(run)
    for seq, truth in enumerate(workload.states(n), 1):
        began = time.perf_counter()
        state = rebuild(run, seq).state
        taken[seq] = time.perf_counter() - began
        assert state == {"n": n, **truth}, f"step {seq} was not rebuilt as it was"
    return {
        "rebuild_p50": (round(statistics.median(taken.values()) * 1e3, 2), "ms"),
        "rebuild_p99": (round(percentile(list(taken.values()), 99) * 1e3, 2), "ms"),
        "rebuild_worst": (round(max(taken.values()) * 1e3, 2), "ms"),
        "rebuild_middle": (round(taken[n // 2] * 1e3, 2), "ms"),
        "rebuild_last": (round(taken[n] * 1e3, 2), "ms"),
    }


def _finish(product: Product, workers: Workers, states: list[dict[str, Any]]) -> Any:
    """Start a run with each of the states, and return the last of them when all have succeeded."""
    from runs.models import Run

    started = [product.start(state).pk for state in states]
    done = Run.objects.filter(pk__in=started, status="succeeded")
    workers.wait(lambda: done.count() == len(started), pause=0.05)
    return done.get(pk=started[-1])


def _entries(workers: Workers) -> list[float]:
    found = (Path(workers.folder) / "entries").read_text().splitlines()
    entries: list[float] = json.loads(found[-1])
    return entries


if __name__ == "__main__":
    main()
