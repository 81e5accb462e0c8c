"""The calls of the API about approval requests."""

from uuid import UUID

from django.http import HttpRequest
from ninja import Query, Router, Status

from agentops.accounts.middleware import caller_of
from approvals import schemas
from approvals.presenters.request_wire import comment_out, request_out, row_out
from approvals.selectors.requests import Filters, inbox_for, request_for
from approvals.services.claim_request import claim_request, release_request
from approvals.services.comment_request import comment_request
from approvals.services.decide import Choice, decide
from approvals.services.decide_many import Picked, decide_many
from approvals.services.delegate_request import delegate_request
from approvals.services.recall_permission import recall_permission
from approvals.services.start_sla import pause_sla, resume_sla
from runs.services.checks import misfit

router = Router(tags=["approvals"])


@router.get(
    "", response=schemas.ApprovalPageOut, operation_id="list_approvals", summary="List approval requests"
)
def approvals(request: HttpRequest, filters: Query[schemas.ApprovalListIn]) -> schemas.ApprovalPageOut:
    """List what runs ask people: open requests due first, closed ones newest first."""
    given = filters.model_dump()
    cursor, limit, text = given.pop("cursor"), given.pop("limit"), given.pop("q")
    page = inbox_for(caller_of(request), Filters(**given, text=text), cursor=cursor, limit=limit)
    return schemas.ApprovalPageOut(items=[row_out(one) for one in page.items], next_cursor=page.next_cursor)


@router.get(
    "/{uuid:request_id}",
    response=schemas.ApprovalOut,
    operation_id="get_approval",
    summary="Get an approval request",
)
def approval(request: HttpRequest, request_id: UUID) -> schemas.ApprovalOut:
    """Get a request with its arguments, evidence, stages, decisions and comments. Looking at it decides nothing."""
    return request_out(request_for(caller_of(request), request_id), caller_of(request))


@router.post(
    "/{uuid:request_id}/decide",
    response=schemas.ApprovalOut,
    operation_id="decide_approval",
    summary="Decide about a request",
)
def decide_one(request: HttpRequest, request_id: UUID, payload: schemas.DecideIn) -> schemas.ApprovalOut:
    """Approve, edit, reject or respond; 409 tells who decided what when it is closed or not what you saw."""
    if payload.type == "reject" and not payload.message.strip():
        raise misfit("/message", "say why: the agent and the history are told")
    choice = Choice(**payload.model_dump(), channel="api")
    return request_out(
        decide(actor=caller_of(request), request_id=request_id, choice=choice), caller_of(request)
    )


@router.post(
    "/decide",
    response=schemas.BulkDecidedOut,
    operation_id="decide_approvals",
    summary="Decide about several requests",
)
def decide_several(request: HttpRequest, payload: schemas.BulkDecideIn) -> schemas.BulkDecidedOut:
    """Decide about requests of one sort (`signature`), at most 100; what destroys is approved one by one."""
    picked = [Picked(**one.model_dump()) for one in payload.items]
    done = decide_many(
        actor=caller_of(request), picked=picked, verdict=payload.type, message=payload.message, channel="api"
    )
    return schemas.BulkDecidedOut(
        items=[schemas.BulkResultOut(id=one.pk, status=one.status, problem=problem) for one, problem in done]  # type: ignore[arg-type]  # as constrained
    )


@router.post(
    "/{uuid:request_id}/recall",
    response=schemas.ApprovalOut,
    operation_id="recall_approval",
    summary="Take a permission back",
)
def recall(request: HttpRequest, request_id: UUID, payload: schemas.RecallIn) -> schemas.ApprovalOut:
    """Take back a permission that is not used yet; 409 tells who did what when it is, or when there is none."""
    found = recall_permission(
        actor=caller_of(request),
        request_id=request_id,
        message=payload.message,
        version=payload.version,
        channel="api",
    )
    return request_out(found, caller_of(request))


@router.post(
    "/{uuid:request_id}/clock",
    response=schemas.ApprovalOut,
    operation_id="set_approval_clock",
    summary="Let the clocks of a request stand or go on",
)
def clock(request: HttpRequest, request_id: UUID, payload: schemas.ClockIn) -> schemas.ApprovalOut:
    """Nothing is due while the clocks stand; 404 for a request that goes by no escalation policy."""
    if payload.verb == "pause":
        pause_sla(actor=caller_of(request), request_id=request_id, reason=payload.reason)
    else:
        resume_sla(actor=caller_of(request), request_id=request_id)
    return request_out(request_for(caller_of(request), request_id), caller_of(request))


@router.post(
    "/{uuid:request_id}/claim",
    response=schemas.ApprovalOut,
    operation_id="claim_approval",
    summary="Claim a request",
)
def claim(request: HttpRequest, request_id: UUID, payload: schemas.ClaimIn) -> schemas.ApprovalOut:
    """Show others that you are at it, for as long as its queue says; claim again to go on holding it."""
    found = claim_request(actor=caller_of(request), request_id=request_id, takes_over=payload.take_over)
    return request_out(found, caller_of(request))


@router.post(
    "/{uuid:request_id}/release",
    response=schemas.ApprovalOut,
    operation_id="release_approval",
    summary="Let a claim go",
)
def release(request: HttpRequest, request_id: UUID) -> schemas.ApprovalOut:
    """Let go of a request that you have claimed."""
    return request_out(release_request(actor=caller_of(request), request_id=request_id), caller_of(request))


@router.post(
    "/{uuid:request_id}/delegate",
    response=schemas.ApprovalOut,
    operation_id="delegate_approval",
    summary="Delegate a request",
)
def delegate(request: HttpRequest, request_id: UUID, payload: schemas.DelegateIn) -> schemas.ApprovalOut:
    """Give your vote in this one request to somebody else who may review."""
    found = delegate_request(
        actor=caller_of(request), request_id=request_id, to=payload.to, message=payload.message
    )
    return request_out(found, caller_of(request))


@router.post(
    "/{uuid:request_id}/comment",
    response={201: schemas.CommentOut},
    operation_id="comment_approval",
    summary="Comment on a request",
)
def comment(request: HttpRequest, request_id: UUID, payload: schemas.CommentIn) -> Status[schemas.CommentOut]:
    """Say something to the team about a request."""
    made = comment_request(actor=caller_of(request), request_id=request_id, text=payload.text)
    return Status(201, comment_out(made))
