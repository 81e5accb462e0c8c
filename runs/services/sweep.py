"""Find what was lost: workers that died, runs that they held, timers that are due, queues without a ticket.

Each job is one statement over state, so any number of clocks may run it, at any time, in any order.
Source: PROTOCOL 16, 18, 20, 22.
"""

from dataclasses import dataclass
from uuid import UUID

from agentops.common.conf import conf
from runs import dispatch
from runs.beater import REQUEUE, process_start
from runs.journal.fence import query
from runs.journal.statements import CLOSE_OPEN_STEPS
from runs.leases import this_host

WAKE_BATCH = 1000

_WAKE = """
UPDATE runs_run SET status = 'queued', wake_at = NULL, queued_at = clock_timestamp()
WHERE id = ANY(ARRAY(SELECT id FROM runs_run WHERE status IN ('sleeping', 'waiting', 'awaiting_approval')
                     AND wake_at <= clock_timestamp()
                     ORDER BY wake_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
RETURNING queue
"""
_NEIGHBOURS = """
SELECT id, pid, pid_start FROM runs_worker
WHERE dead_at IS NULL AND boot_id = %(boot_id)s AND pid_ns = %(pid_ns)s AND boot_id <> ''
"""
_BURY = """
UPDATE runs_worker SET dead_at = clock_timestamp(), dead_reason = %(reason)s
WHERE id = ANY(%(ids)s) AND dead_at IS NULL RETURNING id
"""
# At one instant of the database's clock, and by a clock that has itself beaten lately: if it, its host or the database
# stood still just now, then so did the beaters.
_BURY_SILENT = """
WITH t AS MATERIALIZED (SELECT clock_timestamp() AS now, make_interval(secs => %(lease_seconds)s) AS lease)
UPDATE runs_worker w SET dead_at = t.now, dead_reason = 'missed its beats' FROM t
WHERE w.dead_at IS NULL AND w.beat_at < t.now - t.lease
    AND EXISTS (SELECT 1 FROM runs_clockbeat c WHERE c.id = %(clock_id)s AND c.beat_at > t.now - t.lease / 2)
RETURNING w.id
"""
_EXPIRE = f"""
WITH r AS (
    UPDATE runs_run SET status = 'expired', epoch = epoch + 1, worker_id = NULL, control = '', health = '{{}}',
        wake_at = NULL, waiting_on = NULL, ended_at = clock_timestamp(), ended_by = 'the clock',
        end_reason = 'its deadline has passed'
    WHERE id = ANY(ARRAY(SELECT id FROM runs_run WHERE ended_at IS NULL AND deadline_at <= clock_timestamp()
                         ORDER BY deadline_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
    RETURNING id, true AS is_ended),
s AS ({CLOSE_OPEN_STEPS})
SELECT id FROM r
"""  # noqa: S608 -- put together from constants
_QUEUED = "SELECT DISTINCT queue FROM runs_run WHERE status = 'queued'"
_FORGET = "DELETE FROM runs_worker WHERE dead_at < clock_timestamp() - interval '1 day' RETURNING id"
_CLOCK = (
    "SELECT extract(epoch from clock_timestamp())::float8,"
    " extract(epoch from clock_timestamp() - pg_postmaster_start_time())::float8"
)


@dataclass(slots=True)
class Grace:
    """When missed beats count.

    Not until a full lease period after the clock's own gap, or after the database's restart: an outage must fence
    nobody (PROTOCOL 20).
    """

    since: float | None = None
    last: float | None = None

    def allows(self, now: float, database_up_seconds: float) -> bool:
        """Return whether silence may be judged at the instant `now` of the database's clock; called at every tick."""
        lease = conf().lease_seconds
        if self.last is None or now - self.last > lease / 2:
            self.since = now
        self.last = now
        return now - (self.since or now) >= lease and database_up_seconds >= lease


def wake_due() -> int:
    """Queue the runs whose time to sleep or to wait is over, in batches; returns how many."""
    n_woken = 0
    while True:
        rows = query(_WAKE, {"limit": WAKE_BATCH})
        _poke(rows)
        n_woken += len(rows)
        if len(rows) < WAKE_BATCH:
            return n_woken


def expire_overdue() -> int:
    """End the open runs whose deadline has passed; whoever executes one loses the lease. Returns how many."""
    return len(query(_EXPIRE, {"limit": WAKE_BATCH}))


def bury_neighbours() -> int:
    """Mark the workers of this host whose process is gone as dead; returns how many."""
    host = this_host()
    rows = query(_NEIGHBOURS, {"boot_id": host.boot_id, "pid_ns": host.pid_ns})
    gone = [worker_id for worker_id, pid, pid_start in rows if process_start(pid) != pid_start]
    return len(query(_BURY, {"ids": gone, "reason": "its process is gone"})) if gone else 0


def bury_silent(clock_id: UUID) -> int:
    """Mark the workers that missed their beats as dead, unless the clock missed its own; returns how many."""
    return len(query(_BURY_SILENT, {"lease_seconds": conf().lease_seconds, "clock_id": clock_id}))


def requeue_orphans() -> int:
    """Queue the runs whose worker is dead or unknown, or make them dead letters; returns how many.

    Their next claim raises the epoch.
    """
    rows = query(REQUEUE, {"poison_losses": conf().poison_losses})
    _poke(rows)
    return len(rows)


def reissue_tickets() -> None:
    """Hint at every queue that has work, in case a ticket was lost."""
    _poke(query(_QUEUED, {}))


def forget_old_workers() -> None:
    """Drop the rows of workers that have been dead for a day."""
    query(_FORGET, {})


def database_clock() -> tuple[float, float]:
    """Return the database's time in seconds, and for how many it has been up."""
    now, up_seconds = query(_CLOCK, {})[0]
    return now, up_seconds


def _poke(rows: list[tuple[str]] | list[tuple[object, ...]]) -> None:
    for queue in {str(row[0]) for row in rows}:
        dispatch.poke(queue)
