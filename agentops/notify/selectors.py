"""Reading notices, deliveries, endpoints and what people have chosen."""

from uuid import UUID

from django.db.models import QuerySet
from django.db.models.functions import Now

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import NotFoundError
from agentops.notify.models import Delivery, DeliveryAttempt, Endpoint, Preference
from runs.selectors.paging import DEFAULT_LIMIT, MAX_LIMIT, Page, decode_cursor, page_of

MAX_COUNTED = 100


def bell_for(actor: Actor, *, cursor: str = "", limit: int = DEFAULT_LIMIT) -> Page[Delivery]:
    """Return a page of what the person was told in the app, newest first. Raises: BadQueryError."""
    actor.require(Scope.READ)
    found = Delivery.objects.filter(team_id=actor.team_id, user_id__in=[actor.user_id], channel="app")
    return _page(found.select_related("notice").annotate(now_at=Now()), cursor, limit)


def path_of(actor: Actor, delivery_id: UUID) -> str:
    """Return where a notice of the person's bell leads; empty for one that is not theirs."""
    own = Delivery.objects.filter(team_id=actor.team_id, user_id__in=[actor.user_id], pk=delivery_id)
    return own.values_list("notice__path", flat=True).first() or ""


def n_unread(actor: Actor) -> int:
    """Return how many of them the person has not seen, counted up to MAX_COUNTED."""
    found = Delivery.objects.filter(
        team_id=actor.team_id, user_id__in=[actor.user_id], channel="app", read_at__isnull=True
    )
    return len(found.values_list("pk")[:MAX_COUNTED])


def deliveries_for(
    actor: Actor, *, state: str = "", cursor: str = "", limit: int = DEFAULT_LIMIT
) -> Page[Delivery]:
    """Return a page of what was sent out of the team, newest first: to all, for admins; else to oneself."""
    actor.require(Scope.READ)
    found = _sent(actor)
    if state:
        found = found.filter(state=state)
    return _page(found, cursor, limit)


def delivery_for(actor: Actor, delivery_id: UUID) -> Delivery:
    """Return one of deliveries_for. Raises: NotFoundError, NotAllowedError."""
    actor.require(Scope.READ)
    found = _sent(actor).filter(pk=delivery_id).first()
    if found is None:
        raise NotFoundError(f"there is no delivery {delivery_id}")
    return found


def attempts_of(delivery: Delivery) -> list[DeliveryAttempt]:
    """Return the log of a delivery, the newest attempt first, at most MAX_LIMIT."""
    return list(DeliveryAttempt.objects.filter(delivery=delivery).order_by("-number")[:MAX_LIMIT])


def endpoints_for(actor: Actor) -> list[Endpoint]:
    """Return where the team's notices go outside, by name. Raises: NotAllowedError without `admin`."""
    actor.require(Scope.ADMIN)
    return list(Endpoint.objects.filter(team_id=actor.team_id).defer("url").order_by("name"))


def preference_for(actor: Actor) -> Preference | None:
    """Return what the person has chosen; None for the defaults."""
    return Preference.objects.filter(team_id=actor.team_id, user_id__in=[actor.user_id]).first()


def _sent(actor: Actor) -> QuerySet[Delivery]:
    found = Delivery.objects.filter(team_id=actor.team_id).exclude(channel="app")
    if not actor.can(Scope.ADMIN):
        found = found.filter(user_id__in=[actor.user_id])
    return found.select_related("notice", "user", "endpoint").defer("endpoint__url").annotate(now_at=Now())


def _page(found: QuerySet[Delivery], cursor: str, limit: int) -> Page[Delivery]:
    found = found.order_by("-id")
    if cursor:
        found = found.filter(id__lt=decode_cursor(cursor, UUID)[0])
    limit = max(1, min(limit, MAX_LIMIT))
    return page_of(list(found[: limit + 1]), limit, lambda delivery: (delivery.id,))
