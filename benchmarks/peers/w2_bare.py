"""The floor: a hand-written table of workflows and a loop over psycopg, one INSERT and COMMIT a step.

Two processes of eight threads claim with `FOR UPDATE SKIP LOCKED` and a lease; `LISTEN`/`NOTIFY` wakes them. It
keeps each step's result and nothing else: no state, no chain, no run row that moves, no fence.

    default  lease of 30 s, poll every 0.5 s
    quick    lease of 2 s, poll every 0.2 s
"""

import sys
import threading
import time
from collections.abc import Sequence

import psycopg

from benchmarks import database
from benchmarks.durable import SLOTS, Contestant, arguments, drive
from benchmarks.figures import versions
from benchmarks.marks import N_STEPS, mark, step

DATABASE = "bench_bare"
SCHEMA = (
    (
        "CREATE TABLE runs (id text PRIMARY KEY, worker text, lease timestamptz, done bool NOT NULL DEFAULT false,"
        " seq bigserial)"
    ),
    "CREATE INDEX ON runs (seq) WHERE NOT done",
    "CREATE TABLE steps (id text, number int, result jsonb, PRIMARY KEY (id, number))",
)
CLAIM = """
UPDATE runs SET worker = %s, lease = now() + make_interval(secs => %s) WHERE id = (
    SELECT id FROM runs WHERE NOT done AND (lease IS NULL OR lease < now()) ORDER BY seq FOR UPDATE SKIP LOCKED LIMIT 1)
RETURNING id
"""
BEAT = "UPDATE runs SET lease = now() + make_interval(secs => %s) WHERE id = ANY(%s)"
STEP = "INSERT INTO steps VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"


class Bare(Contestant):
    packages = versions("psycopg")

    def __init__(self, mode: str, variant: str) -> None:
        self.name, self.mode, self.variant = f"bare loop ({variant})", mode, variant

    def set_up(self) -> None:
        database.create(DATABASE)
        self.connection = database.connect(DATABASE)
        for statement in SCHEMA:
            self.connection.execute(statement)

    def worker(self, number: int) -> tuple[list[str], dict[str, str]]:
        own = ["--worker", str(number), "--mode", self.mode, "--variant", self.variant]
        return [sys.executable, "-m", "benchmarks.peers.w2_bare", *own], {}

    def submit(self, workflows: Sequence[str]) -> None:
        for workflow in workflows:
            self.connection.execute("INSERT INTO runs (id) VALUES (%s)", [workflow])
            self.connection.execute("NOTIFY runs")

    def tear_down(self) -> None:
        self.connection.close()
        database.drop(DATABASE)


class Worker:
    """One process of eight threads."""

    def __init__(self, number: int, lease_seconds: float, poll_seconds: float) -> None:
        self.number, self.lease_seconds, self.poll_seconds = number, lease_seconds, poll_seconds
        self.woken = threading.Condition()
        self.active: set[str] = set()

    def run(self) -> None:
        for target in (self.listen, self.beat, *[self.loop] * SLOTS):
            threading.Thread(target=target, daemon=True).start()
        time.sleep(0.5)
        mark("ready")
        threading.Event().wait()

    def listen(self) -> None:
        connection = database.connect(DATABASE)
        connection.execute("LISTEN runs")
        for _ in connection.notifies():
            with self.woken:
                self.woken.notify()

    def beat(self) -> None:
        connection = database.connect(DATABASE)
        while True:
            time.sleep(self.lease_seconds / 4)
            if active := list(self.active):
                connection.execute(BEAT, [self.lease_seconds, active])

    def loop(self) -> None:
        connection = database.connect(DATABASE, prepare_threshold=1)
        while True:
            claimed = connection.execute(CLAIM, [str(self.number), self.lease_seconds]).fetchone()
            if claimed:
                self.advance(connection, claimed[0])
                continue
            with self.woken:
                self.woken.wait(self.poll_seconds)

    def advance(self, connection: psycopg.Connection, workflow: str) -> None:
        self.active.add(workflow)
        row = connection.execute(
            "SELECT coalesce(max(number), 0) FROM steps WHERE id = %s", [workflow]
        ).fetchone()
        for number in range(row[0] + 1 if row else 1, N_STEPS + 1):
            step(workflow, number)
            connection.execute(STEP, [workflow, number, f'{{"r": {number}}}'])
        connection.execute("UPDATE runs SET done = true WHERE id = %s", [workflow])
        self.active.discard(workflow)


if __name__ == "__main__":
    given = arguments(__doc__ or "", ["default", "quick"])
    if given.worker is None:
        drive(Bare(given.mode, given.variant), given)
    else:
        Worker(given.worker, *((30.0, 0.5) if given.variant == "default" else (2.0, 0.2))).run()
