"""Change the settings of a space of memory."""

from typing import Any

from django.db.models import F
from django.db.models.functions import Now

from agentops.accounts.roles import Actor, Scope
from agentops.accounts.signals import sensitive_action
from agentops.common.errors import ConflictError
from agentops.common.transactions import transaction
from memory.models import Space
from memory.selectors.spaces import space_for
from memory.services.space_checks import checked_settings


def update_space(*, actor: Actor, slug: str, changes: dict[str, Any], version: int | None = None) -> Space:
    """Return the space with what `changes` names changed; the kind stays.

    Raises: NotAllowedError; NotFoundError; InvalidInputError with pointers; ConflictError when it is at another `version`.
    """
    actor.require(Scope.ADMIN)
    space = space_for(actor, slug)
    given = checked_settings({name: value for name, value in changes.items() if name != "kind"})
    found = Space.objects.filter(pk=space.pk)
    if version is not None:
        found = found.filter(version=version)
    with transaction():
        if not found.update(**given, version=F("version") + 1, updated_at=Now()):
            raise ConflictError(f"the space {slug!r} was changed meanwhile; look at it again", slug=slug)
        sensitive_action.send(
            Space,
            actor=actor,
            action="memory.space.update",
            subject=f"space:{slug}",
            detail={"fields": sorted(given)},
        )
    return space_for(actor, slug)
