"""Reading spaces of memory."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db.models import Count, Q

from agentops.accounts.roles import Actor, Scope
from agentops.common.canonical import clean_json
from agentops.common.errors import NotFoundError
from memory.engine.kinds import ItemStatus
from memory.models import Space

MAX_SPACES = 500


def spaces_for(actor: Actor) -> list[Space]:
    """Return the team's spaces by name, at most MAX_SPACES of them."""
    actor.require(Scope.READ)
    return list(Space.objects.filter(team_id=actor.team_id).order_by("slug")[:MAX_SPACES])


def counted_spaces_for(actor: Actor) -> list[Space]:
    """Return the team's spaces by name; each bears `n_active` and `n_quarantined`."""
    actor.require(Scope.READ)
    found = Space.objects.filter(team_id=actor.team_id).annotate(
        n_active=Count("items", filter=Q(items__status=ItemStatus.ACTIVE)),
        n_quarantined=Count("items", filter=Q(items__status=ItemStatus.QUARANTINED)),
    )
    return list(found.order_by("slug")[:MAX_SPACES])


def space_for(actor: Actor, slug: str) -> Space:
    """Return one space of the team. Raises: NotFoundError naming those there are, NotAllowedError."""
    actor.require(Scope.READ)
    space = Space.objects.filter(team_id=actor.team_id, slug=clean_json(slug)).first()
    if space is None:
        known = [found.slug for found in spaces_for(actor)]
        there = f"there are {', '.join(known[:20])}" if known else "the team has none yet; an admin makes one"
        raise NotFoundError(f"there is no space {slug!r}; {there}", space=slug, known=known[:100])
    return space


def unknown_spaces(team_id: UUID, definition: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the places of a definition that name spaces which are not there, and what is wrong with them."""
    named = definition["memory"]
    known = set(Space.objects.filter(team_id=team_id, slug__in=named).values_list("slug", flat=True))
    missing = [(n, slug) for n, slug in enumerate(named) if slug not in known]
    return [
        (f"/memory/{n}", f"there is no space {slug!r}; make it under Memory first") for n, slug in missing
    ]


def named_spaces(actor: Actor, slugs: Sequence[str]) -> list[Space]:
    """Return the spaces of these names; all of the team's for no names."""
    return [space_for(actor, slug) for slug in dict.fromkeys(slugs)] if slugs else spaces_for(actor)
