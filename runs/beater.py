"""The beater: a small process beside each worker that keeps its row fresh and notices its death.

A thread is not enough: a regular expression can hold the interpreter for longer than a lease lasts. The beater
watches the worker by pidfd, so that a death on a living host is known within milliseconds. A worker that is
stopped (SIGSTOP) gets no beats: its runs move on, and its epoch is stale when it wakes. Source: PROTOCOL 19, 20.

It knows neither Django nor agents: `python -m runs.beater WORKER_ID PID`, with the connection in
AGENTOPS_BEATER_DSN.
"""

import logging
import os
import select
import signal
import sys
import time
from pathlib import Path
from uuid import UUID

import psycopg

BEAT = "UPDATE runs_worker SET beat_at = clock_timestamp() WHERE id = %s AND dead_at IS NULL"
BURY = (
    "UPDATE runs_worker SET dead_at = clock_timestamp(), dead_reason = %s WHERE id = %s AND dead_at IS NULL"
)
REQUEUE = (
    "UPDATE runs_run SET status = 'queued', worker_id = NULL, queued_at = clock_timestamp()"
    " WHERE status = 'running' AND worker_id = %s"
)
DECLARED_DEAD = 3
_RETRY_SECONDS = 0.5

logger = logging.getLogger("runs.beater")


def process_start(pid: int) -> int | None:
    """Return the start time of a living process in clock ticks since boot; None when it is gone or a zombie.

    `kill(pid, 0)` would take a zombie for alive.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat[stat.rindex(")") + 2 :].split()
    return None if fields[0] in "ZX" else int(fields[19])


def is_stopped(pid: int) -> bool:
    """Return whether the process is stopped by a signal or a debugger."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat[stat.rindex(")") + 2] in "Tt"


class PidFile:
    """Waits for the end of a process: by pidfd where the kernel has it, else by looking."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.start = process_start(pid)
        self._poll = select.poll()
        try:
            self._poll.register(os.pidfd_open(pid), select.POLLIN)
            self._has_fd = True
        except (OSError, AttributeError):
            self._has_fd = False

    def ended_within(self, seconds: float) -> bool:
        """Return whether the process ends within `seconds`; returns early when it does."""
        if self._has_fd:
            return bool(self._poll.poll(seconds * 1000))
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if process_start(self.pid) != self.start:
                return True
            time.sleep(min(0.25, seconds))
        return False


class Beater:
    """Beats until the worker ends or is declared dead by others."""

    def __init__(self, worker_id: UUID, pid: int, dsn: str, beat_seconds: float) -> None:
        self.worker_id, self.dsn, self.beat_seconds = worker_id, dsn, beat_seconds
        self.process = PidFile(pid)
        self._connection: psycopg.Connection | None = None

    def run(self) -> int:
        """Return the exit status: 0 when the worker ended, DECLARED_DEAD when its row was taken away."""
        while not self.process.ended_within(self.beat_seconds):
            if not is_stopped(self.process.pid) and not self._beat():
                return DECLARED_DEAD
        self._bury()
        return 0

    def _beat(self) -> bool:
        """Return False once the row says that this worker is dead."""
        try:
            return self._database().execute(BEAT, (self.worker_id,)).rowcount == 1
        except psycopg.Error as error:
            logger.warning("beat failed: %s", error)
            self._connection = None
            return True

    def _bury(self) -> None:
        for _ in range(20):
            try:
                with self._database().transaction():
                    self._database().execute(BURY, ("its process ended", self.worker_id))
                    self._database().execute(REQUEUE, (self.worker_id,))
            except psycopg.Error as error:
                logger.warning("could not report the end of the worker: %s", error)
                self._connection = None
                time.sleep(_RETRY_SECONDS)
            else:
                return

    def _database(self) -> psycopg.Connection:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(self.dsn, autocommit=True, connect_timeout=2)
        return self._connection


def main() -> int:
    """Run for the worker that the arguments name."""
    logging.basicConfig(format="%(asctime)s %(levelname)s beater: %(message)s")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    worker_id, pid = UUID(sys.argv[1]), int(sys.argv[2])
    beat_seconds = float(os.environ.get("AGENTOPS_BEAT_SECONDS", "2"))
    return Beater(worker_id, pid, os.environ["AGENTOPS_BEATER_DSN"], beat_seconds).run()


if __name__ == "__main__":
    sys.exit(main())
