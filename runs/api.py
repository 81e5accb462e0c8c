"""The calls of the API about runs and agents: parse, ask one service or selector, answer."""

from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Header, Query, Router, Status

from agentops.accounts.middleware import caller_of
from agentops.common.errors import BadRequestError
from runs import schemas
from runs.checkpoints.blobs import load
from runs.models import Run
from runs.presenters import wire
from runs.presenters.budget_wire import run_budget
from runs.selectors import (
    after_of,
    agent_for,
    checkpoint_at_for,
    checkpoints_for,
    run_for,
    run_list_for,
    step_for,
    steps_for,
    versions_for,
)
from runs.selectors.budgets import purses_for
from runs.selectors.checkpoints import place_of
from runs.selectors.holdups import note_holdups
from runs.selectors.sessions import session_for
from runs.selectors.verdicts import verdict_for
from runs.services.cancel_run import cancel_run
from runs.services.kill_run import kill_run
from runs.services.migrate_run import migrate_run
from runs.services.pause_run import pause_run
from runs.services.resolve_step import resolve_step
from runs.services.resume_run import resume_run
from runs.services.retry_run import retry_run
from runs.services.start_run import start_run

router = Router(tags=["runs"])
agents_router = Router(tags=["agents"])


def _n_replaced(request: HttpRequest) -> int:
    """Return how many characters of the body the API's parser had to replace."""
    count: int = getattr(request, "n_replaced", 0)
    return count


@router.post(
    "",
    response={202: schemas.StartedOut, 200: schemas.StartedOut},
    operation_id="start_run",
    summary="Start a run",
)
def start(
    request: HttpRequest,
    response: HttpResponse,
    payload: schemas.StartRunIn,
    idempotency_key: Annotated[str | None, Header(alias="Idempotency-Key")] = None,
) -> Status[schemas.StartedOut]:
    """Start a run: 202 with its Location, or 200 with the run that the idempotency key started before."""
    given = payload.model_dump(exclude={"parent", "idempotency_key"})
    key = _one_key(idempotency_key, payload.idempotency_key)
    run, is_new = start_run(actor=caller_of(request), idempotency_key=key, **given)
    response["Location"] = wire.run_url(run)
    return Status(202 if is_new else 200, wire.started(run, _n_replaced(request)))


@router.get("", response=schemas.RunPageOut, operation_id="list_runs", summary="List runs")
def index(request: HttpRequest, filters: Query[schemas.RunListIn]) -> schemas.RunPageOut:
    """List runs, newest first."""
    page = run_list_for(
        caller_of(request),
        statuses=filters.status,
        agent=filters.agent,
        text=filters.q,
        cursor=filters.cursor,
        limit=filters.limit,
    )
    return schemas.RunPageOut(items=[wire.run_row(run) for run in page.items], next_cursor=page.next_cursor)


@router.get("/{uuid:run_id}", response=schemas.RunOut, operation_id="get_run", summary="Get a run")
def get(request: HttpRequest, run_id: UUID) -> schemas.RunOut:
    """Get one run."""
    actor = caller_of(request)
    run = run_for(actor, run_id, also_archived=True)
    note_holdups(actor, [run], with_ahead=True)
    return wire.run_detail(run, run_budget(purses_for(actor, run)), session_for(actor, run))


@router.get(
    "/{uuid:run_id}/output", response=Any, operation_id="get_output", summary="Get the output of a run"
)
def output(request: HttpRequest, run_id: UUID) -> Any:
    """Get the output alone, however long it is; null while there is none."""
    run = run_for(caller_of(request), run_id, also_archived=True)
    return load(run.output_codec, run.output) if run.output is not None else None


@router.get(
    "/{uuid:run_id}/steps",
    response=schemas.StepPageOut,
    operation_id="list_steps",
    summary="List the steps of a run",
)
def steps(request: HttpRequest, run_id: UUID, filters: Query[schemas.StepListIn]) -> schemas.StepPageOut:
    """List rows of the execution tree in preorder, without payloads.

    The node that runs now has no row before it has ended: it shows in `node` of the run.
    """
    after = after_of(filters.cursor) if filters.cursor else filters.after
    page = steps_for(caller_of(request), run_id, after=after, limit=filters.limit, depth=filters.depth)
    return schemas.StepPageOut(
        items=[wire.step_row(step) for step in page.items], next_cursor=page.next_cursor
    )


@router.get(
    "/{uuid:run_id}/steps/{int:seq}", response=schemas.StepOut, operation_id="get_step", summary="Get a step"
)
def step(request: HttpRequest, run_id: UUID, seq: int) -> schemas.StepOut:
    """Get one step with input, output, attempts and logs."""
    return wire.step_detail(step_for(caller_of(request), run_id, seq))


