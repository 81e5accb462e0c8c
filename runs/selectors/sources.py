"""Reading sources of events and triggers."""

from collections.abc import Sequence
from uuid import UUID

from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from agentops.accounts.roles import Actor, Scope
from agentops.common.canonical import clean_json
from agentops.common.errors import NotFoundError
from runs.models import Source, Trigger, TriggerStart
from runs.selectors.paging import DEFAULT_LIMIT, MAX_LIMIT, Page, decode_cursor, page_of


def sources_for(actor: Actor, *, cursor: str = "", limit: int = DEFAULT_LIMIT) -> Page[Source]:
    """Return a page of the team's sources, newest first; they bear `now_at` and `has_secret`.

    Raises: NotAllowedError; BadQueryError for a cursor that is none.
    """
    actor.require(Scope.READ)
    found = _sources(actor).order_by("-id")
    if cursor:
        found = found.filter(id__lt=decode_cursor(cursor, UUID)[0])
    limit = max(1, min(limit, MAX_LIMIT))
    return page_of(list(found[: limit + 1]), limit, lambda source: (source.id,))


def source_for(actor: Actor, slug: str) -> Source:
    """Return one source of the team; it bears `now_at` and `has_secret`. Raises: NotFoundError, NotAllowedError."""
    actor.require(Scope.READ)
    found = _sources(actor).filter(slug=clean_json(slug)).first()
    if found is None:
        raise NotFoundError(f"there is no source {slug!r}", source=slug)
    return found


def _sources(actor: Actor) -> QuerySet[Source]:
    found = Source.objects.filter(team_id=actor.team_id).defer("secret")
    return found.annotate(now_at=Now(), has_secret=Q(secret__isnull=False))


def triggers_for(actor: Actor, *, cursor: str = "", limit: int = DEFAULT_LIMIT) -> Page[Trigger]:
    """Return a page of the team's triggers, newest first.

    Raises: NotAllowedError; BadQueryError for a cursor that is none.
    """
    actor.require(Scope.READ)
    found = Trigger.objects.filter(team_id=actor.team_id).select_related(
        "agent", "agent_version", "defined_by"
    )
    found = found.annotate(now_at=Now()).order_by("-id")
    if cursor:
        found = found.filter(id__lt=decode_cursor(cursor, UUID)[0])
    limit = max(1, min(limit, MAX_LIMIT))
    return page_of(list(found[: limit + 1]), limit, lambda trigger: (trigger.id,))


def trigger_for(actor: Actor, trigger_id: UUID) -> Trigger:
    """Return one trigger of the team. Raises: NotFoundError, NotAllowedError."""
    actor.require(Scope.READ)
    rows = Trigger.objects.filter(team_id=actor.team_id, pk=trigger_id).select_related(
        "agent", "agent_version", "defined_by"
    )
    found = rows.annotate(now_at=Now()).first()
    if found is None:
        raise NotFoundError(f"there is no trigger {trigger_id}", trigger_id=str(trigger_id))
    return found


def starts_for(
    actor: Actor, trigger_id: UUID, *, cursor: str = "", limit: int = DEFAULT_LIMIT
) -> Page[TriggerStart]:
    """Return a page of what came of the events at the trigger, newest first.

    Raises: NotFoundError, NotAllowedError; BadQueryError for a cursor that is none.
    """
    trigger_for(actor, trigger_id)
    found = TriggerStart.objects.filter(trigger_id=trigger_id).select_related("run").order_by("-id")
    if cursor:
        found = found.filter(id__lt=decode_cursor(cursor, UUID)[0])
    limit = max(1, min(limit, MAX_LIMIT))
    return page_of(list(found[: limit + 1]), limit, lambda start: (start.id,))


def starts_of(actor: Actor, event_ids: Sequence[UUID]) -> list[TriggerStart]:
    """Return what came of these events at the team's triggers, newest first, at most MAX_LIMIT."""
    actor.require(Scope.READ)
    triggers = Trigger.objects.filter(team_id=actor.team_id).values_list("id", flat=True)
    found = TriggerStart.objects.filter(trigger_id__in=list(triggers), event_id__in=event_ids)
    return list(found.select_related("run", "trigger__agent").order_by("-id")[:MAX_LIMIT])
