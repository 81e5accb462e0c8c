"""The calls of the API about going another way: forks, and what they would do."""

from typing import Annotated
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Header, Router, Status

from agentops.accounts.roles import Actor
from runs import schemas_branches as schemas
from runs.presenters import branch_wire, wire
from runs.schemas import StartedOut
from runs.services.fork_plan import ForkRequest
from runs.services.fork_run import fork_run
from runs.services.preview_fork import preview_fork

router = Router(tags=["branches"])


def _actor(request: HttpRequest) -> Actor:
    actor: Actor = request.auth  # type: ignore[attr-defined]  # set by the API's authentication
    return actor


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
        actor=_actor(request), run_id=run_id, request=_request(payload), idempotency_key=idempotency_key
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
    return branch_wire.fork_preview(preview_fork(_actor(request), run_id, _request(payload)))


def _request(payload: schemas.ForkIn) -> ForkRequest:
    given = payload.model_dump(exclude={"model", "instructions"})
    return ForkRequest(**given, has_input="input" in payload.model_fields_set)
