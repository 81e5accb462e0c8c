"""Memory as the API and agents' tools tell of it."""

from django.urls import reverse

from agentops.common.types import JsonObject
from memory import schemas
from memory.engine.kinds import ItemStatus, SpaceKind, Trust, WritePolicy
from memory.models import Item, Revision, Space
from memory.selectors.search import Hit
from memory.services.undo_run import Undone


def space_out(space: Space) -> schemas.SpaceOut:
    return schemas.SpaceOut(
        slug=space.slug, title=space.title, kind=SpaceKind(space.kind), write_policy=WritePolicy(space.write_policy),
        default_ttl_seconds=space.default_ttl_seconds, half_life_days=space.half_life_days, max_items=space.max_items,
        version=space.version, created_at=space.created_at, url=reverse("memory:space", args=[space.slug]),
    )  # fmt: skip


def item_url(item: Item) -> str:
    return reverse("memory:item", args=[item.space.slug, item.key])


def item_out(item: Item) -> schemas.ItemOut:
    return schemas.ItemOut(
        space=item.space.slug, key=item.key, text=item.text, data=item.data, tags=item.tags, importance=item.importance,
        trust=Trust(item.trust), status=ItemStatus(item.status), is_pinned=item.is_pinned, expires_at=item.expires_at,
        version=item.version, written_by=item.written_by, run_id=item.run_id, seq=item.seq, created_at=item.created_at,
        updated_at=item.updated_at, url=item_url(item),
    )  # fmt: skip


def revision_out(revision: Revision) -> schemas.RevisionOut:
    return schemas.RevisionOut(
        version=revision.version, text=revision.text, data=revision.data, tags=revision.tags, importance=revision.importance,
        trust=Trust(revision.trust), status=ItemStatus(revision.status), is_pinned=revision.is_pinned,
        expires_at=revision.expires_at, author=revision.author, run_id=revision.run_id, seq=revision.seq,
        reason=revision.reason, created_at=revision.created_at,
    )  # fmt: skip


def hit_out(hit: Hit, *, with_why: bool) -> schemas.HitOut:
    ranked = hit.ranked
    why = schemas.WhyOut(
        places=dict(ranked.places), fit=ranked.fit, decay=ranked.decay, importance_factor=ranked.importance_factor,
        trust_factor=ranked.trust_factor,
    )  # fmt: skip
    return schemas.HitOut(item=item_out(hit.item), score=ranked.score, why=why if with_why else None)


def undone_out(undone: Undone) -> schemas.UndoneOut:
    return schemas.UndoneOut(
        reverted=[f"{item.space.slug}/{item.key}" for item in undone.reverted],
        kept=[f"{item.space.slug}/{item.key}" for item in undone.kept],
    )


def told(item: Item) -> JsonObject:
    """Return the item as an agent is told of it: how far it may be trusted stands beside the text."""
    return {
        "space": item.space.slug, "key": item.key, "text": item.text, "data": item.data, "tags": list(item.tags),
        "trust": item.trust, "version": item.version, "updated_at": item.updated_at.isoformat(),
    }  # fmt: skip


def found(hit: Hit) -> JsonObject:
    return told(hit.item) | {"score": round(hit.ranked.score, 6)}
