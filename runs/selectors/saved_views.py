"""Reading saved views of the run list."""

from django.db.models import F, Q

from agentops.accounts.roles import Actor, Scope
from runs.models import SavedView

MAX_VIEWS = 100


def views_for(actor: Actor) -> list[SavedView]:
    """Return the actor's own views and those that others share with the team, by name, with `owner_name`."""
    actor.require(Scope.READ)
    mine = Q(owner_id__in=[actor.user_id])
    found = SavedView.objects.filter(mine | Q(is_shared=True), team_id=actor.team_id)
    return list(found.annotate(owner_name=F("owner__username")).order_by("name", "id")[:MAX_VIEWS])
