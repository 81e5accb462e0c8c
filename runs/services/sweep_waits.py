"""The clock's part in waiting: what broke off between two commits is found here and done again.

Each job asks the tables only for what is overdue, so that a quiet system costs a few index reads a tick.
Source: PROTOCOL 16.
"""

from typing import Any

from runs.journal.fence import query
from runs.services.admit_children import admit_children
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
    "SELECT id, parent_id, parent_seq, child_n FROM runs_run WHERE parent_id IS NOT NULL AND ended_at IS NOT NULL AND NOT is_told"
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

    The parents' rows are locked first and alone, then the children are marked (PROTOCOL 6). Children of a fan-out are
    counted there.
    """
    rows = query(_UNTOLD, {"limit": BATCH})
    for run_id, seq in sorted({(row[1], row[2]) for row in rows if row[3] is not None}):
        admit_children(run_id, seq)
    alone = [row for row in rows if row[3] is None]
    settle_waits(sorted({row[1] for row in alone}))
    if alone:
        query(_TOLD + " RETURNING id", {"ids": [row[0] for row in alone]})
    return len(rows)


def drop_waits_of_ended() -> int:
    """Close the waits of runs that have ended; return how many."""
    return len(query(_DROP, {"limit": BATCH}))


def _overdue() -> dict[str, Any]:
    return {"seconds": OVERDUE_SECONDS, "limit": BATCH}
