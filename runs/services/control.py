"""What pause, resume, cancel, kill and retry have in common: one conditional statement, or a 409 that helps."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from agentops.accounts.roles import Actor, Scope
from agentops.audit.services.record import record
from agentops.common.canonical import clean_json
from agentops.common.errors import IllegalMoveError
from agentops.common.transactions import after_commit, transaction
from runs import broadcasts, dispatch
from runs.engine.states import Move, RunStatus, legal_moves, sources
from runs.journal.fence import execute
from runs.models import Run
from runs.selectors.runs import check_here, run_for
from runs.services.tell_family import tell_family

MAX_REASON_CHARACTERS = 2000
VERBS = frozenset({Move.PAUSE, Move.RESUME, Move.CANCEL, Move.KILL, Move.RETRY, Move.REWIND})
_BUILDING = frozenset({Move.RESUME, Move.RETRY, Move.REWIND})


def apply(
    sql: str,
    *,
    actor: Actor,
    run_id: UUID,
    move: Move,
    reason: str,
    is_done: Callable[[Run], bool],
    more: dict[str, Any] | None = None,
) -> Run:
    """Return the run after the statement `sql`, which moves it when its status allows.

    `sql` is given run_id, team_id, sources, actor, reason and `more`, and returns the moved row. When it moved nothing, but
    `is_done(run)`, then the verb had been applied before, and that is fine.

    Raises: NotFoundError, NotAllowedError, IllegalMoveError naming the legal moves.
    Locks: the run row. Transaction: opens one.
    """
    actor.require(Scope.RUN)
    params: dict[str, Any] = {
        "run_id": run_id, "team_id": actor.team_id, "sources": sources(move), "actor": actor.name[:200],
        "reason": str(clean_json(reason))[:MAX_REASON_CHARACTERS], **(more or {}),
    }  # fmt: skip
    with transaction():
        moved = execute(sql, params)
        if moved is not None:
            told = {"reason": params["reason"]}
            record(actor=actor, action=f"run.{move.value}", subject=f"run:{run_id}", detail=told)
        after_commit(lambda: broadcasts.hint(actor.team_id, run_id))
    run = run_for(actor, run_id, also_archived=True)
    if run.ended_at is not None and (run.parent_id is not None or run.is_parent):
        tell_family(run_id)
    if moved is None and not is_done(run):
        raise illegal(run, move)
    if run.status == RunStatus.QUEUED:
        dispatch.poke(run.queue)
    return run


def illegal(run: Run, move: Move) -> IllegalMoveError:
    """Return the error for a verb that the run's status does not allow. Raises: RunArchivedError when that is why."""
    check_here(run)
    legal = possible_verbs(run)
    if _is_broken(run) and move in _BUILDING:
        told = (
            f"run {run.id} cannot go on: stored rows of it fail their check, so nothing more is built on them"
        )
        return IllegalMoveError(told, run_status=run.status, legal=legal)
    possible = ", ".join(sources(move))
    return IllegalMoveError(
        f"run {run.id} is {run.status}, so it is too late or too early to {move.value} it; "
        f"that is possible while it is {possible}",
        run_status=run.status,
        legal=legal,
    )


def possible_verbs(run: Run) -> list[str]:
    """Return the verbs that a person may use on the run as it is."""
    if run.archived_at is not None:
        return []
    kept = VERBS - _BUILDING if _is_broken(run) else VERBS
    return [move.value for move in legal_moves(RunStatus(run.status)) if move in kept]


def _is_broken(run: Run) -> bool:
    return "integrity_failed" in run.health
