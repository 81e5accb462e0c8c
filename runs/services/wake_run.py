"""Let a person end a run's waiting: wake it now, or cancel what it waits for."""

from uuid import UUID

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import IllegalMoveError
from agentops.common.transactions import after_commit, transaction
from runs import broadcasts, dispatch
from runs.engine.states import Move, RunStatus, legal_moves, sources
from runs.journal.fence import execute
from runs.models import Run
from runs.selectors.runs import run_for
from runs.services.settle_waits import settle_waits

_DUE = "UPDATE runs_step SET due_at = clock_timestamp() WHERE run_id = %(run_id)s AND status = 'running' AND due_at > clock_timestamp() RETURNING seq"
_WAKE = (
    "UPDATE runs_run SET status = 'queued', wake_at = NULL, queued_at = clock_timestamp()"
    " WHERE id = %(run_id)s AND status = ANY(%(sources)s) AND wake_at IS NOT NULL RETURNING id"
)
_CANCEL = (
    "UPDATE runs_wait SET closed_at = clock_timestamp(), closed_as = 'cancelled', closed_by = %(actor)s"
    " WHERE run_id = %(run_id)s AND closed_at IS NULL AND settled_at IS NULL RETURNING seq"
)


def wake_run(*, actor: Actor, run_id: UUID) -> Run:
    """Return the run, queued as if the time of its sleep or wait were over now.

    A sleep ends, a retry is made, a wait takes its `on_timeout` way.

    Raises: NotFoundError; NotAllowedError; IllegalMoveError when it waits for no instant.
    Locks: the run row, then its open steps. Transaction: opens one.
    """
    actor.require(Scope.RUN)
    run = run_for(actor, run_id)
    with transaction():
        woken = execute(_WAKE, {"run_id": run_id, "sources": sources(Move.WAKE)})
        if woken is None:
            raise _illegal(run, "does not sleep or wait, so there is nothing to wake it from")
        execute(_DUE, {"run_id": run_id})
        after_commit(lambda: dispatch.poke(run.queue))
        after_commit(lambda: broadcasts.hint(run.team_id, run.id))
    return run_for(actor, run_id)


def cancel_wait(*, actor: Actor, run_id: UUID) -> Run:
    """Return the run; what it waits for has failed with the code `wait_cancelled`, which its agent may catch.

    Raises: NotFoundError; NotAllowedError; IllegalMoveError when it waits for nothing that can be cancelled.
    Locks: the run row, then its waits. Transaction: opens one, then that of settle_waits.
    """
    actor.require(Scope.RUN)
    run = run_for(actor, run_id)
    with transaction():
        Run.objects.select_for_update(no_key=True).only("pk").get(pk=run_id)
        if execute(_CANCEL, {"run_id": run_id, "actor": actor.name[:200]}) is None:
            raise _illegal(run, "waits for no event, signal, run or person")
    settle_waits([run_id])
    return run_for(actor, run_id)


def _illegal(run: Run, why: str) -> IllegalMoveError:
    return IllegalMoveError(
        f"run {run.id} is {run.status}: it {why}",
        run_status=run.status,
        legal=legal_moves(RunStatus(run.status)),
    )
