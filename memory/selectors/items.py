"""Reading items of memory and what they were."""

from datetime import datetime
from uuid import UUID

from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from agentops.accounts.roles import Actor, Scope
from agentops.common.canonical import clean_json
from agentops.common.errors import NotFoundError
from memory.engine.kinds import ItemStatus
from memory.models import Item, Revision, Space
from memory.selectors.spaces import space_for
from runs.selectors.paging import DEFAULT_LIMIT, MAX_LIMIT, Page, decode_cursor, instant, page_of
from runs.selectors.runs import run_for

MAX_REVISIONS = 200

IS_ALIVE = Q(expires_at__isnull=True) | Q(expires_at__gt=Now())
IS_VISIBLE = Q(status=ItemStatus.ACTIVE) & IS_ALIVE


def items_for(
    actor: Actor, space: Space, *, status: str = "", cursor: str = "", limit: int = DEFAULT_LIMIT
) -> Page[Item]:
    """Return a page of the items of a space, the last changed first; with `status` those alone.

    An item that has expired counts as one that is not active. Raises: BadQueryError for a cursor that is none.
    """
    actor.require(Scope.READ)
    found = _items(actor).filter(space=space)
    if status == ItemStatus.ACTIVE:
        found = found.filter(IS_VISIBLE)
    elif status == "expired":
        found = found.filter(status=ItemStatus.ACTIVE, expires_at__lte=Now())
    elif status:
        found = found.filter(status=status)
    if cursor:
        at, item_id = decode_cursor(cursor, instant, UUID)
        found = found.filter(Q(updated_at__lt=at) | Q(updated_at=at, id__lt=item_id))
    limit = max(1, min(limit, MAX_LIMIT))
    rows = list(found.order_by("-updated_at", "-id")[: limit + 1])
    return page_of(rows, limit, lambda item: (item.updated_at.isoformat(), item.id))


def item_for(actor: Actor, space: str, key: str, *, is_visible: bool = False) -> Item:
    """Return one item with its space; it bears `now_at`. With `is_visible`, one that agents may see.

    Raises: NotFoundError, NotAllowedError.
    """
    place = space_for(actor, space)
    found = _items(actor).filter(space=place, key=clean_json(key))
    item = (found.filter(IS_VISIBLE) if is_visible else found).first()
    if item is None:
        raise NotFoundError(f"there is nothing under {key!r} in the space {space!r}", space=space, key=key)
    return item


def revisions_of(actor: Actor, item: Item) -> list[Revision]:
    """Return what the item was, the newest first, at most MAX_REVISIONS."""
    actor.require(Scope.READ)
    return list(
        Revision.objects.filter(item=item, item__team_id=actor.team_id).order_by("-version")[:MAX_REVISIONS]
    )


def revision_at(actor: Actor, item: Item, at: datetime) -> Revision:
    """Return what the item was at that instant. Raises: NotFoundError when there was nothing yet."""
    actor.require(Scope.READ)
    found = Revision.objects.filter(item=item, created_at__lte=at).order_by("-version").first()
    if found is None:
        raise NotFoundError(f"there was nothing under {item.key!r} at {at.isoformat()}")
    return found


def written_by_run(actor: Actor, run_id: UUID) -> list[Item]:
    """Return the items that have a revision by the run, whoever wrote the current one, at most MAX_LIMIT.

    Raises: NotFoundError when there are none and the team has no such run: items may outlive the run that wrote them.
    """
    actor.require(Scope.READ)
    ids = Revision.objects.filter(run_id=run_id).values("item_id")
    found = list(_items(actor).filter(pk__in=ids).order_by("space__slug", "key")[:MAX_LIMIT])
    return found if found or run_for(actor, run_id, also_archived=True) else []


def core_blocks(actor: Actor, spaces: list[Space]) -> list[Item]:
    """Return what every prompt holds: the visible items of these spaces, the pinned and most important first."""
    actor.require(Scope.READ)
    found = _items(actor).filter(IS_VISIBLE, space__in=spaces)
    return list(found.order_by("-is_pinned", "-importance", "key")[:MAX_LIMIT])


def _items(actor: Actor) -> QuerySet[Item]:
    return (
        Item.objects.filter(team_id=actor.team_id, version__gt=0)
        .select_related("space")
        .defer("words")
        .annotate(now_at=Now())
    )
