"""Kill a run: it ends now, whoever holds it."""

from uuid import UUID

from agentops.accounts.roles import Actor
from runs.engine.states import Move
from runs.journal.statements import CLOSE_OPEN_STEPS
from runs.models import Run
from runs.services.control import apply

_KILL = f"""
WITH r AS (
    UPDATE runs_run SET status = 'cancelled', epoch = epoch + 1, worker_id = NULL, control = '', health = '{{}}',
        wake_at = NULL, waiting_on = NULL, ended_at = clock_timestamp(), ended_by = %(actor)s, end_reason = %(reason)s
    WHERE id = %(run_id)s AND team_id = %(team_id)s AND status = ANY(%(sources)s)
    RETURNING id, true AS is_ended),
s AS ({CLOSE_OPEN_STEPS})
SELECT id FROM r
"""  # noqa: S608 -- put together from constants


def kill_run(*, actor: Actor, run_id: UUID, reason: str = "") -> Run:
    """Return the run, cancelled. Its worker finds its epoch stale and writes nothing more.

    A write in flight is marked `unknown`: it may have happened; its late outcome is kept as evidence.

    Raises: NotFoundError, NotAllowedError, IllegalMoveError naming the legal moves.
    Locks: the run row. Transaction: opens one, of one statement.
    """
    return apply(
        _KILL,
        actor=actor,
        run_id=run_id,
        move=Move.KILL,
        reason=reason,
        is_done=lambda run: run.status == "cancelled",
    )
