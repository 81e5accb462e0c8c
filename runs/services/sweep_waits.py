"""The clock's part in waiting: what broke off between two commits is found here and done again.

Each job asks the tables only for what is overdue, so that a quiet system costs a few index reads a tick.
Source: PROTOCOL 16.
"""

from typing import Any
from uuid import UUID

from runs.journal.fence import query
from runs.services.publish_event import match_event
from runs.services.settle_waits import settle_waits

BATCH = 1000
OVERDUE_SECONDS = 2.0

_EVENTS = (
    "SELECT id FROM runs_event WHERE matched_at IS NULL"
    " AND received_at < clock_timestamp() - make_interval(secs => %(seconds)s) ORDER BY received_at LIMIT %(limit)s"
)
_NEVER_LOOKED = (
    "SELECT DISTINCT w.run_id FROM (SELECT run_id FROM runs_wait WHERE looked_at IS NULL AND settled_at IS NULL"
    " AND created_at < clock_timestamp() - make_interval(secs => %(seconds)s) ORDER BY created_at LIMIT %(limit)s) w"
    " JOIN runs_run r ON r.id = w.run_id WHERE r.ended_at IS NULL"
)
_NOT_WOKEN = (
    "SELECT DISTINCT w.run_id FROM runs_wait w JOIN runs_run r ON r.id = w.run_id"
    " WHERE w.closed_at IS NOT NULL AND w.settled_at IS NULL AND r.status IN ('waiting', 'awaiting_approval')"
    " AND w.closed_at < clock_timestamp() - make_interval(secs => %(seconds)s) LIMIT %(limit)s"
)
_UNTOLD = (
    "SELECT id, parent_id FROM runs_run WHERE parent_id IS NOT NULL AND ended_at IS NOT NULL AND NOT is_told"
    " ORDER BY id LIMIT %(limit)s"
)
_TOLD = "UPDATE runs_run SET is_told = true WHERE id = ANY(%(ids)s) AND NOT is_told"
_DROP = (
    "UPDATE runs_wait w SET settled_at = clock_timestamp(), closed_at = coalesce(w.closed_at, clock_timestamp()),"
    " closed_as = 'dropped', looked_at = coalesce(w.looked_at, clock_timestamp())"
    " WHERE (w.run_id, w.seq, w.n) IN (SELECT x.run_id, x.seq, x.n FROM runs_wait x JOIN runs_run r ON r.id = x.run_id"
    " WHERE x.settled_at IS NULL AND r.ended_at IS NOT NULL LIMIT %(limit)s) RETURNING w.run_id"
)


def match_events() -> int:
    """Tell the waiters of the events whose publisher broke off, or that had too many; return how many were told."""
    return sum(match_event(row[0]) for row in query(_EVENTS, _overdue()))


def look_again() -> int:
    """Look for what came before waits that never looked, and wake runs whose waits are closed; return how many waits closed."""
    run_ids = {row[0] for sql in (_NEVER_LOOKED, _NOT_WOKEN) for row in query(sql, _overdue())}
    return settle_waits(sorted(run_ids))


def tell_parents() -> int:
    """Tell parents that children of theirs have ended; return how many children that were.

    The parents' rows are locked first and alone, then the children are marked (PROTOCOL 6).
    """
    rows = query(_UNTOLD, {"limit": BATCH})
    settle_waits(sorted({row[1] for row in rows}))
    if rows:
        query(_TOLD + " RETURNING id", {"ids": [row[0] for row in rows]})
    return len(rows)


def drop_waits_of_ended() -> int:
    """Close the waits of runs that have ended; return how many."""
    return len(query(_DROP, {"limit": BATCH}))


def tell_parent_of(run_id: UUID) -> None:
    """Tell the parent of a run that has ended, if it has one; the clock does it otherwise."""
    rows = query(
        "SELECT parent_id FROM runs_run WHERE id = %(id)s AND parent_id IS NOT NULL AND ended_at IS NOT NULL",
        {"id": run_id},
    )
    settle_waits([row[0] for row in rows])


def _overdue() -> dict[str, Any]:
    return {"seconds": OVERDUE_SECONDS, "limit": BATCH}
