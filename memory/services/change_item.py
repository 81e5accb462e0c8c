"""Change what an item is worth, whether it counts, or bring back what it was."""

from collections.abc import Callable
from uuid import UUID

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import NotFoundError
from agentops.common.transactions import transaction
from memory.engine.kinds import ItemStatus
from memory.models import Item, Revision, Space
from memory.selectors.items import item_for
from memory.selectors.spaces import space_for
from memory.services.revising import Content, Origin, already_written, require_version, revise
from runs.services.checks import check_text


def forget_item(
    *,
    actor: Actor,
    space: str,
    key: str,
    reason: str = "",
    if_version: int | None = None,
    origin: Origin | None = None,
) -> Item:
    """Return the item, which no search finds any more; its history stays, and it can be restored.

    Raises: NotAllowedError; NotFoundError; InvalidInputError; ConflictError. Locks: the item row. Transaction: opens one.
    """
    return _change(
        actor,
        space,
        key,
        lambda content: content.but(status=ItemStatus.FORGOTTEN),
        reason,
        if_version,
        origin,
    )


def accept_item(
    *, actor: Actor, space: str, key: str, reason: str = "", if_version: int | None = None
) -> Item:
    """Return the item, which counts from now on: a person has looked at what an agent wrote.

    Raises: as forget_item.
    """
    return _change(
        actor, space, key, lambda content: content.but(status=ItemStatus.ACTIVE), reason, if_version
    )


def pin_item(*, actor: Actor, space: str, key: str, is_pinned: bool, if_version: int | None = None) -> Item:
    """Return the item, pinned or not. Raises: as forget_item."""
    return _change(actor, space, key, lambda content: content.but(is_pinned=is_pinned), "", if_version)


def restore_item(
    *, actor: Actor, space: str, key: str, version: int, reason: str = "", if_version: int | None = None
) -> Item:
    """Return the item with what it said at `version`, as a new revision.

    Raises: as forget_item; NotFoundError also for a version that is not there.
    """
    item = item_for(actor, space, key)
    then = Revision.objects.filter(item=item, version=version).first()
    if then is None:
        raise NotFoundError(
            f"{key!r} has no version {version}; it is at {item.version}", version=item.version
        )
    told = reason or f"as it was at version {version}"
    return _change(actor, space, key, lambda _: Content.of(then).but(expires_at=None), told, if_version)


def supersede_item(
    *, actor: Actor, space: str, key: str, by: str, reason: str = "", if_version: int | None = None
) -> Item:
    """Return the item, which another one of the space now stands for; it is found no more, and says what took its place.

    Raises: as forget_item; NotFoundError also when `by` is not there.
    """
    successor = item_for(actor, space, by, is_visible=True)
    item = _change(
        actor,
        space,
        key,
        lambda content: content.but(status=ItemStatus.SUPERSEDED),
        reason or f"see {by}",
        if_version,
    )
    Item.objects.filter(pk=item.pk, version=item.version).update(superseded_by=successor)
    return item_for(actor, space, key)


def _change(
    actor: Actor,
    space: str,
    key: str,
    change: Callable[[Content], Content],
    reason: str,
    if_version: int | None,
    origin: Origin | None = None,
) -> Item:
    actor.require(Scope.RUN)
    if reason:
        check_text("/reason", reason, 2000)
    place = space_for(actor, space)
    written = origin or Origin.of(actor, reason)
    with transaction():
        item = _locked(place, item_for(actor, space, key).pk)
        if not already_written(item, written):
            require_version(item, if_version)
            revise(item, change(Content.of(item)), written)
    return item_for(actor, space, key)


def _locked(space: Space, item_id: UUID) -> Item:
    return Item.objects.select_for_update(of=("self",)).defer("words").get(pk=item_id, space=space)
