"""Retention beside workers: `python -m benchmarks.retention --n 5000 [--starts 40] [--save]`.

Half of `n` old runs of three steps are to be archived, half to be deleted, by the clock, while two worker processes of 8 slots
each execute short runs: as fast as they can, or as many as are started a second. Before and during that, all locks that
anybody waits for are looked at every few milliseconds. What the preview told is compared with what went, and some archives are
restored and checked.
"""

import argparse
import os
import shutil
import threading
import time
from collections.abc import Sequence
from contextlib import contextmanager
from typing import Any

import psycopg

from benchmarks import database
from benchmarks.durable import Workers
from benchmarks.figures import emit
from benchmarks.product import DATABASE, Product
from benchmarks.report import save
from benchmarks.servers import servers

STEPS = 3
BATCH = 500
BEFORE_SECONDS = 10.0
AT_ONCE = 400
FEED_SECONDS = 0.2
RESTORED = 20
LOOK_SECONDS = 0.004

_WAITS = (
    "SELECT coalesce(max(extract(epoch FROM clock_timestamp() - waitstart)), 0)::float8 FROM pg_locks"
    " WHERE NOT granted AND waitstart IS NOT NULL"
)


class Watch(threading.Thread):
    """Looks how long anybody waits for a lock; `longest` is the longest in seconds since it was set to 0."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.longest = 0.0
        self.n_looks = 0
        self._over = threading.Event()

    def run(self) -> None:
        with psycopg.connect(database.url(DATABASE), autocommit=True) as connection:
            while not self._over.wait(LOOK_SECONDS):
                row = connection.execute(_WAITS, prepare=True).fetchone()
                self.longest = max(self.longest, row[0] if row else 0.0)
                self.n_looks += 1

    def stop(self) -> None:
        self._over.set()
        self.join()


class Old(Product):
    """The product, with runs that ended long ago."""

    def insert(self, n: int, days: int) -> None:
        """Insert ended runs, signed as workers would have done it."""
        from django.db import connection

        from runs.models import Checkpoint, Run, Step
        from runs.selectors.agents import version_for

        version = version_for(self._actor, self.program, 1)
        for first in range(0, n, BATCH):
            made = [self._one(version, number) for number in range(first, min(first + BATCH, n))]
            Run.objects.bulk_create([run for run, _, _ in made])
            Step.objects.bulk_create([step for _, steps, _ in made for step in steps])
            Checkpoint.objects.bulk_create([row for _, _, rows in made for row in rows])
            ids = [run.pk for run, _, _ in made]
            with connection.cursor() as cursor:
                cursor.execute(
                    "UPDATE runs_run SET created_at = now() - %s * interval '1 day', ended_at = now() - %s * interval '1 day'"
                    " WHERE id = ANY(%s)",
                    [days, days, ids],
                )

    def _one(self, version: Any, number: int) -> tuple[Any, list[Any], list[Any]]:
        from django.db.models.functions import Now

        from agentops.common.ids import new_id
        from runs.checkpoints.chain import checkpoint_hash
        from runs.checkpoints.codec import encode
        from runs.checkpoints.store import genesis
        from runs.checkpoints.verify import mac_of_end
        from runs.models import Checkpoint, Run, Step

        run_id, given, team_id = new_id(), encode({"workflow": f"old{number}"}), self._actor.team_id
        link, rows, steps = genesis(team_id, run_id, given), [], []
        for seq in range(1, STEPS + 1):
            delta = encode([["set", "/page", {"number": seq, "text": f"{run_id} " * 20}]])
            link = checkpoint_hash(team_id, run_id, seq, link, delta)
            rows.append(Checkpoint(run_id=run_id, seq=seq, kind="d", team_id=team_id, parent_seq=seq - 1,
                                   codec=delta.codec, body=delta.body, hash=link))  # fmt: skip
            steps.append(Step(run_id=run_id, seq=seq, team_id=team_id, kind="node", name="step", status="succeeded",
                              summary=f"page {seq}", epoch=1, ended_at=Now()))  # fmt: skip
        done = encode({"ok": True})
        run = Run(
            id=run_id, root_id=run_id, team_id=team_id, agent=version.agent, agent_version=version, title="old", node="step",
            node_seq=STEPS, head_seq=STEPS, head_hash=link, n_steps=STEPS, status="succeeded", input=given.body,
            input_codec=given.codec, output=done.body, output_codec=done.codec, request_hash=b"-", epoch=1, ended_at=Now(),
        )  # fmt: skip
        run.end_mac = mac_of_end(run)
        return run, steps, rows

    def measure(self) -> None:
        """Measure all runs, so that the preview is exact."""
        from uuid import UUID

        from runs.services.measure_runs import measure_next

        after: UUID | None = UUID(int=0)
        while after is not None:
            after = measure_next(after)

    def begin(self) -> Any:
        from runs.services.begin_retention import begin_retention
        from runs.services.save_retention import create_retention

        create_retention(actor=self._actor, agent=self.program, archive_days=30, delete_days=90)
        return begin_retention(actor=self._actor)

    def n_steps(self) -> int:
        from django.db.models import Sum

        from runs.models import Run

        total: int | None = Run.objects.exclude(title="old").aggregate(n=Sum("n_steps"))["n"]
        return total or 0

    def tear_down(self) -> None:
        from django.conf import settings

        super().tear_down()
        shutil.rmtree(settings.ARCHIVES, ignore_errors=True)

    def restore_some(self) -> int:
        """Return how many of some archived runs came back clean."""
        from runs.checkpoints.verify import verify_run
        from runs.models import Run
        from runs.services.restore_run import restore_run

        ids = (
            Run.objects.filter(archived_at__isnull=False)
            .order_by("id")
            .values_list("id", flat=True)[:RESTORED]
        )
        return sum(verify_run(restore_run(actor=self._actor, run_id=run_id)).is_clean for run_id in list(ids))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=5000)
    parser.add_argument("--starts", type=int, default=0, help="runs a second; 0: as many as the workers take")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/<date>.json and .md")
    parser.add_argument("--worker", type=int, help="be this worker (used by the driver)")
    given = parser.parse_args()
    with servers() as environment:
        os.environ.update(environment)
        busy = round(os.getloadavg()[0], 1)
        old = Old()
        old.set_up()
        try:
            old.insert(given.n // 2, 40)
            old.insert(given.n - given.n // 2, 100)
            old.measure()
            with Workers(old, "rate") as workers:
                workers.warm_up()
                figures = measure(old, given.n, given.starts)
        finally:
            old.tear_down()
        pace = f", {given.starts} starts/s" if given.starts else ""
        lines = emit(f"retention n={given.n}{pace}", old.name, figures, old.packages)
        if given.save:
            save([line | {"load_before": busy} for line in lines])


def measure(old: Old, n: int, starts: int) -> dict[str, tuple[float | None, str]]:
    with _load(old, starts) as watch:
        time.sleep(2.0)
        watch.longest, began, steps = 0.0, time.monotonic(), old.n_steps()
        time.sleep(BEFORE_SECONDS)
        before_rate = (old.n_steps() - steps) / (time.monotonic() - began)
        before_wait, watch.longest = watch.longest, 0.0
        began, steps, job = time.monotonic(), old.n_steps(), old.begin()
        while job.state == "working":
            time.sleep(0.5)
            job.refresh_from_db()
        seconds = time.monotonic() - began
        rate, wait = (old.n_steps() - steps) / seconds, watch.longest
    return {
        "archived": (job.n_archived, "runs"), "deleted": (job.n_deleted, "runs"), "failed": (job.n_failed, "runs"),
        "not_as_previewed": (job.freed_bytes - job.expected_bytes, "bytes"),
        "rate": (round(n / seconds, 1), "runs/s"),
        "lock_wait_max": (round(wait * 1000, 1), "ms"), "lock_wait_max_before": (round(before_wait * 1000, 1), "ms"),
        "steps": (round(rate, 1), "1/s"), "steps_before": (round(before_rate, 1), "1/s"),
        "restored_clean": (old.restore_some(), f"of {RESTORED}"),
    }  # fmt: skip


@contextmanager
def _load(old: Old, starts: int) -> Any:
    """Keep the workers busy, and watch the locks."""
    at_once = max(1, round(starts * FEED_SECONDS)) if starts else AT_ONCE
    watch, over = Watch(), threading.Event()

    def feed() -> None:
        from django.db import connection

        number = 0
        while not over.wait(FEED_SECONDS):
            if old.n_in("queued") < AT_ONCE:
                states: Sequence[dict[str, Any]] = [{"workflow": f"busy{number + n}"} for n in range(at_once)]
                old.start_many(states)
                number += at_once
        connection.close()

    feeder = threading.Thread(target=feed, daemon=True)
    watch.start()
    feeder.start()
    try:
        yield watch
    finally:
        over.set()
        feeder.join()
        watch.stop()


if __name__ == "__main__":
    main()
