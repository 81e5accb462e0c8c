"""Reading sources of events and triggers."""

from uuid import UUID

from django.db.models.functions import Now

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import NotFoundError
from runs.models import Source, Trigger, TriggerStart
from runs.selectors.paging import DEFAULT_LIMIT, MAX_LIMIT, Page, decode_cursor, page_of


def sources_for(actor: Actor, *, cursor: str = "", limit: int = DEFAULT_LIMIT) -> Page[Source]:
    """Return a page of the team's sources, newest first, with the database's time as `now_at`.

    Raises: NotAllowedError; BadQueryError for a cursor that is none.
    """
    actor.require(Scope.READ)
    found = (
        Source.objects.filter(team_id=actor.team_id).annotate(now_at=Now()).defer("secret").order_by("-id")
    )
    if cursor:
        found = found.filter(id__lt=decode_cursor(cursor, UUID)[0])
    limit = max(1, min(limit, MAX_LIMIT))
    return page_of(list(found[: limit + 1]), limit, lambda source: (source.id,))


def source_for(actor: Actor, slug: str) -> Source:
    """Return one source of the team. Raises: NotFoundError, NotAllowedError."""
    actor.require(Scope.READ)
    found = Source.objects.filter(team_id=actor.team_id, slug=slug).annotate(now_at=Now()).first()
    if found is None:
        raise NotFoundError(f"there is no source {slug!r}", source=slug)
    return found


def triggers_for(actor: Actor, *, cursor: str = "", limit: int = DEFAULT_LIMIT) -> Page[Trigger]:
    """Return a page of the team's triggers, newest first.

    Raises: NotAllowedError; BadQueryError for a cursor that is none.
    """
    actor.require(Scope.READ)
    found = Trigger.objects.filter(team_id=actor.team_id).select_related("agent", "agent_version")
    found = found.annotate(now_at=Now()).order_by("-id")
    if cursor:
        found = found.filter(id__lt=decode_cursor(cursor, UUID)[0])
    limit = max(1, min(limit, MAX_LIMIT))
    return page_of(list(found[: limit + 1]), limit, lambda trigger: (trigger.id,))


def trigger_for(actor: Actor, trigger_id: UUID) -> Trigger:
    """Return one trigger of the team. Raises: NotFoundError, NotAllowedError."""
    actor.require(Scope.READ)
    rows = Trigger.objects.filter(team_id=actor.team_id, pk=trigger_id).select_related(
        "agent", "agent_version"
    )
    found = rows.annotate(now_at=Now()).first()
    if found is None:
        raise NotFoundError(f"there is no trigger {trigger_id}", trigger_id=str(trigger_id))
    return found


def starts_for(actor: Actor, trigger_id: UUID, *, limit: int = 20) -> list[TriggerStart]:
    """Return what came of the last events at the trigger, newest first.

    Raises: NotFoundError, NotAllowedError
    """
    trigger_for(actor, trigger_id)
    return list(
        TriggerStart.objects.filter(trigger_id=trigger_id).select_related("run").order_by("-id")[:limit]
    )
