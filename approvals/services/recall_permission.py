"""Take a permission back that was given and has not been used."""

from uuid import UUID

from django.db.models import F
from django.db.models.functions import Now

from agentops.accounts.roles import Actor, Scope
from agentops.audit.services.record import record
from agentops.common.errors import ConflictError
from approvals.models import Decision, Request
from approvals.selectors.requests import request_for
from approvals.services.locked import locked_request, state_of
from runs.services.checks import check_text

MAX_MESSAGE_CHARACTERS = 4000


def recall_permission(
    *, actor: Actor, request_id: UUID, message: str, version: int | None = None, channel: str = "web"
) -> Request:
    """Return the request, void: what it allowed is not done unless people are asked, and allow it, again.

    It counts at once. A write that has begun is past recalling. `version` is of the request as the actor saw it; None is not
    compared.

    Raises: NotFoundError; NotAllowedError for who may not review; InvalidInputError without a reason; ConflictError that tells
        who did what, when there is no permission to take back.
    Locks: the run row, then the request row. Transaction: opens one.
    """
    actor.require(Scope.REVIEW)
    said = message.strip()
    check_text("/message", said, MAX_MESSAGE_CHARACTERS)
    with locked_request(actor, request_id) as request:
        _check_unused(request, version)
        _recalled(request, actor, said, channel)
        record(
            actor=actor, action="approval.recall", subject=f"approval:{request_id}",
            detail={"run": str(request.run_id), "step": request.seq, "digest": request.args_digest, "message": said},
        )  # fmt: skip
    return request_for(actor, request_id)


def _check_unused(request: Request, version: int | None) -> None:
    if request.used_at is not None:
        told = f"too late: {request.agent} used this permission at {request.used_at:%H:%M:%S} UTC, in step {request.used_seq}"
        raise ConflictError(told, **state_of(request))
    if request.status == "pending":
        raise ConflictError("nothing is allowed yet; reject it instead", **state_of(request))
    if request.status != "approved":
        told = f"{request.closed_by or 'somebody'} was faster: this is {request.status}"
        raise ConflictError(told, **state_of(request))
    if version is not None and version != request.version:
        raise ConflictError("it has changed since you looked; see what it is now", **state_of(request))


def _recalled(request: Request, actor: Actor, said: str, channel: str) -> None:
    approved = Decision.objects.filter(request=request, type__in=("approve", "edit"), void_reason="")
    approved.update(void_reason=f"taken back by {actor.name}"[:200])
    Decision.objects.create(
        request=request, stage=request.stage, type="recall", user_id=actor.user_id, actor=actor.name[:200],
        channel=channel, message=said, digest_seen=request.args_digest, version_seen=request.version,
    )  # fmt: skip
    Request.objects.filter(pk=request.pk).update(
        status="voided", closed_at=Now(), closed_by=actor.name[:200], message=said, version=F("version") + 1
    )
