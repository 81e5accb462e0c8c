"""Searching memory: by words, by the letters words are made of, and by both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models.functions import Now

from agentops.accounts.roles import Actor, Scope
from memory.adapters import vectors
from memory.engine.kinds import SearchMode, SpaceKind, Trust
from memory.engine.lexemes import plan
from memory.engine.ranking import Ranked, Worth, fuse, within_tokens
from memory.models import Item, Space
from memory.selectors.items import IS_VISIBLE
from memory.selectors.spaces import named_spaces
from runs.services.checks import check_text, misfit

MAX_QUERY_CHARACTERS = 2_000
MAX_HITS = 50
LEG_SIZE = 50
SECONDS_A_DAY = 86_400

_LEXEMES = """
SELECT lexeme FROM unnest(to_tsvector('english', %(query)s)) UNION
SELECT lexeme FROM unnest(to_tsvector('simple', %(query)s)) WHERE ts_lexize('english_stem', lexeme) <> '{}'
"""
_FREQUENCIES = """
SELECT e.lexeme, e.share, c.reltuples FROM pg_class c
LEFT JOIN pg_stats s ON s.schemaname = current_schema() AND s.tablename = 'memory_item' AND s.attname = 'words'
LEFT JOIN LATERAL unnest(s.most_common_elems::text::text[], s.most_common_elem_freqs[1:array_length(s.most_common_elems::text::text[], 1)])
    AS e(lexeme, share) ON e.lexeme = ANY(%(lexemes)s)
WHERE c.oid = 'memory_item'::regclass
"""
# What is ranked is capped: ordering a hundred thousand rows to show fifty helps nobody.
_CANDIDATES = 20_000
_LEXICAL = f"""
SELECT f.id FROM (
    SELECT i.id, i.words FROM memory_item i
    WHERE i.words @@ %(must)s::tsquery AND i.status = 'active' AND i.space_id = ANY(%(spaces)s::uuid[])
        AND (i.expires_at IS NULL OR i.expires_at > now()) AND i.trust = ANY(%(trusts)s) LIMIT {_CANDIDATES}) f
ORDER BY ts_rank_cd('{{0.1, 0.2, 0.6, 1.0}}', f.words, %(query)s::tsquery, 1) DESC, f.id LIMIT %(limit)s
"""  # noqa: S608 -- constants


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
    items = _read(actor, {item_id for ids in legs.values() for item_id in ids})
    seen = {name: [item_id for item_id in ids if item_id in items] for name, ids in legs.items()}
    ranked = fuse(seen, {item_id: _worth(item) for item_id, item in items.items()})[:k]
    ranked = ranked[: within_tokens([items[one.key].text for one in ranked], budget_tokens)]
    return Found([Hit(items[one.key], one) for one in ranked], tuple(legs))


def _legs(query: str, mode: SearchMode, spaces: list[UUID], trusts: list[str]) -> dict[str, list[UUID]]:
    legs: dict[str, list[UUID]] = {}
    has_vectors = mode is not SearchMode.LEXICAL and vectors.is_available()
    if mode is not SearchMode.VECTOR or not has_vectors:
        legs["lexical"] = _lexical(query, spaces, trusts)
    if has_vectors:
        legs["vector"] = vectors.nearest(query, spaces=spaces, trusts=trusts, limit=LEG_SIZE)
    return legs


def _lexical(query: str, spaces: list[UUID], trusts: list[str]) -> list[UUID]:
    with connection.cursor() as cursor:
        cursor.execute(_LEXEMES, {"query": query})
        lexemes = [row[0] for row in cursor.fetchall()]
        if not lexemes:
            return []
        cursor.execute(_FREQUENCIES, {"lexemes": lexemes})
        rows = cursor.fetchall()
        known = plan(lexemes, {row[0]: row[1] for row in rows if row[0]}, max(0.0, rows[0][2]))
        must = _any_of(known.any_of) if known.any_of else " & ".join(map(_quoted, known.all_of))
        values: dict[str, Any] = {
            "must": must, "query": _any_of(lexemes), "spaces": spaces, "trusts": trusts, "limit": LEG_SIZE,
        }  # fmt: skip
        cursor.execute(_LEXICAL, values)
        return [row[0] for row in cursor.fetchall()]


def _any_of(lexemes: Sequence[str]) -> str:
    return " | ".join(map(_quoted, lexemes))


def _quoted(lexeme: str) -> str:
    doubled = lexeme.replace("\\", "\\\\").replace("'", "''")
    return f"'{doubled}'"


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