@router.get(
    "/{uuid:run_id}/checkpoints",
    response=schemas.CheckpointPageOut,
    operation_id="list_checkpoints",
    summary="List the checkpoints of a run",
)
def checkpoints(
    request: HttpRequest, run_id: UUID, filters: Query[schemas.PageIn]
) -> schemas.CheckpointPageOut:
    """List the checkpoints of a run. The input is the state at seq 0, which is not listed."""
    page = checkpoints_for(caller_of(request), run_id, cursor=filters.cursor, limit=filters.limit)
    items = [wire.checkpoint_row(row) for row in page.items]
    return schemas.CheckpointPageOut(items=items, next_cursor=page.next_cursor)


@router.get(
    "/{uuid:run_id}/checkpoints/{int:seq}",
    response=schemas.StateOut,
    operation_id="get_state",
    summary="Get the state at a checkpoint",
)
def checkpoint(request: HttpRequest, run_id: UUID, seq: int) -> schemas.StateOut:
    """Get the state at a checkpoint, checked against the chain; seq 0 is the input."""
    return wire.state(checkpoint_at_for(caller_of(request), run_id, seq))


@router.get(
    "/{uuid:run_id}/diff",
    response=schemas.DiffOut,
    operation_id="diff_states",
    summary="Compare two checkpoints",
)
def diff(request: HttpRequest, run_id: UUID, filters: Query[schemas.DiffIn]) -> schemas.DiffOut:
    """Get what changed between two checkpoints, of this run or of two."""
    actor, (other, seq) = caller_of(request), place_of(filters.b)
    return wire.difference(
        checkpoint_at_for(actor, run_id, filters.a), checkpoint_at_for(actor, other or run_id, seq)
    )


@router.post(
    "/{uuid:run_id}/steps/{int:seq}/resolve",
    response={202: schemas.RunOut},
    operation_id="resolve_step",
    summary="Answer a write whose outcome was lost",
)
def resolve(
    request: HttpRequest, run_id: UUID, seq: int, payload: schemas.ResolveIn
) -> Status[schemas.RunOut]:
    """Answer what nobody knows: whether a write happened whose outcome was lost."""
    resolve_step(actor=caller_of(request), run_id=run_id, seq=seq, **payload.model_dump())
    return Status(202, wire.run_detail(run_for(caller_of(request), run_id)))


@router.get(
    "/{uuid:run_id}/verify",
    response=schemas.VerdictOut,
    operation_id="verify_run",
    summary="Check every stored row of a run",
)
def verify(request: HttpRequest, run_id: UUID) -> schemas.VerdictOut:
    """Check every stored row of a run against its chain, now. Changes nothing, also when rows fail."""
    return wire.verdict(verdict_for(caller_of(request), run_id))


@router.post(
    "/{uuid:run_id}/migrate",
    response={202: schemas.RunOut},
    operation_id="migrate_run",
    summary="Move a paused run to another version of its agent",
)
def migrate(request: HttpRequest, run_id: UUID, payload: schemas.MigrateIn) -> Status[schemas.RunOut]:
    """Let a paused run go on at its node in the code of another version, the newest published one by default."""
    migrate_run(actor=caller_of(request), run_id=run_id, **payload.model_dump())
    return Status(202, wire.run_detail(run_for(caller_of(request), run_id)))


def _verb(service: Callable[..., Run]) -> Callable[..., Status[schemas.RunOut]]:
    """Return the call that does with a run what `service` does."""

    def call(request: HttpRequest, run_id: UUID, payload: schemas.ReasonIn) -> Status[schemas.RunOut]:
        return Status(
            202, wire.run_detail(service(actor=caller_of(request), run_id=run_id, reason=payload.reason))
        )

    return call


for verb, service, summary in (
    ("pause", pause_run, "Pause a run, at its next commit where a worker holds it"),
    ("resume", resume_run, "Let a paused run go on"),
    ("cancel", cancel_run, "Cancel a run, at its next commit where a worker holds it"),
    ("recall", cancel_run, "Recall a run: cancel it, letting calls in flight finish and be recorded"),
    ("kill", kill_run, "End a run now, whoever holds it"),
    ("retry", retry_run, "Try a failed run again at the node that failed"),
):
    path, answer = f"/{{uuid:run_id}}/{verb}", {202: schemas.RunOut}
    router.post(path, response=answer, operation_id=f"{verb}_run", summary=summary)(_verb(service))


@agents_router.get("/{slug}", response=schemas.AgentOut, operation_id="get_agent", summary="Get an agent")
def agent(request: HttpRequest, slug: str) -> schemas.AgentOut:
    """Get one agent with the schema of its input and all its versions."""
    actor = caller_of(request)
    return wire.agent_detail(agent_for(actor, slug), versions_for(actor, slug))


def _one_key(header: str | None, body: str | None) -> str | None:
    if header is not None and body is not None and header != body:
        raise BadRequestError(
            "the header Idempotency-Key and idempotency_key in the body differ; send one of them",
            header=header,
            body=body,
        )
    return body if header is None else header
