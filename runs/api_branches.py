"""The calls of the API about going another way: forks, rewinds, what they would do, and the branches they make."""

from typing import Annotated
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Header, Router, Status

from agentops.accounts.middleware import caller_of
from runs import schemas_branches as schemas
from runs.presenters import branch_wire, wire
from runs.schemas import RunOut, StartedOut
from runs.selectors.branches import branches_for
from runs.selectors.runs import run_for
from runs.services.fork_plan import ForkRequest
from runs.services.fork_run import fork_run
from runs.services.preview_fork import preview_fork
from runs.services.preview_rewind import preview_rewind
from runs.services.rewind_run import rewind_run

router = Router(tags=["branches"])


@router.post(
    "/{uuid:run_id}/fork",
    response={202: StartedOut, 200: StartedOut},
    operation_id="fork_run",
    summary="Fork a run",
)
def fork(
    request: HttpRequest,
    response: HttpResponse,
    run_id: UUID,
    payload: schemas.ForkIn,
    idempotency_key: Annotated[str | None, Header(alias="Idempotency-Key")] = None,
) -> Status[StartedOut]:
    """Start a new run from one of this run's steps: 202 with its Location; this run stays as it is."""
    run, is_new = fork_run(
        actor=caller_of(request), run_id=run_id, request=_request(payload), idempotency_key=idempotency_key
    )
    response["Location"] = wire.run_url(run)
    return Status(202 if is_new else 200, wire.started(run, getattr(request, "n_replaced", 0)))


@router.post(
    "/{uuid:run_id}/fork/preview",
    response=schemas.PreviewOut,
    operation_id="preview_fork",
    summary="Tell what a fork would do",
)
def preview(request: HttpRequest, run_id: UUID, payload: schemas.ForkIn) -> schemas.PreviewOut:
    """Tell where a fork would begin, what would change in the state, and which writes would happen again."""
    return branch_wire.fork_preview(preview_fork(caller_of(request), run_id, _request(payload)))


@router.post(
    "/{uuid:run_id}/rewind",
    response={202: RunOut},
    operation_id="rewind_run",
    summary="Let a run go on from an earlier step",
)
def rewind(request: HttpRequest, run_id: UUID, payload: schemas.RewindIn) -> Status[RunOut]:
    """Let the run go on from an earlier step, as a new branch that repeats no write; the old branch stays."""
    rewind_run(actor=caller_of(request), run_id=run_id, seq=payload.seq, reason=payload.reason)
    return Status(202, wire.run_detail(run_for(caller_of(request), run_id)))


@router.post(
    "/{uuid:run_id}/rewind/preview",
    response=schemas.RewindPreviewOut,
    operation_id="preview_rewind",
    summary="Tell what a rewind would do",
)
def rewind_preview(
    request: HttpRequest, run_id: UUID, payload: schemas.RewindPreviewIn
) -> schemas.RewindPreviewOut:
    """Tell where the run would go on, and what becomes of the writes that were made since."""
    return branch_wire.rewind_preview(preview_rewind(caller_of(request), run_id, payload.seq))


@router.get(
    "/{uuid:run_id}/branches",
    response=schemas.BranchesOut,
    operation_id="list_branches",
    summary="List the branches and forks of a run",
)
def branches(request: HttpRequest, run_id: UUID) -> schemas.BranchesOut:
    """List the branches of a run, the first to the last, and the newest runs that were forked from it."""
    return branch_wire.branches(branches_for(caller_of(request), run_id))


def _request(payload: schemas.ForkIn) -> ForkRequest:
    given = payload.model_dump(exclude={"model", "instructions"})
    return ForkRequest(**given, has_input="input" in payload.model_fields_set)
