"""Cancel a run: at once where nobody holds it, at its next commit where a worker does."""

from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db.models import Case, CharField, DateTimeField, F, Q, Value, When
from django.db.models.functions import Now

from agentops.accounts.roles import Actor, Scope
from agentops.common.canonical import clean_json
from agentops.common.errors import IllegalMoveError
from agentops.common.transactions import after_commit, transaction
from runs import broadcasts
from runs.engine.states import MOVES, Move, RunStatus, legal_moves, sources, target
from runs.models import Run
from runs.selectors.runs import run_for

MAX_REASON_CHARACTERS = 2000
VERBS = frozenset({Move.CANCEL})

_FLAGS = ArrayField(CharField(max_length=20))
_IS_HELD = Q(status=RunStatus.RUNNING.value)


def cancel_run(*, actor: Actor, run_id: UUID, reason: str = "") -> Run:
    """Return the run, cancelled or about to be (`control` is then `cancel`); cancelling twice changes nothing.

    Raises:
        NotFoundError: no such run in the team.
        NotAllowedError: the actor lacks the scope `run`.
        IllegalMoveError: the run has ended; `data["legal"]` names what is possible still.

    Locks: the run row. Transaction: opens one, of one conditional UPDATE.
    """
    actor.require(Scope.RUN)
    with transaction():
        moved = _move(actor, run_id, str(clean_json(reason))[:MAX_REASON_CHARACTERS])
        after_commit(lambda: broadcasts.hint(actor.team_id, run_id))
    run = run_for(actor, run_id)
    if not moved and run.control != "cancel" and run.status != RunStatus.CANCELLED:
        raise _illegal(run)
    return run


def _move(actor: Actor, run_id: UUID, reason: str) -> int:
    """Move the run from whatever open status it has; one statement, so that no worker can slip in between."""
    found = Run.objects.filter(id=run_id, team_id=actor.team_id, status__in=sources(Move.CANCEL))
    return found.exclude(_IS_HELD, control="cancel").update(
        status=Case(When(_IS_HELD, then=F("status")), default=Value(target(Move.CANCEL).value)),
        control=Case(When(_IS_HELD, then=Value("cancel")), default=Value(""), output_field=CharField()),
        ended_at=Case(When(_IS_HELD, then=None), default=Now(), output_field=DateTimeField()),
        health=Case(When(_IS_HELD, then=F("health")), default=Value([], output_field=_FLAGS)),
        wake_at=None,
        waiting_on=None,
        ended_by=actor.name[:200],
        end_reason=reason,
    )


def _illegal(run: Run) -> IllegalMoveError:
    legal = [move.value for move in legal_moves(RunStatus(run.status)) if move in VERBS]
    possible = ", ".join(sorted(status.value for status in MOVES[Move.CANCEL][0]))
    return IllegalMoveError(
        f"run {run.id} is {run.status} and cannot be cancelled; that is possible while it is {possible}",
        run_status=run.status,
        legal=legal,
    )
