"""Pause a run: at once where nobody holds it, at its next commit where a worker does."""

from uuid import UUID

from agentops.accounts.roles import Actor
from runs.engine.states import Move
from runs.models import Run
from runs.services.control import apply

_PAUSE = """
UPDATE runs_run SET
    control = CASE WHEN status = 'running' THEN 'pause' ELSE '' END,
    paused_from = CASE WHEN status = 'running' THEN 'queued' ELSE status END,
    status = CASE WHEN status = 'running' THEN status ELSE 'paused' END,
    ended_by = %(actor)s, end_reason = %(reason)s
WHERE id = %(run_id)s AND team_id = %(team_id)s AND status = ANY(%(sources)s)
    AND NOT (status = 'running' AND control <> '')
RETURNING id
"""


def pause_run(*, actor: Actor, run_id: UUID, reason: str = "") -> Run:
    """Return the run, paused or about to be (`control` is then `pause`); its wait stays as it is.

    What fires while it is paused is applied when it is resumed (PROTOCOL 17).

    Raises: NotFoundError, NotAllowedError, IllegalMoveError naming the legal moves.
    Locks: the run row. Transaction: opens one, of one statement.
    """
    return apply(
        _PAUSE, actor=actor, run_id=run_id, move=Move.PAUSE, reason=reason,
        is_done=lambda run: run.status == "paused" or (run.status == "running" and run.control != ""),
    )  # fmt: skip
