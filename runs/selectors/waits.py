"""Reading what runs wait for, and the events that came."""

from uuid import UUID

from django.db.models import Q
from django.db.models.functions import Now

from agentops.accounts.roles import Actor, Scope
from agentops.common.canonical import clean_json
from agentops.common.errors import NotFoundError
from runs.models import Event, Signal, Wait
from runs.selectors.paging import DEFAULT_LIMIT, MAX_LIMIT, Page, decode_cursor, instant, page_of
from runs.selectors.runs import run_for

MAX_WAITS = 200


def waits_for(actor: Actor, run_id: UUID) -> list[Wait]:
    """Return the waits of the run: the open ones first, then the last closed ones, at most MAX_WAITS.

    Raises: NotFoundError, NotAllowedError
    """
    run = run_for(actor, run_id)
    rows = Wait.objects.filter(run_id=run.pk)
    still_open = list(rows.filter(closed_at__isnull=True).order_by("seq", "n")[:MAX_WAITS])
    closed = rows.filter(closed_at__isnull=False).order_by("-seq", "-n")[: MAX_WAITS - len(still_open)]
    return still_open + list(closed)


def untaken_signals_for(actor: Actor, run_id: UUID) -> list[Signal]:
    """Return the signals that the run has not asked for yet, oldest first, at most MAX_WAITS.

    Raises: NotFoundError, NotAllowedError
    """
    run = run_for(actor, run_id)
    taken = Wait.objects.filter(run_id=run.pk, closed_as="signal").values("ref_id")
    return list(
        Signal.objects.filter(run_id=run.pk).exclude(id__in=taken).order_by("created_at", "id")[:MAX_WAITS]
    )


def events_for(
    actor: Actor, *, name: str = "", source: str = "", cursor: str = "", limit: int = DEFAULT_LIMIT
) -> Page[Event]:
    """Return a page of the team's events, newest first, of one name or source where given; they bear `now_at`.

    Raises: NotAllowedError, BadQueryError for a cursor that is none.
    """
    actor.require(Scope.READ)
    found = Event.objects.filter(team_id=actor.team_id).annotate(now_at=Now()).order_by("-received_at", "-id")
    given = {"name": name, "source": source}
    found = found.filter(**{column: clean_json(value) for column, value in given.items() if value})
    if cursor:
        at, event_id = decode_cursor(cursor, instant, UUID)
        found = found.filter(Q(received_at__lt=at) | Q(received_at=at, id__lt=event_id))
    limit = max(1, min(limit, MAX_LIMIT))
    return page_of(list(found[: limit + 1]), limit, lambda event: (event.received_at.isoformat(), event.id))


def event_for(actor: Actor, event_id: UUID) -> Event:
    """Return one event of the team, with the database's time as `now_at`. Raises: NotFoundError, NotAllowedError."""
    actor.require(Scope.READ)
    found = Event.objects.filter(team_id=actor.team_id, pk=event_id).annotate(now_at=Now()).first()
    if found is None:
        raise NotFoundError(f"there is no event {event_id}", event_id=str(event_id))
    return found
