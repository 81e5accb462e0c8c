"""Make a space of memory."""

from typing import Any

from agentops.accounts.roles import Actor, Scope
from agentops.accounts.signals import sensitive_action
from agentops.common.errors import ConflictError
from agentops.common.transactions import transaction
from memory.engine.kinds import SpaceKind
from memory.models import Space
from memory.services.space_checks import check_slug, checked_settings

HALF_LIFE_DAYS = {SpaceKind.EPISODIC: 30.0, SpaceKind.SEMANTIC: 180.0}


def create_space(*, actor: Actor, slug: str, kind: str, title: str = "", **settings: Any) -> Space:
    """Return the new space.

    Args:
        actor: whose team's; needs the scope `admin`.
        slug: its name, by which agents and calls address it.
        kind: a SpaceKind.
        title: for people; the slug when it is left out.
        settings: `write_policy`, `default_ttl_seconds`, `half_life_days`, `max_items`; see Space.

    Raises: NotAllowedError; InvalidInputError with pointers; ConflictError when the slug is taken.
    """
    actor.require(Scope.ADMIN)
    check_slug(slug)
    given = checked_settings({"kind": kind, "title": title or slug, **settings})
    given.setdefault("half_life_days", HALF_LIFE_DAYS.get(SpaceKind(kind)))
    space = Space(team_id=actor.team_id, slug=slug, created_by=actor.name[:200], **given)
    with transaction():
        Space.objects.bulk_create([space], ignore_conflicts=True)
        made = Space.objects.filter(pk=space.pk).first()
        if made is None:
            raise ConflictError(f"the name {slug!r} is taken; choose another", slug=slug)
        sensitive_action.send(
            Space, actor=actor, action="memory.space.create", subject=f"space:{slug}", detail={"kind": kind}
        )
    return made
