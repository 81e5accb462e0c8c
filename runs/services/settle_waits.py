"""Bring together what runs wait for and what happened: close the waits, then wake the runs.

Each side commits its own row first and then comes here; the clock comes here again for what broke off. All of it
happens under the lock of the run row, which is taken before any wait row, so a wait is closed once, by one thing.
Source: PROTOCOL 6, 16, 17; ADR 0008.
"""

from collections.abc import Sequence
from uuid import UUID

from agentops.common.transactions import after_commit
from runs import broadcasts, dispatch
from runs.journal.fence import UNHURRIED, is_alone, query, short_transaction

BATCH = 200

# What is lost of this, the clock does again.
_LOCK = f"SELECT id, {UNHURRIED} FROM runs_run WHERE id = ANY(%(ids)s) AND ended_at IS NULL ORDER BY id FOR NO KEY UPDATE"  # noqa: S608 -- constants
# A wait looks for older events once, but for none that an earlier wait of the run has had: a loop that waits would spin.
# Later ones look for the wait, and name themselves. Seen through a subquery, the ids make no plan look better than the
# prepared one: planning takes several times as long as closing.
_CLOSE = """
WITH given AS MATERIALIZED (SELECT %(ids)s::uuid[] AS ids, %(event_id)s::uuid AS event_id),
w AS (
    SELECT x.run_id, x.seq, x.n, x.team_id, x.kind, x.name, x.key, x.match, x.child_id, x.since_at, x.looked_at,
        row_number() OVER (PARTITION BY x.run_id, x.kind, x.name ORDER BY x.seq, x.n) AS place
    FROM runs_wait x WHERE x.run_id = ANY((SELECT ids FROM given)::uuid[]) AND x.closed_at IS NULL AND x.settled_at IS NULL),
s AS (
    SELECT g.id, g.run_id, g.name, g.sender, row_number() OVER (PARTITION BY g.run_id, g.name ORDER BY g.created_at, g.id) AS place
    FROM runs_signal g WHERE g.run_id = ANY((SELECT ids FROM given)::uuid[]) AND NOT EXISTS (
        SELECT 1 FROM runs_wait t WHERE t.run_id = g.run_id AND t.ref_id = g.id AND t.closed_as = 'signal')),
found AS (
    SELECT w.run_id, w.seq, w.n, w.kind, w.looked_at, coalesce(e.id, k.id, o.id, c.id, u.id, s.id) AS ref_id,
        coalesce(e.source, k.source, o.source, s.sender, '') AS closed_by
    FROM w
    LEFT JOIN LATERAL (
        SELECT v.id, v.source FROM runs_event v WHERE w.kind = 'event' AND v.id = (SELECT event_id FROM given) AND v.team_id = w.team_id
            AND v.name = w.name AND v.received_at >= w.since_at AND (w.key = '' OR v.key = w.key)
            AND (w.match IS NULL OR v.payload @> w.match)) e ON true
    LEFT JOIN LATERAL (
        SELECT v.id, v.source FROM runs_event v WHERE w.kind = 'event' AND w.looked_at IS NULL AND w.key <> ''
            AND v.team_id = w.team_id AND v.name = w.name AND v.key = w.key AND v.received_at >= w.since_at
            AND (w.match IS NULL OR v.payload @> w.match)
            AND NOT EXISTS (SELECT 1 FROM runs_wait t WHERE t.run_id = w.run_id AND t.ref_id = v.id AND t.closed_as = 'event')
            ORDER BY v.received_at, v.id LIMIT 1) k ON true
    LEFT JOIN LATERAL (
        SELECT v.id, v.source FROM runs_event v WHERE w.kind = 'event' AND w.looked_at IS NULL AND w.key = ''
            AND v.team_id = w.team_id AND v.name = w.name AND v.received_at >= w.since_at
            AND (w.match IS NULL OR v.payload @> w.match)
            AND NOT EXISTS (SELECT 1 FROM runs_wait t WHERE t.run_id = w.run_id AND t.ref_id = v.id AND t.closed_as = 'event')
            ORDER BY v.received_at, v.id LIMIT 1) o ON true
    LEFT JOIN runs_run c ON w.kind = 'child' AND c.id = w.child_id AND c.team_id = w.team_id AND c.ended_at IS NOT NULL
    LEFT JOIN runs_fanout u ON w.kind = 'children' AND u.run_id = w.run_id AND u.seq = w.seq AND u.done_at IS NOT NULL
    LEFT JOIN s ON w.kind = 'signal' AND s.run_id = w.run_id AND s.name = w.name AND s.place = w.place)
UPDATE runs_wait x SET looked_at = coalesce(x.looked_at, clock_timestamp()), ref_id = f.ref_id,
    closed_at = CASE WHEN f.ref_id IS NOT NULL THEN clock_timestamp() END,
    closed_as = CASE WHEN f.ref_id IS NOT NULL THEN f.kind ELSE '' END, closed_by = left(f.closed_by, 200)
FROM found f
WHERE x.run_id = f.run_id AND x.seq = f.seq AND x.n = f.n AND x.closed_at IS NULL
    AND (f.ref_id IS NOT NULL OR f.looked_at IS NULL)
RETURNING x.run_id, x.ref_id
"""
_WAKE = """
WITH given AS MATERIALIZED (SELECT %(ids)s::uuid[] AS ids)
UPDATE runs_run r SET status = 'queued', wake_at = NULL, queued_at = clock_timestamp()
WHERE r.id = ANY((SELECT ids FROM given)::uuid[]) AND r.status IN ('waiting', 'awaiting_approval') AND EXISTS (
    SELECT 1 FROM runs_wait w WHERE w.run_id = r.id AND w.settled_at IS NULL AND w.closed_at IS NOT NULL
    AND (w.closed_as = 'cancelled' OR NOT w.is_all OR NOT EXISTS (
        SELECT 1 FROM runs_wait o WHERE o.run_id = w.run_id AND o.seq = w.seq AND o.closed_at IS NULL)))
RETURNING r.id, r.team_id, r.queue
"""


def settle_waits(run_ids: Sequence[UUID], *, event_id: UUID | None = None) -> int:
    """Close what the open waits of these runs have been waiting for, and wake the runs; return how many waits closed.

    `event_id` names an event that may be what they wait for. Runs that have ended are left alone; those that are paused
    or being executed find their closed waits later by themselves.
    Locks: the run rows, in order of id. Transaction: opens one per BATCH of runs.
    """
    n_closed = 0
    for start in range(0, len(run_ids), BATCH):
        n_closed += _settle(list(run_ids[start : start + BATCH]), event_id)
    return n_closed


def look_back(run_id: UUID) -> None:
    """Find what came before a wait of the run stood, and wake it then; the waiter's own look (PROTOCOL 16)."""
    settle_waits([run_id])


def _settle(run_ids: list[UUID], event_id: UUID | None) -> int:
    given = {"ids": run_ids, "is_alone": is_alone()}
    with short_transaction():
        open_ids = [row[0] for row in query(_LOCK, given)]
        if not open_ids:
            return 0
        touched = query(_CLOSE, {"ids": open_ids, "event_id": event_id})
        woken = query(_WAKE, {"ids": open_ids})
    after_commit(lambda: _tell(woken))
    return sum(1 for _, ref_id in touched if ref_id is not None)


def _tell(woken: list[tuple[UUID, UUID, str]] | list[tuple[object, ...]]) -> None:
    for queue in {str(row[2]) for row in woken}:
        dispatch.poke(queue)
    for run_id, team_id, _ in woken:
        broadcasts.hint(team_id, run_id)  # type: ignore[arg-type]  # uuids as selected
