"""Delete a saved view of one's own."""

from uuid import UUID

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import NotFoundError
from runs.models import SavedView


def delete_view(*, actor: Actor, view_id: UUID) -> None:
    """Delete the view.

    Raises: NotFoundError, also for a view of somebody else.
    """
    actor.require(Scope.READ)
    n_deleted, _each = SavedView.objects.filter(
        id=view_id, team_id=actor.team_id, owner_id__in=[actor.user_id]
    ).delete()
    if not n_deleted:
        raise NotFoundError("you have no such view")
