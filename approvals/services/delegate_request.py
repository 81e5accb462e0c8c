"""Let somebody else decide about one request in the actor's place."""

from uuid import UUID

from django.db.models import F

from agentops.accounts.roles import Actor
from agentops.audit.services.record import record
from agentops.common.errors import NotAllowedError
from agentops.common.types import JsonObject
from approvals.models import Request
from approvals.selectors.people import reviewers_of
from approvals.selectors.requests import request_for
from approvals.services.decide import standing_of
from approvals.services.locked import check_open, locked_request
from runs.services.checks import misfit


def delegate_request(*, actor: Actor, request_id: UUID, to: str, message: str = "") -> Request:
    """Return the request, put to the person `to` (their user name or e-mail address), who has the actor's vote in it.

    Raises: NotFoundError; NotAllowedError when the actor has no vote themselves; ConflictError when it is closed;
        InvalidInputError when `to` is nobody who may review, or started the run.
    Locks: the run row, then the request row. Transaction: opens one.
    """
    with locked_request(actor, request_id) as request:
        check_open(request)
        found = standing_of(request, actor)
        if not found.may or actor.user_id is None or not found.seat:
            raise NotAllowedError(found.why_not or "a person must delegate this")
        user_id = _named(actor, to.strip())
        if user_id == request.initiator_id:
            raise misfit("/to", "they started the run, so others decide what it may do")
        given = [one for one in request.delegations if one["from"] != found.seat]
        Request.objects.filter(pk=request_id).update(
            delegations=[*given, {"from": found.seat, "to": user_id}], version=F("version") + 1,
            assignee_ids=sorted({*request.assignee_ids, user_id}), claimed_by=None, claimed_until=None,
        )  # fmt: skip
        detail: JsonObject = {"to": to, "message": message[:1000], "run": str(request.run_id)}
        record(actor=actor, action="approval.delegate", subject=f"approval:{request_id}", detail=detail)
    return request_for(actor, request_id)


def _named(actor: Actor, to: str) -> int:
    people = reviewers_of(actor.team_id)
    for membership in people:
        user = membership.user
        if to.lower() in (user.username.lower(), user.email.lower()) and user.pk != actor.user_id:
            return user.pk
    others = ", ".join(one.user.username for one in people if one.user_id != actor.user_id) or "nobody else"
    raise misfit("/to", f"must be somebody else who may review: {others}")
