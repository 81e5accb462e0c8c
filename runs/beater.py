"""The beater: a small process beside each worker that keeps its row fresh and notices its death.

A thread is not enough: a regular expression can hold the interpreter for longer than a lease lasts. The beater
watches the worker by pidfd, so that a death on a living host is known within milliseconds. A worker that is
stopped (SIGSTOP) gets no beats: its runs move on, and its epoch is stale when it wakes. Source: PROTOCOL 19, 20.

It knows neither Django nor agents: `python -m runs.beater WORKER_ID PID PID_START`, with the connection in
AGENTOPS_BEATER.
"""

import json
import logging
import os
import select
import signal
import sys
import time
from pathlib import Path
from uuid import UUID

import psycopg

from runs.slots import Board

BEAT = "UPDATE runs_worker SET beat_at = clock_timestamp() WHERE id = %s AND dead_at IS NULL"
BURY = (
    "UPDATE runs_worker SET dead_at = clock_timestamp(), dead_reason = %s WHERE id = %s AND dead_at IS NULL"
)
# A run whose worker is gone is queued again. Only the end of a process that was not being stopped counts as a loss:
# alone, when the process held no other run; together otherwise. After two losses together at one node step the run
# goes on alone in a process of its own; after `poison_losses` alone it is a dead letter (PROTOCOL 21).
REQUEUE = """
UPDATE runs_run r SET
    status = CASE WHEN n.alone >= %(poison_losses)s THEN 'failed' ELSE 'queued' END,
    ended_at = CASE WHEN n.alone >= %(poison_losses)s THEN clock_timestamp() END,
    error = CASE WHEN n.alone >= %(poison_losses)s THEN jsonb_build_object('code', 'poison', 'message',
        format('the worker process died %%s times while it ran node %%s of this run alone', n.alone, r.node),
        'type', 'Poison', 'node', r.node, 'seq', r.node_seq, 'attempts', n.alone, 'detail', n.reason) ELSE r.error END,
    health = CASE WHEN n.alone >= %(poison_losses)s THEN '{}' ELSE r.health END,
    lost_seq = CASE WHEN n.is_loss THEN r.node_seq ELSE r.lost_seq END,
    lost_alone = n.alone, lost_together = n.together, is_isolated = r.is_isolated OR n.together >= 2,
    worker_id = NULL, queued_at = clock_timestamp()
FROM (
    SELECT l.id, l.is_loss, l.reason,
        CASE WHEN l.is_same THEN l.lost_alone ELSE 0 END + CASE WHEN l.is_loss AND l.n = 1 THEN 1 ELSE 0 END AS alone,
        CASE WHEN l.is_same THEN l.lost_together ELSE 0 END + CASE WHEN l.is_loss AND l.n > 1 THEN 1 ELSE 0 END AS together
    FROM (
        SELECT x.id, x.lost_alone, x.lost_together, x.lost_seq IS NOT DISTINCT FROM x.node_seq AS is_same,
            coalesce(w.dead_reason LIKE 'its process %%' AND NOT w.is_stopping, false) AS is_loss,
            coalesce(w.dead_reason, 'its worker is unknown') AS reason,
            (SELECT count(*) FROM runs_run o WHERE o.status = 'running' AND o.worker_id = x.worker_id) AS n
        FROM runs_run x LEFT JOIN runs_worker w ON w.id = x.worker_id
        WHERE x.status = 'running' AND x.worker_id IS NOT NULL AND (w.id IS NULL OR w.dead_at IS NOT NULL)
        FOR UPDATE OF x SKIP LOCKED) l) n
WHERE r.id = n.id AND r.status = 'running'
RETURNING r.queue
"""
OVERDUE = "its process was ended, a step was past its time-out"
DECLARED_DEAD = 3
CALM_SECONDS = 5.0  # in which everybody who waits for the database looks again
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
    """Waits for the end of the process that began at `start`: by pidfd where the kernel has it, else by looking."""

    def __init__(self, pid: int, start: int) -> None:
        self.pid, self.start = pid, start
        self._poll = select.poll()
        try:
            self._poll.register(os.pidfd_open(pid), select.POLLIN)
            # It may have ended before it was opened, and its number may be another's by now.
            self._has_fd = process_start(pid) == start
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

    def __init__(
        self,
        worker_id: UUID,
        process: PidFile,
        dsn: str,
        beat_seconds: float,
        poison_losses: int,
        board: Board,
    ) -> None:
        self.worker_id, self.dsn, self.beat_seconds = worker_id, dsn, beat_seconds
        self.poison_losses, self.board = poison_losses, board
        self.process = process
        self._reason = "its process ended"
        self._connection: psycopg.Connection | None = None
        self._away_at = -CALM_SECONDS

    def run(self) -> int:
        """Return the exit status: 0 when the worker ended, DECLARED_DEAD when its row was taken away."""
        while True:
            if not is_stopped(self.process.pid):
                if not self._beat():
                    return DECLARED_DEAD
                self._end_when_overdue()
            if self.process.ended_within(self.beat_seconds):
                self._bury()
                return 0

    def _end_when_overdue(self) -> None:
        """End a worker whose step shows no progress: its other runs go on elsewhere, the stuck one is counted.

        A step may be waiting for the database: it is not judged while that is away, nor just after.
        """
        is_calm = time.monotonic() - self._away_at > CALM_SECONDS
        if is_calm and self.board.overdue_seconds() > 0:
            logger.warning("a step is past its time-out; ending the worker process %s", self.process.pid)
            self._reason = OVERDUE
            os.kill(self.process.pid, signal.SIGKILL)

    def _beat(self) -> bool:
        """Return False once the row says that this worker is dead."""
        try:
            return self._database().execute(BEAT, (self.worker_id,)).rowcount == 1
        except psycopg.Error as error:
            logger.warning("beat failed: %s", error)
            self._connection, self._away_at = None, time.monotonic()
            return True

    def _bury(self) -> None:
        for _ in range(20):
            try:
                with self._database().transaction():
                    self._database().execute(BURY, (self._reason, self.worker_id))
                    self._database().execute(REQUEUE, {"poison_losses": self.poison_losses})
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
    worker_id, process = UUID(sys.argv[1]), PidFile(int(sys.argv[2]), int(sys.argv[3]))
    settings = json.loads(os.environ["AGENTOPS_BEATER"])
    board = Board(settings.pop("board"))
    return Beater(worker_id, process, board=board, **settings).run()


if __name__ == "__main__":
    sys.exit(main())
