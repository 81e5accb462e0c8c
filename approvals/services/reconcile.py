"""Find from the rows what the desk was never told: questions that stand there unasked, and requests that nobody needs."""

import logging

from agentops.common.transactions import transaction
from approvals.services.close_request import close_request
from approvals.services.open_request import open_request
from runs.journal.fence import query
from runs.programs import programs

logger = logging.getLogger(__name__)

BATCH = 500
_UNASKED = """
SELECT w.run_id, w.seq FROM runs_wait w JOIN runs_run r ON r.id = w.run_id
WHERE w.kind = 'person' AND w.closed_at IS NULL AND r.ended_at IS NULL AND NOT EXISTS (
    SELECT 1 FROM approvals_request q WHERE q.run_id = w.run_id AND q.seq = w.seq AND q.status = 'pending')
UNION ALL
SELECT r.id, s.seq FROM runs_run r JOIN runs_step f ON f.run_id = r.id AND f.seq = (r.waiting_on->>'seq')::bigint
    JOIN runs_step s ON s.run_id = r.id AND s.branch = r.branch AND s.parent_seq = f.parent_seq
WHERE r.status = 'awaiting_approval' AND (s.status = 'asked' OR s.status = 'unknown' AND s.seq = f.seq) AND NOT s.is_superseded
    AND NOT EXISTS (SELECT 1 FROM approvals_request q WHERE q.run_id = r.id AND q.seq = s.seq AND q.status = 'pending')
LIMIT %(limit)s
"""
_LEFT = """
SELECT q.run_id, q.seq FROM approvals_request q LEFT JOIN runs_run r ON r.id = q.run_id
    LEFT JOIN runs_wait w ON w.run_id = q.run_id AND w.seq = q.seq AND w.kind = 'person'
    LEFT JOIN runs_step s ON s.run_id = q.run_id AND s.seq = q.seq
WHERE q.status = 'pending' AND (r.ended_at IS NOT NULL
    OR (q.kind IN ('approve', 'ask') AND (w.run_id IS NULL OR w.closed_at IS NOT NULL))
    OR (q.kind IN ('permission', 'unknown') AND (s.status NOT IN ('asked', 'unknown') OR s.branch <> r.branch)))
LIMIT %(limit)s
"""
_LOCK = "SELECT id FROM runs_run WHERE id = %(id)s FOR NO KEY UPDATE"


def reconcile() -> int:
    """Open and close what was missed; returns how many. Any number of clocks may do it."""
    programs()
    n_changed = 0
    for sql, verb in ((_UNASKED, open_request), (_LEFT, close_request)):
        for run_id, seq in query(sql, {"limit": BATCH}):
            with transaction():
                query(_LOCK, {"id": run_id})
                n_changed += bool(verb(run_id=run_id, seq=seq))
    return n_changed
