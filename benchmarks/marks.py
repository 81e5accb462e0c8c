"""What the steps of W2 to W4 do besides their contestant's work: mark the time in a file, or write to a ledger.

Inside a worker BENCH_MARKS names the file and BENCH_WORKER the worker's number. One append per mark: no contestant
pays more for it than another.
"""

import os
import threading
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import psycopg

from benchmarks import database

N_STEPS = 20
LEDGER = "bench_ledger"
EFFECT_SECONDS = 0.05

_local = threading.local()


class Mark(NamedTuple):
    """`what` happened to the step `step` of `workflow`, on which worker, when (Unix seconds of this host)."""

    what: str
    workflow: str
    step: int
    worker: str
    at: float


def mark(what: str, workflow: str = "-", step: int = 0) -> None:
    line = f"{what} {workflow} {step} {os.environ.get('BENCH_WORKER', '-')} {time.time():.6f}\n"
    os.write(_descriptor(os.getpid()), line.encode())


def read(path: Path) -> Iterator[Mark]:
    """Yield the marks of a file that may still be written."""
    for line in path.read_text().splitlines() if path.exists() else []:
        parts = line.split(" ")
        if len(parts) == 5:
            yield Mark(parts[0], parts[1], int(parts[2]), parts[3], float(parts[4]))


def step(workflow: str, number: int) -> int:
    """Do a step of W2 (a mark in the first and the last one) or of W3 (an effect)."""
    if os.environ.get("BENCH_MODE") == "kill":
        effect(workflow, number, key=f"{workflow}:{number}")
    elif number in (1, N_STEPS):
        mark("step", workflow, number)
    return number


def effect(workflow: str, number: int, *, key: str) -> None:
    """Ask the ledger outside for an effect, under an idempotency key, and work 50 ms."""
    if getattr(_local, "pid", None) != os.getpid():
        _local.pid, _local.connection = os.getpid(), database.connect(LEDGER)
    asked = (workflow, number, os.environ["BENCH_WORKER"], key, time.time())
    connection: psycopg.Connection = _local.connection
    connection.execute(
        "INSERT INTO asked (workflow, step, worker, key, at) VALUES (%s, %s, %s, %s, %s)", asked
    )
    time.sleep(EFFECT_SECONDS)


@lru_cache(maxsize=1)
def _descriptor(pid: int) -> int:
    """Return the file of this process; after a fork, another one."""
    return os.open(os.environ["BENCH_MARKS"], os.O_APPEND | os.O_CREAT | os.O_WRONLY)
