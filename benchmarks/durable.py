"""W2 and W3: workflows of 20 steps on two worker processes with 8 slots each, driven alike for every contestant.

rate     N workflows submitted one by one; from before the first submission to the last one's last step
latency  20 workflows, one at a time at random gaps, on idle workers; from before the submission to step 1
kill     40 workflows whose steps ask a ledger outside for an effect and take 50 ms; at half of the effects one
         worker is killed (SIGKILL)
"""

import argparse
import contextlib
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import database
from benchmarks.figures import emit, percentile
from benchmarks.marks import LEDGER, N_STEPS, Mark, read

WORKERS = 2
SLOTS = 8
N_WARM = 4
N_LATENCY = 20
N_KILL = 40
PATIENCE_SECONDS = 120.0


class Contestant(ABC):
    """A runtime of durable steps. Its workers call `marks.step` in every step."""

    name: str
    packages: Mapping[str, str]

    @abstractmethod
    def set_up(self) -> None:
        """Make its database and whatever else its workers need."""

    @abstractmethod
    def worker(self, number: int) -> tuple[list[str], dict[str, str]]:
        """Return the command of a worker process and what its environment needs."""

    @abstractmethod
    def submit(self, workflows: Sequence[str]) -> None:
        """Start the workflows one by one through the runtime's usual client interface."""

    def n_ready(self, path: Path) -> int:
        """Return how many workers stand ready; those of peers say so with `marks.mark("ready")`."""
        return len({found.worker for found in read(path) if found.what == "ready"})

    def after_kill(self) -> None:
        """Do what somebody must do by hand after a worker died; usually nothing."""

    @abstractmethod
    def tear_down(self) -> None:
        """Stop what set_up started and drop its database."""


def arguments(description: str, variants: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--mode", choices=["rate", "latency", "kill"], default="rate")
    parser.add_argument("--variant", choices=variants, default=variants[0])
    parser.add_argument("--n", type=int, default=100, help="workflows in the mode rate")
    parser.add_argument("--restart", action="store_true", help="start another worker at once after the kill")
    parser.add_argument("--cap", type=float, default=40.0, help="seconds after the kill until it is given up")
    parser.add_argument("--worker", type=int, help="be this worker (used by the driver)")
    return parser.parse_args()


class Workers:
    """The worker processes of a contestant, and the file of marks that they share."""

    def __init__(self, contestant: Contestant, mode: str) -> None:
        self.contestant, self.mode = contestant, mode
        self.folder = Path(tempfile.mkdtemp(prefix="agentops-bench-marks-"))
        self.path = self.folder / "marks"
        self.processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> "Workers":
        self.processes = [self.start(number) for number in range(WORKERS)]
        self.wait(lambda: self.contestant.n_ready(self.path) >= WORKERS)
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            kill(process)
        shutil.rmtree(self.folder)

    def start(self, number: int) -> subprocess.Popen[bytes]:
        command, more = self.contestant.worker(number)
        own = {"BENCH_MARKS": str(self.path), "BENCH_WORKER": str(number), "BENCH_MODE": self.mode}
        with (self.folder / f"worker{number}.log").open("ab") as log:
            environment = os.environ | own | more
            return subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)

    def wait(
        self, holds: Callable[[], object], seconds: float = PATIENCE_SECONDS, pause: float = 0.02
    ) -> bool:
        """Return whether `holds()` came true in time; the first waits raise instead, with what the workers said."""
        until = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > until or any(process.poll() is not None for process in self.processes):
                sys.stderr.write("".join(path.read_text()[-1500:] for path in self.folder.glob("*.log")))
                raise RuntimeError(f"{self.contestant.name}: a worker ended, or not within {seconds} s")
            time.sleep(pause)
        return True

    def ends(self, prefix: str) -> dict[str, float]:
        """Return when each workflow's last step was reached."""
        return {m.workflow: m.at for m in self.of(prefix) if m.step == N_STEPS}

    def of(self, prefix: str) -> list[Mark]:
        return [m for m in read(self.path) if m.what == "step" and m.workflow.startswith(prefix)]

    def warm_up(self) -> None:
        self.contestant.submit([f"warm{i}" for i in range(N_WARM)])
        self.wait(lambda: len(self.ends("warm")) == N_WARM)
        time.sleep(1.0)

    def memory_bytes(self) -> int:
        """Return the resident memory of the workers and their children; shared pages count once a process."""
        return sum(_resident(pid) for process in self.processes for pid in family(process.pid))


def drive(contestant: Contestant, given: argparse.Namespace) -> None:
    """Measure the contestant and print its figures."""
    if given.mode == "kill":
        _make_ledger()
    contestant.set_up()
    try:
        with Workers(contestant, given.mode) as workers:
            if given.mode != "kill":
                workers.warm_up()
            workload, figures = _MODES[given.mode](contestant, workers, given)
    finally:
        contestant.tear_down()
    emit(workload, contestant.name, figures, contestant.packages)


