"""Retry a failed run at the node that failed: nothing that succeeded is done again."""

from uuid import UUID

from agentops.accounts.roles import Actor
from runs.engine.states import Move
from runs.models import Run
from runs.services.control import apply

_RETRY = """
WITH r AS (
    UPDATE runs_run SET status = 'queued', error = NULL, end_mac = NULL, ended_at = NULL, health = '{}', control = '',
        attempts_before = node_attempt, node_attempt = node_attempt + 1, queued_at = clock_timestamp(),
        n_failed_steps = greatest(n_failed_steps - 1, 0), ended_by = '', end_reason = ''
    WHERE id = %(run_id)s AND team_id = %(team_id)s AND status = ANY(%(sources)s)
        AND NOT 'integrity_failed' = ANY(health) AND archived_at IS NULL
    RETURNING id, node_seq),
failed AS (
    DELETE FROM runs_step s USING r WHERE s.run_id = r.id AND s.seq = r.node_seq AND s.status = 'failed'),
superseded AS (
    UPDATE runs_step s SET is_superseded = true FROM r WHERE s.run_id = r.id AND s.parent_seq = r.node_seq
        AND s.seq > r.node_seq AND s.ordinal >= (
            SELECT min(f.ordinal) FROM runs_step f WHERE f.run_id = r.id AND f.parent_seq = r.node_seq
            AND f.status = 'failed' AND NOT f.is_superseded))
SELECT id FROM r
"""


def retry_run(*, actor: Actor, run_id: UUID, reason: str = "") -> Run:
    """Return the run, queued again at the node that failed, with all the attempts its policy allows.

    Recorded actions of the node return their outcomes; the failed one and those after it are done again, writes
    under the same idempotency keys. The failed attempts stay visible.

    Raises: NotFoundError, NotAllowedError, IllegalMoveError naming the legal moves.
    Locks: the run row. Transaction: opens one, of one statement.
    """
    return apply(
        _RETRY, actor=actor, run_id=run_id, move=Move.RETRY, reason=reason,
        is_done=lambda run: run.status in ("queued", "running"),
    )  # fmt: skip
