"""Say something about a request."""

from uuid import UUID

from agentops.accounts.roles import Actor, Scope
from agentops.audit.services.record import record
from agentops.common.errors import NotAllowedError
from approvals.models import Comment
from approvals.services.locked import locked_request
from runs.services.checks import check_text

MAX_CHARACTERS = 4000


def comment_request(*, actor: Actor, request_id: UUID, text: str) -> Comment:
    """Return the new comment, which everybody in the team reads; the agent does not.

    Raises: NotFoundError; NotAllowedError for viewers; InvalidInputError for text that is empty or too long.
    Locks: the run row, then the request row. Transaction: opens one.
    """
    if not (actor.can(Scope.REVIEW) or actor.can(Scope.RUN)):
        raise NotAllowedError(f"{actor.name} may look, not comment; ask an admin of the team for a role")
    check_text("/text", text.strip(), MAX_CHARACTERS)
    with locked_request(actor, request_id) as request:
        made = Comment.objects.create(
            request=request, user_id=actor.user_id, actor=actor.name[:200], text=text.strip()
        )
        record(
            actor=actor,
            action="approval.comment",
            subject=f"approval:{request_id}",
            detail={"text": text[:500]},
        )
    made.refresh_from_db()
    return made