def _rate(contestant: Contestant, workers: Workers, given: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    spent = spent_cpu(workers)
    began = time.time()
    contestant.submit([f"w{i}" for i in range(given.n)])
    submitted = time.time()
    workers.wait(lambda: len(workers.ends("w")) >= given.n + N_WARM, pause=0.1)
    seconds = max(workers.ends("w").values()) - began
    used = {name: after - spent[name] for name, after in spent_cpu(workers).items()}
    return f"W2 n={given.n}", {
        "steps": (round(given.n * N_STEPS / seconds, 1), "1/s"),
        "submission": (round((submitted - began) / given.n * 1e3, 3), "ms"),
        "memory": (round(workers.memory_bytes() / 1e6, 1), "MB"),
        **{name: (round(s / given.n / N_STEPS * 1e6, 1), "us/step") for name, s in used.items()},
    }


def spent_cpu(workers: Workers) -> dict[str, float]:
    return {
        "postgres_cpu": cpu_seconds(postmaster()),
        "worker_cpu": cpu_seconds(*(process.pid for process in workers.processes)),
        "driver_cpu": time.process_time(),
    }


def _latency(contestant: Contestant, workers: Workers, _: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    chance, first, last = random.Random(1), [], []
    for i in range(N_LATENCY):
        workflow, began = f"l{i}-", time.time()
        contestant.submit([workflow])
        workers.wait(partial(workers.ends, workflow), pause=0.005)
        first += [m.at - began for m in workers.of(workflow) if m.step == 1]
        last.append(workers.ends(workflow)[workflow] - began)
        time.sleep(chance.uniform(0.1, 0.7))
    return "W2 latency", {
        "first_step_p50": (round(statistics.median(first) * 1e3, 2), "ms"),
        "first_step_max": (round(percentile(first, 100) * 1e3, 2), "ms"),
        "last_step_p50": (round(statistics.median(last) * 1e3, 2), "ms"),
    }


def _kill(contestant: Contestant, workers: Workers, given: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    with database.connect(LEDGER) as ledger:
        contestant.submit([f"k{i}" for i in range(N_KILL)])
        half = N_KILL * N_STEPS / 2
        workers.wait(lambda: _one(ledger, "SELECT count(*) FROM asked") >= half)
        killed_at = time.time()
        kill(workers.processes[1])
        affected = [row[0] for row in ledger.execute(_AFFECTED).fetchall()]
        if given.restart:
            workers.processes[1] = workers.start(1)
        contestant.after_kill()
        until = killed_at + given.cap
        while _one(ledger, _N_ENDED, N_STEPS) < N_KILL and time.time() < until:
            time.sleep(0.05)
        time.sleep(1.0)
        moved: dict[str, Any] = dict(ledger.execute(_MOVED, [affected, killed_at]).fetchall())
        ended: dict[str, Any] = dict(ledger.execute(_ENDED, [N_STEPS, affected]).fetchall())
        has_all_moved, have_all_ended = len(moved) == len(affected), len(ended) == len(affected)
        return "W3", {
            "affected": (len(affected), "workflows"),
            "first_moves": (_since(killed_at, min(moved.values(), default=None)), "s"),
            "all_move": (
                _since(killed_at, max(moved.values(), default=None) if has_all_moved else None),
                "s",
            ),
            "all_end": (
                _since(killed_at, max(ended.values(), default=None) if have_all_ended else None),
                "s",
            ),
            "stuck": (N_KILL - _one(ledger, _N_ENDED, N_STEPS), "workflows"),
            "attempts_repeated": (_one(ledger, _REPEATED), "steps"),
            "effects_twice": (_one(ledger, _TWICE), "steps"),
        }


_MODES = {"rate": _rate, "latency": _latency, "kill": _kill}

# A ledger that honours idempotency keys applies a key once, however often it is asked.
_AFFECTED = """
SELECT workflow FROM (SELECT DISTINCT ON (workflow) workflow, worker, step FROM asked ORDER BY workflow, at DESC) last
WHERE worker = '1' AND step < 20
"""
_MOVED = "SELECT workflow, min(at) FROM asked WHERE workflow = ANY(%s) AND at > %s GROUP BY workflow"
_ENDED = "SELECT workflow, min(at) FROM asked WHERE step = %s AND workflow = ANY(%s) GROUP BY workflow"
_N_ENDED = "SELECT count(DISTINCT workflow) FROM asked WHERE step = %s"
_REPEATED = "SELECT count(*) - count(DISTINCT (workflow, step)) FROM asked"
_TWICE = "SELECT count(DISTINCT key) - count(DISTINCT (workflow, step)) FROM asked"


def _make_ledger() -> None:
    database.create(LEDGER)
    with database.connect(LEDGER) as ledger:
        ledger.execute("CREATE TABLE asked (workflow text, step int, worker text, key text, at float8)")


def _one(ledger: Any, sql: str, *parameters: object) -> int:
    return int(ledger.execute(sql, parameters).fetchone()[0])


def _since(began: float, at: float | None) -> float | None:
    return None if at is None else round(at - began, 3)


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a worker and its children with SIGKILL."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def family(pid: int) -> list[int]:
    """Return the process and all that descend from it (Linux)."""
    found = [pid]
    for known in found:
        for children in Path(f"/proc/{known}/task").glob("*/children"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
                found += [int(child) for child in children.read_text().split()]
    return found


def cpu_seconds(*roots: int) -> float:
    """Return the CPU time of the processes, of all that descend from them, and of those that have ended (Linux)."""
    ticks = sum(sum(int(n) for n in _stat(pid)[11:15]) for root in roots for pid in family(root))
    return ticks / os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def postmaster() -> int:
    """Return the process that all of the server's processes descend from; it must run on this host."""
    with database.connect("postgres") as connection:
        return int(_stat(connection.info.backend_pid)[1])


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
