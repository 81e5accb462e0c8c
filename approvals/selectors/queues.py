"""Reading queues and absences."""

from django.db.models.functions import Now

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import NotFoundError
from approvals.models import Absence, Queue, QueueMember


def queues_for(actor: Actor) -> list[Queue]:
    """Return the team's queues, each with `member_names`."""
    actor.require(Scope.READ)
    found = list(Queue.objects.filter(team_id=actor.team_id).order_by("position", "slug"))
    members = QueueMember.objects.filter(queue__in=found).select_related("user").order_by("user__username")
    for queue in found:
        names = [member.user.username for member in members if member.queue_id == queue.pk]
        queue.member_names = names  # type: ignore[attr-defined]  # for pages and the API
    return found


def queue_named(actor: Actor, slug: str) -> Queue:
    """Return one queue, with `member_names`. Raises: NotFoundError."""
    found = next((queue for queue in queues_for(actor) if queue.slug == slug), None)
    if found is None:
        raise NotFoundError(f"there is no queue {slug!r}")
    return found


def absences_for(actor: Actor) -> list[Absence]:
    """Return who of the team is or will be away."""
    actor.require(Scope.READ)
    rows = Absence.objects.filter(team_id=actor.team_id, ends_at__gt=Now()).select_related("user", "delegate")
    return list(rows.order_by("starts_at", "id")[:200])


def own_absence(actor: Actor) -> Absence | None:
    """Return the actor's own absence that goes on now, if there is one; its delegate decides meanwhile."""
    rows = Absence.objects.filter(team_id=actor.team_id, user_id__in=[actor.user_id])
    now = rows.filter(starts_at__lte=Now(), ends_at__gt=Now()).select_related("delegate")
    return now.order_by("-ends_at").first()
