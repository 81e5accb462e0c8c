"""Leases: which worker process may execute which run.

A worker process has one row, kept fresh by a sibling process that user code cannot block. Runs are claimed in
its name (runs.claims); when it dies they are queued again under a higher epoch. Source: PROTOCOL 18–20; ADR 0006.
"""

import json
import logging
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection
from psycopg import pq
from psycopg.conninfo import make_conninfo

from agentops.common.conf import conf
from agentops.common.ids import new_id
from runs.beater import DECLARED_DEAD, process_start
from runs.journal.fence import Lease, execute, query
from runs.slots import Board

Held = tuple[UUID, int]

BEATER = (sys.executable, "-m", "runs.beater")

_REGISTER = (
    "INSERT INTO runs_worker (id, host, boot_id, pid_ns, pid, pid_start, queues, slots, dead_reason)"
    " VALUES (%(id)s, %(host)s, %(boot_id)s, %(pid_ns)s, %(pid)s, %(pid_start)s, %(queues)s::jsonb, %(slots)s, '')"
    " ON CONFLICT DO NOTHING"
)
_IS_DEAD = "SELECT dead_at IS NOT NULL FROM runs_worker WHERE id = %(id)s"
_LEASED = "SELECT id, epoch FROM runs_run WHERE worker_id = %(id)s AND status = 'running'"
_GIVE_BACK = (
    "UPDATE runs_run SET status = 'queued', worker_id = NULL, queued_at = clock_timestamp()"
    " WHERE id = %(run_id)s AND epoch = %(epoch)s AND status = 'running'"
)
_STOPPING = "UPDATE runs_worker SET is_stopping = true WHERE id = %(id)s"
_RETIRE = (
    "UPDATE runs_worker SET dead_at = clock_timestamp(), dead_reason = %(reason)s"
    " WHERE id = %(id)s AND dead_at IS NULL"
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Host:
    """Where a process id means something: same boot, same pid namespace."""

    name: str
    boot_id: str
    pid_ns: str


@lru_cache(maxsize=1)
def this_host() -> Host:
    """Return the identity of this host and pid namespace."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    namespace = Path("/proc/self/ns/pid")
    return Host(
        socket.gethostname(),
        boot.read_text().strip() if boot.exists() else "",
        str(namespace.readlink()) if namespace.exists() else "",
    )


class WorkerProcess:
    """This process as a worker: its id, its beater, the leases that it holds, and whether it is stopping.

    It works for `queues`, on at most `slots` runs at once.
    """

    def __init__(self, queues: Sequence[str], slots: int) -> None:
        self.queues, self.slots, self.pid = list(queues), slots, os.getpid()
        self.id: UUID | None = None
        self.stopping = threading.Event()
        self.board = Board()
        self._free_slots = threading.Semaphore(slots)
        self._held: set[Held] = set()
        self._astray: set[Held] = set()
        self._lock = threading.Lock()
        self._beater: subprocess.Popen[bytes] | None = None

    def ensure(self) -> UUID:
        """Return the id under which this process may claim; registers it and starts its beater when needed.

        A beater that says that this worker was declared dead makes it go on under a fresh id; one that was killed
        is replaced.

        Raises: psycopg.Error, django.db.Error while the database is away.
        """
        with self._lock:
            return self._ensured()

    def _ensured(self) -> UUID:
        status = self._beater.poll() if self._beater else None
        if self.id is None or status == DECLARED_DEAD:
            self.id, self._beater = self._register(), None
        if self._beater is None or status is not None:
            self._beater = _start_beater(self.id, self.board)
        return self.id

    @property
    def n_idle(self) -> int:
        """About how many more runs this process could take now."""
        return max(self.slots - len(self._held), 0)

    @contextmanager
    def slot(self) -> Iterator[bool]:
        """Take a slot of this process, whoever found the work; False when all are taken."""
        is_free = self._free_slots.acquire(blocking=False)
        try:
            yield is_free
        finally:
            if is_free:
                self._free_slots.release()

    @contextmanager
    def holding(self, lease: Lease) -> Iterator[None]:
        """Say that this process executes the run, and take a slot of the board for it."""
        held = (lease.run_id, lease.epoch)
        self._held.add(held)
        try:
            with self.board.slot():
                yield
        finally:
            self._held.discard(held)

    def stop(self) -> None:
        """Let slices end at their next action; what still runs when the process ends is not to blame for that."""
        self.stopping.set()
        if self.id is not None:
            execute(_STOPPING, {"id": self.id})

    def retire(self) -> None:
        """Say that this worker stopped on purpose."""
        with self._lock:
            if self.id is not None:
                execute(_RETIRE, {"id": self.id, "reason": "stopped"})
                self.id = None
            self._end_beater()

    def look_after_itself(self) -> None:
        """Stand ready, under a fresh id if the last one was declared dead; give back what nobody here executes.

        To be called now and then by a thread that executes no run.

        Raises: psycopg.Error, django.db.Error while the database is away.
        """
        with self._lock:
            row = execute(_IS_DEAD, {"id": self.id}) if self.id else None
            if row is not None and row[0]:
                self._end_beater()  # it may be stopped, and would never tell
                self.id = None
            self._ensured()
        self.give_back_astray()

    def give_back_astray(self) -> None:
        """Give back the runs that are leased to this process although nobody here executes them.

        A claim whose answer was lost leaves such a run. It is given back when it is found twice in a row: a claim
        may be on its way just now.
        """
        leased = {(run_id, epoch) for run_id, epoch in query(_LEASED, {"id": self.id})}
        found = {lease for lease in leased if lease not in self._held}
        for run_id, epoch in found & self._astray:
            logger.warning("run %s is leased to this worker, which does not execute it: given back", run_id)
            execute(_GIVE_BACK, {"run_id": run_id, "epoch": epoch})
        self._astray = found

    def _end_beater(self) -> None:
        if self._beater is not None:
            self._beater.kill()
            self._beater.wait()
            self._beater = None

    def _register(self) -> UUID:
        worker_id, host = new_id(), this_host()
        row = {
            "id": worker_id, "host": host.name, "boot_id": host.boot_id, "pid_ns": host.pid_ns, "pid": self.pid,
            "pid_start": process_start(self.pid) or 0, "queues": json.dumps(self.queues), "slots": self.slots,
        }  # fmt: skip
        execute(_REGISTER, row)
        return worker_id


_process = WorkerProcess(["default"], settings.WORKER_SLOTS)


def serve(*, queues: Sequence[str], slots: int) -> None:
    """Say what this process, and those that are forked from it, work for, and on how many runs at once."""
    global _process  # noqa: PLW0603 -- one object a process
    _process = WorkerProcess(queues, slots)


def worker() -> WorkerProcess:
    """Return this process as a worker; after a fork, the child gets one of its own."""
    global _process  # noqa: PLW0603 -- one object a process, renewed after a fork
    if _process.pid != os.getpid():
        _process = WorkerProcess(_process.queues, _process.slots)
    return _process


def _start_beater(worker_id: UUID, board: Board) -> subprocess.Popen[bytes]:
    """Start the sibling that beats for this worker; in a session of its own, so that what kills us spares it."""
    given: dict[str, Any] = connection.get_connection_params()
    known = {option.keyword.decode() for option in pq.Conninfo.get_defaults()}
    conninfo = make_conninfo("", **{key: given[key] for key in known & given.keys() if given[key]})
    settings_of_beater = {
        "dsn": conninfo, "beat_seconds": conf().beat_seconds, "poison_losses": conf().poison_losses,
        "board": board.descriptor,
    }  # fmt: skip
    process = (os.getpid(), process_start(os.getpid()))
    return subprocess.Popen(
        [*BEATER, str(worker_id), *map(str, process)],
        env=os.environ | {"AGENTOPS_BEATER": json.dumps(settings_of_beater)},
        pass_fds=(board.descriptor,),
        cwd=settings.BASE_DIR,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
