"""Cancel a run: at once where nobody holds it, at its next commit where a worker does."""

from uuid import UUID

from agentops.accounts.roles import Actor
from runs.engine.states import Move
from runs.journal.statements import CLOSE_OPEN_STEPS
from runs.models import Run
from runs.services.control import apply

_CANCEL = f"""
WITH r AS (
    UPDATE runs_run SET
        status = CASE WHEN status = 'running' THEN status ELSE 'cancelled' END,
        control = CASE WHEN status = 'running' THEN 'cancel' ELSE '' END,
        ended_at = CASE WHEN status = 'running' THEN NULL ELSE clock_timestamp() END,
        health = CASE WHEN status = 'running' THEN health ELSE '{{}}' END,
        wake_at = NULL, waiting_on = NULL, ended_by = %(actor)s, end_reason = %(reason)s
    WHERE id = %(run_id)s AND team_id = %(team_id)s AND status = ANY(%(sources)s)
        AND NOT (status = 'running' AND control = 'cancel')
    RETURNING id, status = 'cancelled' AS is_ended),
s AS ({CLOSE_OPEN_STEPS})
SELECT id FROM r
"""  # noqa: S608 -- put together from constants


def cancel_run(*, actor: Actor, run_id: UUID, reason: str = "") -> Run:
    """Return the run, cancelled or about to be (`control` is then `cancel`); cancelling twice changes nothing.

    A call in flight is let finish and recorded; a worker that has died since lets the next one end the run.

    Raises: NotFoundError, NotAllowedError, IllegalMoveError naming the legal moves.
    Locks: the run row. Transaction: opens one, of one statement.
    """
    return apply(
        _CANCEL, actor=actor, run_id=run_id, move=Move.CANCEL, reason=reason,
        is_done=lambda run: run.status == "cancelled" or run.control == "cancel",
    )  # fmt: skip
