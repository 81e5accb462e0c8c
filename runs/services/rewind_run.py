"""Rewind a run: it goes on from an earlier step as a new branch, and repeats no write that it has made."""

from uuid import UUID

from agentops.accounts.roles import Actor, Scope
from agentops.audit.services.record import record
from agentops.common.canonical import clean_json
from agentops.common.errors import ConflictError
from agentops.common.transactions import after_commit, transaction
from runs import broadcasts, dispatch
from runs.definitions import program_for
from runs.engine.errors import ProgramError
from runs.engine.states import Move, RunStatus, sources
from runs.models import Run
from runs.selectors.points import Point, point_at
from runs.selectors.runs import check_here, run_for
from runs.services.begin_branch import begin_branch
from runs.services.control import MAX_REASON_CHARACTERS, illegal


def rewind_run(*, actor: Actor, run_id: UUID, seq: int, reason: str = "") -> Run:
    """Return the run, queued on a new branch that begins at `seq`: after a checkpoint, or before an action.

    A write that was made since returns what it returned then, for as long as the request is equal; a different write to
    a tool that was used since is asked about. The branch that is left stays visible. A run that is queued or running
    must be paused first.

    Raises: NotAllowedError; NotFoundError, also for a step that is not there; IllegalMoveError; ConflictError when the
        step has not ended or the code is not installed; InvalidInputError when nothing comes after the step;
        IntegrityError.
    Locks: the run row. Transaction: opens one.
    """
    actor.require(Scope.RUN)
    run_for(actor, run_id)
    with transaction():
        run = Run.objects.select_for_update().get(pk=run_id)
        point = rewind_point(run, seq)
        why = str(clean_json(reason))[:MAX_REASON_CHARACTERS]
        begin_branch(run, point, cause="rewind", by=actor.name[:200], reason=why)
        record(actor=actor, action="run.rewind", subject=f"run:{run_id}", detail={"seq": seq, "reason": why})
        after_commit(lambda: dispatch.poke(run.queue))
        after_commit(lambda: broadcasts.hint(run.team_id, run.pk))
    return run_for(actor, run_id)


def rewind_point(run: Run, seq: int) -> Point:
    """Return where the run would go on.

    Raises: see rewind_run.
    """
    check_here(run)
    if not may_rewind(run):
        raise illegal(run, Move.REWIND)
    point = point_at(run, seq)
    _check_node(run, point)
    return point


def may_rewind(run: Run) -> bool:
    """Return whether nobody executes the run and nothing speaks against building on its rows."""
    return run.status in sources(Move.REWIND) and "integrity_failed" not in run.health


def _check_node(run: Run, point: Point) -> None:
    version = run.agent_version
    try:
        nodes = program_for(version).nodes
    except ProgramError as error:
        raise ConflictError(f"the code of this run is not installed here: {error}") from error
    if point.node not in nodes:
        told = f"the program has no node {point.node!r} any more, where the run would go on; fork it with another version"
        raise ConflictError(told, run_status=RunStatus(run.status))
