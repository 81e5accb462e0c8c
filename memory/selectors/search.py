"""Searching memory: by words, by the letters words are made of, and by both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models.functions import Now

from agentops.accounts.roles import Actor, Scope
from memory.adapters import vectors
from memory.engine.kinds import SearchMode, SpaceKind, Trust
from memory.engine.ranking import LETTERS_WEIGHT, Ranked, Worth, fuse, within_tokens, words_weight
from memory.models import Item, Space
from memory.selectors.items import IS_VISIBLE
from memory.selectors.lexical import by_words
from memory.selectors.spaces import named_spaces
from runs.services.checks import check_text, misfit

MAX_QUERY_CHARACTERS = 2_000
MAX_HITS = 50
LEG_SIZE = 50
SECONDS_A_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Hit:
    """An item found, and what its place is made of."""

    item: Item
    ranked: Ranked[UUID]


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found, and by which legs it looked: without the extension `vector` there is one."""

    hits: list[Hit]
    legs: tuple[str, ...]


def search(
    actor: Actor,
    *,
    query: str,
    spaces: Sequence[str] = (),
    mode: SearchMode = SearchMode.HYBRID,
    k: int = 10,
    min_trust: Trust = Trust.UNTRUSTED,
    budget_tokens: int | None = None,
) -> Found:
    """Return the visible items that fit the query, the best first.

    Args:
        actor: whose team's; needs the scope `read`.
        query: words, or a question; its words are alternatives.
        spaces: names; all of the team's when empty.
        mode: both legs, or one.
        k: how many, 1 to MAX_HITS.
        min_trust: nothing that is worth less.
        budget_tokens: no more than about so many tokens of text, but at least one item.

    Raises: NotAllowedError; NotFoundError for a space; InvalidInputError with pointers.
    """
    actor.require(Scope.READ)
    check_text("/query", query, MAX_QUERY_CHARACTERS)
    if not 1 <= k <= MAX_HITS:
        raise misfit("/k", f"must be 1 to {MAX_HITS}")
    if budget_tokens is not None and budget_tokens < 1:
        raise misfit("/budget_tokens", "must be at least 1")
    places = named_spaces(actor, spaces)
    legs = _legs(
        query, mode, [space.pk for space in places], [t.value for t in Trust if t.is_at_least(min_trust)]
    )
    items = _read(actor, {item_id for leg in legs.values() for item_id in leg})
    seen = {name: {key: weight for key, weight in leg.items() if key in items} for name, leg in legs.items()}
    ranked = fuse(seen, {item_id: _worth(item) for item_id, item in items.items()})[:k]
    ranked = ranked[: within_tokens([items[one.key].text for one in ranked], budget_tokens)]
    return Found([Hit(items[one.key], one) for one in ranked], tuple(legs))


def _legs(
    query: str, mode: SearchMode, spaces: list[UUID], trusts: list[str]
) -> dict[str, dict[UUID, float]]:
    legs: dict[str, dict[UUID, float]] = {}
    has_vectors = mode is not SearchMode.LEXICAL and vectors.is_available()
    if mode is not SearchMode.VECTOR or not has_vectors:
        found = by_words(query, spaces=spaces, trusts=trusts, limit=LEG_SIZE)
        legs["lexical"] = {item_id: words_weight(share) for item_id, share in found}
    if has_vectors:
        near = vectors.nearest(query, spaces=spaces, trusts=trusts, limit=LEG_SIZE)
        legs["vector"] = dict.fromkeys(near, LETTERS_WEIGHT)
    return legs


def _read(actor: Actor, ids: set[UUID]) -> Mapping[UUID, Item]:
    found = Item.objects.filter(IS_VISIBLE, pk__in=ids, team_id=actor.team_id)
    return {item.pk: item for item in found.select_related("space").defer("words").annotate(now_at=Now())}


def _worth(item: Item) -> Worth:
    space: Space = item.space
    fades = SpaceKind(space.kind).fades
    seconds = (item.now_at - item.updated_at).total_seconds()  # type: ignore[attr-defined]  # annotated by _read
    return Worth(
        age_days=seconds / SECONDS_A_DAY,
        importance=item.importance,
        trust=Trust(item.trust),
        is_pinned=item.is_pinned,
        half_life_days=space.half_life_days if fades else None,
    )
