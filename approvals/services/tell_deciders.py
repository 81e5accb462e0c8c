"""Tell those who may decide that something waits for them."""

from uuid import UUID

from agentops.common.transactions import transaction_required
from agentops.notify.services.notify import Message, notify
from agentops.notify.topics import Topic
from approvals.engine.stages import NOBODY, stages_of
from approvals.models import Request
from approvals.selectors.people import seats_of


@transaction_required
def tell_deciders(request: Request) -> UUID | None:
    """Put a notice on its way to who may decide at the stage that is open; None when they were told before."""
    stage = stages_of(request.stages)[request.stage]
    deciders = seats_of(request.team_id, stage, kind=request.kind) - {NOBODY}
    message = Message(
        Topic.APPROVAL, f"approval:{request.pk}:{request.stage}", f"{request.agent} asks: {request.summary}",
        path=f"/approvals/{request.pk}",
    )  # fmt: skip
    return notify(team_id=request.team_id, message=message, user_ids=deciders)
