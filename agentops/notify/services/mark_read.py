"""Take notices as seen, and send what was not delivered again."""

from uuid import UUID

from django.db.models import F, Q
from django.db.models.functions import Now

from agentops.accounts.roles import Actor, Scope
from agentops.audit.services.record import record
from agentops.common.errors import ConflictError
from agentops.common.transactions import transaction
from agentops.notify.models import Delivery
from agentops.notify.selectors import delivery_for


def mark_read(*, actor: Actor, delivery_id: UUID | None = None) -> int:
    """Mark one notice of the actor's bell as seen, or all of them; returns how many were new."""
    found = Delivery.objects.filter(
        team_id=actor.team_id, user_id__in=[actor.user_id], channel="app", read_at__isnull=True
    )
    return (found.filter(pk=delivery_id) if delivery_id else found).update(read_at=Now())


def send_again(*, actor: Actor, delivery_id: UUID) -> None:
    """Make a delivery due now, with all its attempts before it; the message and its id stay the same.

    Raises: NotAllowedError; NotFoundError; ConflictError while an attempt is under way.
    """
    actor.require(Scope.ADMIN)
    row = delivery_for(actor, delivery_id)
    found = Delivery.objects.filter(~Q(state="sending") | Q(due_at__lte=Now()), pk=row.pk)
    with transaction():
        if not found.update(state="due", due_at=Now(), attempts_before=F("attempts"), settled_at=None):
            raise ConflictError("it is being sent at this moment; wait for its answer")
        told = {"channel": row.channel, "title": row.notice.title}
        record(actor=actor, action="delivery.repeat", subject=f"delivery:{row.pk}", detail={**told})
