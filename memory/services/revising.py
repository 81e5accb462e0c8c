"""The one place where an item of memory gets a revision; all writes of memory go through it."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models.functions import Now

from agentops.accounts.roles import Actor
from agentops.common.errors import ConflictError
from agentops.common.transactions import transaction_required
from agentops.common.types import JsonValue
from memory.adapters.vectors import put_vector
from memory.engine.kinds import ItemStatus
from memory.models import Item, Revision, Space

FIELDS = ("text", "data", "tags", "importance", "trust", "status", "is_pinned", "expires_at")


@dataclass(frozen=True, slots=True)
class Content:
    """What an item says: everything that a revision keeps."""

    text: str
    data: JsonValue
    tags: list[str]
    importance: float
    trust: str
    status: str = ItemStatus.ACTIVE
    is_pinned: bool = False
    expires_at: datetime | None = None

    @classmethod
    def of(cls, row: Item | Revision) -> "Content":
        return cls(**{name: getattr(row, name) for name in FIELDS})

    def but(self, **changes: Any) -> "Content":
        return replace(self, **changes)


@dataclass(frozen=True, slots=True)
class Origin:
    """Who writes: a person, or the step of a run, whose call has an idempotency key."""

    author: str
    run_id: UUID | None = None
    seq: int | None = None
    model: str = ""
    write_key: str = ""
    reason: str = field(default="")

    @classmethod
    def of(cls, actor: Actor, reason: str = "") -> "Origin":
        return cls(author=actor.name[:200], reason=reason)


@transaction_required
def locked_item(space: Space, key: str, author: str) -> Item:
    """Return the item under the key, locked; one of version 0, without content, when there was none.

    Locks: the item row. Transaction: the caller's.
    """
    fresh = Item(
        team_id=space.team_id,
        space=space,
        key=key,
        trust="human",
        written_by=author,
        status=ItemStatus.FORGOTTEN,
    )
    Item.objects.bulk_create([fresh], ignore_conflicts=True)
    return Item.objects.select_for_update(of=("self",)).defer("words").get(space=space, key=key)


def already_written(item: Item, origin: Origin) -> bool:
    """Whether this very call has written before: a worker died after the commit, or the call was repeated."""
    return bool(origin.write_key) and Revision.objects.filter(item=item, write_key=origin.write_key).exists()


@transaction_required
def revise(item: Item, content: Content, origin: Origin) -> None:
    """Make `content` the newest revision of the locked item.

    Locks: the item row, by the caller. Transaction: the caller's.
    """
    version = item.version + 1
    values = {name: getattr(content, name) for name in FIELDS}
    Revision.objects.create(
        item=item, version=version, author=origin.author, run_id=origin.run_id, seq=origin.seq, model=origin.model,
        reason=origin.reason[:2000], write_key=origin.write_key, **values,
    )  # fmt: skip
    changed = Item.objects.filter(pk=item.pk, version=item.version).update(
        **values, label=" ".join(content.tags), version=version, run_id=origin.run_id, seq=origin.seq,
        written_by=origin.author, updated_at=Now(), superseded_by=None,
    )  # fmt: skip
    if changed != 1:
        raise ConflictError("it was changed meanwhile; look at it again", key=item.key)
    if content.text != item.text or item.version == 0:
        put_vector(item.pk, item.space_id, f"{item.key} {content.text}")
    item.version = version


def require_version(item: Item, if_version: int | None) -> None:
    """Refuse a write by somebody who saw another version; 0 means that there must be nothing.

    Raises: ConflictError with the version and who wrote it.
    """
    current = 0 if item.status == ItemStatus.FORGOTTEN and if_version == 0 else item.version
    if if_version is not None and if_version != current:
        raise ConflictError(
            f"{item.key!r} is at version {item.version}, written by {item.written_by}, and not at {if_version};"
            " read it again and send its version",
            version=item.version, key=item.key,
        )  # fmt: skip
