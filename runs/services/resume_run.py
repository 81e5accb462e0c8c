"""Resume a paused run where it was: in its queue, its sleep, or its wait."""

from uuid import UUID

from agentops.accounts.roles import Actor
from runs.engine.states import Move
from runs.models import Run
from runs.services.control import apply
from runs.services.settle_waits import settle_waits

_RESUME = """
UPDATE runs_run SET status = CASE WHEN paused_from = '' THEN 'queued' ELSE paused_from END, paused_from = '',
    waiting_on = CASE WHEN paused_from IN ('', 'queued') THEN NULL ELSE waiting_on END,
    queued_at = clock_timestamp(), ended_by = '', end_reason = '', health = array_remove(health, 'over_budget')
WHERE id = %(run_id)s AND team_id = %(team_id)s AND status = ANY(%(sources)s)
    AND NOT 'integrity_failed' = ANY(health)
RETURNING id
"""


def resume_run(*, actor: Actor, run_id: UUID, reason: str = "") -> Run:
    """Return the run, back in the status it was paused from; a sleep that is over by now ends at once.

    A run whose stored rows fail their check stays paused: fork it from its last good checkpoint.

    Raises: NotFoundError, NotAllowedError, IllegalMoveError naming the legal moves.
    Locks: the run row. Transaction: opens one, of one statement.
    """
    run = apply(
        _RESUME, actor=actor, run_id=run_id, move=Move.RESUME, reason=reason,
        is_done=lambda run: run.status != "paused" and run.ended_at is None,
    )  # fmt: skip
    settle_waits([run_id])
    return run
