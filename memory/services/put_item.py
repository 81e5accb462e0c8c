"""Remember something."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from agentops.accounts.roles import Actor, Scope
from agentops.common.canonical import canonical_bytes
from agentops.common.errors import NotAllowedError
from agentops.common.transactions import transaction, transaction_required
from memory.engine.kinds import ItemStatus, SpaceKind, Trust, WritePolicy
from memory.models import Item, Space
from memory.selectors.items import item_for
from memory.selectors.spaces import space_for
from memory.services.revising import Content, Origin, already_written, locked_item, require_version, revise
from memory.services.space_checks import MAX_TTL_SECONDS
from runs.selectors.schedules import database_now
from runs.services.checks import check_tags, check_text, cleaned, misfit

MAX_TEXT_CHARACTERS = 100_000
MAX_DATA_BYTES = 256 * 1024
MAX_KEY_CHARACTERS = 200
RESERVED_KEYS = frozenset({".", "..", "new-item"})


def put_item(  # noqa: PLR0913 -- the fields of the contract's request, keyword-only
    *,
    actor: Actor,
    space: str,
    key: str,
    text: str,
    data: Any = None,
    tags: Sequence[str] = (),
    importance: float = 0.5,
    trust: Trust = Trust.HUMAN,
    is_pinned: bool = False,
    ttl_seconds: float | None = None,
    if_version: int | None = None,
    origin: Origin | None = None,
    reason: str = "",
) -> Item:
    """Return the item under the key, with this content as its newest revision.

    Args:
        actor: whose team's; needs the scope `run`.
        space: the name of a space.
        key: what it is found by, once in the space.
        text: what is searched and shown to models.
        data: JSON beside it.
        tags: words that it is found by, too.
        importance: from 0 to 1.
        trust: of where it comes from.
        is_pinned: neither fades nor is forgotten to make room.
        ttl_seconds: it is gone after so long; the space's when None.
        if_version: the version that the writer saw, 0 for none.
        origin: the step of a run that writes; the actor when None.
        reason: for the history.

    Raises: NotAllowedError, also where agents may not write; NotFoundError for the space; InvalidInputError with pointers;
        ConflictError when it is at another version.
    Locks: the item row. Transaction: opens one.
    """
    actor.require(Scope.RUN)
    place = space_for(actor, space)
    written = origin or Origin.of(actor, reason)
    content = _checked(key, text, data, tags, importance, trust).but(is_pinned=is_pinned)
    content = content.but(status=_status(place, written), expires_at=_expiry(place, ttl_seconds))
    with transaction():
        item = locked_item(place, key, written.author)
        if not already_written(item, written):
            require_version(item, if_version)
            revise(item, content, written)
            _make_room(place, item, written)
    return item_for(actor, space, key)


def check_key(key: str) -> None:
    """Refuse what cannot stand in an address as one part of it."""
    check_text("/key", key, MAX_KEY_CHARACTERS)
    if "/" in key or key in RESERVED_KEYS:
        raise misfit("/key", f"must not hold a slash, nor be one of {', '.join(sorted(RESERVED_KEYS))}")


def _checked(key: str, text: str, data: Any, tags: Sequence[str], importance: float, trust: Trust) -> Content:
    check_key(key)
    check_text("/text", text, MAX_TEXT_CHARACTERS)
    check_tags(tags)
    stored = cleaned(data, what="the data")
    if len(canonical_bytes(stored)) > MAX_DATA_BYTES:
        raise misfit(
            "/data",
            f"must have at most {MAX_DATA_BYTES:,} bytes as JSON; store a file and remember where it is",
        )
    if isinstance(importance, bool) or not 0.0 <= importance <= 1.0:
        raise misfit("/importance", "must be from 0 to 1")
    return Content(
        text=text, data=stored, tags=list(dict.fromkeys(tags)), importance=float(importance), trust=trust
    )


def _status(space: Space, origin: Origin) -> ItemStatus:
    """Return what becomes of the write: an agent's may have to wait for a person."""
    if origin.run_id is None or space.write_policy == WritePolicy.OPEN:
        return ItemStatus.ACTIVE
    if space.write_policy == WritePolicy.CLOSED:
        raise NotAllowedError(
            f"agents may not write to the space {space.slug!r}; a person may, or an admin opens it"
        )
    return ItemStatus.QUARANTINED


def _expiry(space: Space, ttl_seconds: float | None) -> datetime | None:
    seconds = space.default_ttl_seconds if ttl_seconds is None else ttl_seconds
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not 0 < seconds <= MAX_TTL_SECONDS:
        raise misfit("/ttl_seconds", f"must be more than 0 and at most {MAX_TTL_SECONDS:,}")
    return database_now() + timedelta(seconds=seconds)


@transaction_required
def _make_room(space: Space, written: Item, origin: Origin) -> None:
    """Forget the least of a space that has become too full: never what is pinned, nor what has just been written."""
    if space.max_items is None or SpaceKind(space.kind) is SpaceKind.CORE:
        return
    active = Item.objects.filter(space=space, status=ItemStatus.ACTIVE)
    surplus = active.count() - space.max_items
    if surplus <= 0:
        return
    least = active.filter(is_pinned=False).exclude(pk=written.pk).order_by("importance", "updated_at")
    for item in least.select_for_update(skip_locked=True).defer("words")[: min(surplus, 100)]:
        evicted = Origin(author=origin.author, reason=f"the space holds at most {space.max_items:,} items")
        revise(item, Content.of(item).but(status=ItemStatus.FORGOTTEN), evicted)
