"""Claim a request, so that others see who is at it; and let it go."""

from datetime import timedelta
from uuid import UUID

from django.db.models.functions import Coalesce, Now

from agentops.accounts.roles import Actor
from agentops.audit.services.record import record
from agentops.common.errors import ConflictError, NotAllowedError
from agentops.common.types import JsonObject
from approvals.models import Request
from approvals.selectors.requests import request_for
from approvals.services.decide import standing_of
from approvals.services.locked import check_open, locked_request, state_of

CLAIM_SECONDS = 900


def claim_request(*, actor: Actor, request_id: UUID, takes_over: bool = False) -> Request:
    """Return the request, claimed by the actor for as long as its queue says; claiming again renews it.

    Raises: NotFoundError; NotAllowedError when they may not decide it; ConflictError when it is closed, or somebody else's
        unless `takes_over`.
    Locks: the run row, then the request row. Transaction: opens one.
    """
    with locked_request(actor, request_id) as request:
        check_open(request)
        found = standing_of(request, actor)
        if not found.may or actor.user_id is None:
            raise NotAllowedError(found.why_not or "a person must claim this")
        holder = holder_of(request)
        if holder not in (None, actor.user_id) and not takes_over:
            raise ConflictError(f"{request.claimed_by} has claimed this already", **state_of(request))
        seconds = request.queue.claim_seconds if request.queue else CLAIM_SECONDS
        Request.objects.filter(pk=request_id).update(
            claimed_by=actor.user_id, claimed_until=Now() + timedelta(seconds=seconds),
            first_response_at=Coalesce("first_response_at", Now()),
        )  # fmt: skip
        if holder != actor.user_id:
            detail: JsonObject = {"from": str(request.claimed_by or ""), "run": str(request.run_id)}
            record(actor=actor, action="approval.claim", subject=f"approval:{request_id}", detail=detail)
    return request_for(actor, request_id)


def release_request(*, actor: Actor, request_id: UUID) -> Request:
    """Return the request, claimed by nobody; nothing happens when it was not the actor's.

    Raises: NotFoundError. Locks: the run row, then the request row. Transaction: opens one.
    """
    with locked_request(actor, request_id) as request:
        own = Request.objects.filter(pk=request_id, claimed_by_id__in=[actor.user_id])
        if request.status == "pending" and own.update(claimed_by=None, claimed_until=None):
            record(actor=actor, action="approval.release", subject=f"approval:{request_id}", detail={})
    return request_for(actor, request_id)


def holder_of(request: Request) -> int | None:
    """Return who holds a request that bears `now_at`, if somebody does."""
    now_at = request.now_at  # type: ignore[attr-defined]  # annotated by request_for
    return request.claimed_by_id if request.claimed_until and request.claimed_until > now_at else None
