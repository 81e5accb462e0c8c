"""The lexical leg of a search: PostgreSQL's full text, with the rarer words counting for more."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from django.db import connection

from memory.engine.lexemes import MANY_ROWS, distinct, looked_up

_LEXEMES = """
SELECT lexeme, true FROM unnest(to_tsvector('english', %(query)s)) UNION
SELECT lexeme, false FROM unnest(to_tsvector('simple', %(query)s))
    WHERE ts_lexize('english_stem', lexeme) <> '{}' AND lexeme <> ALL (tsvector_to_array(to_tsvector('english', %(query)s)))
ORDER BY 2 DESC, 1
"""
_SHARES = """
SELECT e.lexeme, e.share, c.reltuples FROM pg_class c
LEFT JOIN pg_stats s ON s.schemaname = current_schema() AND s.tablename = 'memory_item' AND s.attname = 'words'
LEFT JOIN LATERAL unnest(s.most_common_elems::text::text[], s.most_common_elem_freqs[1:array_length(s.most_common_elems::text::text[], 1)])
    AS e(lexeme, share) ON e.lexeme = ANY(%(lexemes)s)
WHERE c.oid = 'memory_item'::regclass
"""
# So few items are looked through whole, whatever is common elsewhere.
_FEW = MANY_ROWS
_COUNT = "SELECT count(*) FROM (SELECT 1 FROM memory_item WHERE space_id = ANY(%s::uuid[]) LIMIT %s) few"
# What is ranked is capped: ordering a hundred thousand rows to show fifty helps nobody. A row's bits say which lexemes it has;
# how rare each is among what was found weighs it (Robertson and Spärck Jones). ts_filter unpacks a long text's words once.
_FOUND = f"""
WITH found AS MATERIALIZED (
    SELECT f.id, {{bits}} AS bits, ts_rank('{{{{0.1, 0.2, 0.6, 1.0}}}}', f.words, %(query)s::tsquery, 1) AS nearness
    FROM (SELECT i.id, ts_filter(i.words, '{{{{a,b,c,d}}}}') AS words FROM memory_item i
        WHERE i.words @@ %(must)s::tsquery AND i.status = 'active' AND i.space_id = ANY(%(spaces)s::uuid[])
            AND (i.expires_at IS NULL OR i.expires_at > now()) AND i.trust = ANY(%(trusts)s) LIMIT {MANY_ROWS}) f),
alike AS (SELECT bits, count(*) AS n FROM found GROUP BY bits),
weights AS (
    SELECT place, ln(1 + ((SELECT sum(n) FROM alike) - had + 0.5) / (had + 0.5)) AS weight
    FROM (SELECT place, coalesce(sum(n) FILTER (WHERE (bits >> place) & 1 = 1), 0) AS had
        FROM generate_series(0, %(last)s) AS place CROSS JOIN alike GROUP BY place) counted),
fits AS (SELECT bits, sum(weight) AS fit FROM alike JOIN weights ON (bits >> place) & 1 = 1 GROUP BY bits)
SELECT id, least(1, fit / (SELECT sum(weight) FROM weights WHERE place < %(stems)s))::float8 FROM found JOIN fits USING (bits)
ORDER BY fit + nearness DESC, id LIMIT %(limit)s
"""  # noqa: S608 -- constants


def by_words(
    query: str, *, spaces: Sequence[UUID], trusts: Sequence[str], limit: int
) -> list[tuple[UUID, float]]:
    """Return the visible items that have words of the query, the best first: the id, and the share of the query that it has.

    A word counts by its rareness, one that is nowhere most of all. Shares are from 0 to 1.
    """
    with connection.cursor() as cursor:
        cursor.execute(_LEXEMES, {"query": query})
        rows = cursor.fetchall()
        lexemes = distinct([row[0] for row in rows])
        if not lexemes:
            return []
        wanted = _few(cursor, spaces, lexemes) or _rarest(cursor, lexemes)
        values: dict[str, Any] = {
            "must": _any_of(wanted), "query": _any_of((one,) for one in lexemes), "spaces": list(spaces),
            "trusts": list(trusts), "limit": limit, "last": len(lexemes) - 1, "stems": sum(row[1] for row in rows),
        }  # fmt: skip
        values |= {f"bit{place}": _quoted(lexeme) for place, lexeme in enumerate(lexemes)}
        bits = (
            f"(f.words @@ %(bit{place})s::tsquery)::int::bigint << {place}" for place in range(len(lexemes))
        )
        cursor.execute(_FOUND.format(bits=" | ".join(f"({bit})" for bit in bits)), values)
        return [(item_id, share) for item_id, share in cursor.fetchall()]


def _few(cursor: Any, spaces: Sequence[UUID], lexemes: Sequence[str]) -> list[tuple[str, ...]]:
    cursor.execute(_COUNT, [list(spaces), _FEW])
    (n_rows,) = cursor.fetchone()
    return [(lexeme,) for lexeme in lexemes] if n_rows < _FEW else []


def _rarest(cursor: Any, lexemes: Sequence[str]) -> list[tuple[str, ...]]:
    cursor.execute(_SHARES, {"lexemes": list(lexemes)})
    rows = cursor.fetchall()
    return looked_up(lexemes, {row[0]: row[1] for row in rows if row[0]}, max(0.0, rows[0][2]))


def _any_of(alternatives: Iterable[Sequence[str]]) -> str:
    return " | ".join(f"({' & '.join(map(_quoted, words))})" for words in alternatives)


def _quoted(lexeme: str) -> str:
    doubled = lexeme.replace("\\", "\\\\").replace("'", "''")
    return f"'{doubled}'"
