"""Holding a request while something is decided about it: the run first, then the request, as everywhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from agentops.accounts.roles import Actor
from agentops.common.errors import ConflictError
from agentops.common.transactions import transaction
from approvals.models import Decision, Request
from approvals.selectors.requests import request_for
from runs.models import Run


@contextmanager
def locked_request(actor: Actor, request_id: UUID) -> Iterator[Request]:
    """Hold the request, with `now_at`; what is done within is committed at the end.

    Raises: NotFoundError, NotAllowedError.
    Locks: the run row, then the request row. Transaction: opens one.
    """
    run_id = request_for(actor, request_id).run_id
    with transaction():
        lock(run_id, request_id)
        yield request_for(actor, request_id)


def lock(run_id: UUID, request_id: UUID) -> None:
    """Wait until nobody else decides about the request."""
    Run.objects.select_for_update(no_key=True).only("pk").filter(pk=run_id).first()
    Request.objects.select_for_update(no_key=True).only("pk").get(pk=request_id)


def check_open(request: Request) -> None:
    """Raises: ConflictError that tells who decided what, when the request is closed."""
    if request.status == "pending":
        return
    raise ConflictError(
        f"{request.closed_by or 'somebody'} was faster: this is {request.status}", **state_of(request)
    )  # fmt: skip


def state_of(request: Request) -> dict[str, object]:
    """Return what a 409 tells: the request as it stands, and who decided what."""
    decided = Decision.objects.filter(request=request, void_reason="").order_by("decided_at")
    return {
        "request_status": request.status, "version": request.version, "args_digest": request.args_digest,
        "closed_by": request.closed_by, "closed_at": request.closed_at.isoformat() if request.closed_at else None,
        "decisions": [{"by": one.actor, "type": one.type, "at": one.decided_at.isoformat()} for one in decided],
    }  # fmt: skip
