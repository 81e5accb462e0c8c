"""The vectors of items, where PostgreSQL has the extension `vector`; without it a search has its lexical leg alone.

The table is made by hand, because Django's models know nothing of the type, and the product must work without it. It
refers to items without a foreign key, as Django empties its own tables alone; sweep_vectors takes away what is left over.
Source: pgvector 0.8; ADR 20.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import DatabaseError, connection

from agentops.common.transactions import transaction
from memory.engine.embedding import DIMENSIONS, PROFILE, embed

# From 0.8 on an index is walked on until enough of its finds may be seen.
_IS_THERE = "SELECT 1 FROM pg_available_extensions WHERE name = 'vector' AND string_to_array(default_version, '.')::int[] >= '{0,8}'"
_TABLE = f"""
CREATE TABLE IF NOT EXISTS memory_embedding (
    item_id uuid PRIMARY KEY,
    space_id uuid NOT NULL,
    profile varchar(40) NOT NULL,
    embedding halfvec({DIMENSIONS}) NOT NULL
)
"""
_INDEXES = (
    "CREATE INDEX IF NOT EXISTS memory_embedding_space ON memory_embedding (space_id)",
    "CREATE INDEX IF NOT EXISTS memory_embedding_near ON memory_embedding USING hnsw (embedding halfvec_cosine_ops)",
)
_PUT = """
INSERT INTO memory_embedding (item_id, space_id, profile, embedding) VALUES (%s, %s, %s, %s::halfvec)
ON CONFLICT (item_id) DO UPDATE SET profile = EXCLUDED.profile, embedding = EXCLUDED.embedding
"""
# What another writer has put meanwhile is newer.
_PUT_MISSING = f"{_PUT} WHERE memory_embedding.profile <> EXCLUDED.profile"
_MISSING = """
SELECT i.id, i.space_id, i.key, i.text, e.profile IS DISTINCT FROM %(profile)s
FROM (SELECT id, space_id, key, text FROM memory_item WHERE id > %(after)s ORDER BY id LIMIT %(limit)s) i
LEFT JOIN memory_embedding e ON e.item_id = i.id ORDER BY i.id
"""
_SWEEP = (
    "DELETE FROM memory_embedding e WHERE NOT EXISTS (SELECT 1 FROM memory_item i WHERE i.id = e.item_id)"
)
# Few rows are compared one by one: exact, and quicker than a walk of the index that throws most of its finds away.
_FEW = 20_000
_COUNT = "SELECT count(*) FROM (SELECT 1 FROM memory_embedding WHERE space_id = ANY(%s::uuid[]) LIMIT %s) few"
# The order by a sum cannot be had from the index of neighbours.
_NEAR = """
SELECT item_id FROM (
    SELECT e.item_id, e.embedding <=> %(vector)s::halfvec AS distance FROM memory_embedding e JOIN memory_item i ON i.id = e.item_id
    WHERE e.space_id = ANY(%(spaces)s::uuid[]) AND e.profile = %(profile)s AND i.status = 'active' AND (i.expires_at IS NULL OR i.expires_at > now())
        AND i.trust = ANY(%(trusts)s) ORDER BY (e.embedding <=> %(vector)s::halfvec){} LIMIT %(limit)s) nearest
WHERE distance < %(far)s ORDER BY distance
"""
_NEAR_BY_INDEX, _NEAR_OF_FEW = _NEAR.format(""), _NEAR.format(" + 0.0")
# Vectors of letters lie far apart, and a short walk misses many: of the answers among 30,000 items that comparing all finds
# (0.75), it finds 0.37 with 100, 0.60 with 800.
_WALK = "SET LOCAL hnsw.iterative_scan = strict_order; SET LOCAL hnsw.ef_search = 800"
# Farther than this, the texts have hardly a letter group in common.
FAR = 0.85


def set_up() -> bool:
    """Make the extension, the table and its indexes where the server has them; return whether it does."""
    with connection.cursor() as cursor:
        cursor.execute(_IS_THERE)
        if cursor.fetchone() is None:
            return False
    try:
        with transaction(), connection.cursor() as cursor:
            cursor.execute("CREATE EXTENSION IF NOT EXISTS vector")
            cursor.execute(_TABLE)
            for statement in _INDEXES:
                cursor.execute(statement)
    except DatabaseError:  # this role may not make extensions
        return False
    return True


def sweep_vectors() -> int:
    """Take away the vectors of items that are gone; return how many."""
    if not is_available():
        return 0
    with connection.cursor() as cursor:
        cursor.execute(_SWEEP)
        return int(cursor.rowcount)


def is_available() -> bool:
    """Whether this database keeps vectors."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('memory_embedding') IS NOT NULL")
        row = cursor.fetchone()
    return bool(row and row[0])


def put_vector(item_id: UUID, space_id: UUID, text: str) -> None:
    """Keep the vector of the item's text, where vectors are kept."""
    if is_available():
        with connection.cursor() as cursor:
            cursor.execute(_PUT, [item_id, space_id, PROFILE, literal(embed(text))])


def embed_missing(after: UUID, limit: int) -> tuple[UUID | None, int]:
    """Embed what has no vector of this profile among the next `limit` items: it is older than the extension or the profile.

    Returns: the last item looked at, None when there are no more; and how many were embedded.
    """
    if not is_available():
        return None, 0
    with connection.cursor() as cursor:
        cursor.execute(_MISSING, {"after": after, "limit": limit, "profile": PROFILE})
        rows = cursor.fetchall()
        missing = [
            (item_id, space_id, PROFILE, literal(embed(f"{key} {text}")))
            for item_id, space_id, key, text, is_missing in rows
            if is_missing
        ]
        cursor.executemany(_PUT_MISSING, missing)
    return (rows[-1][0] if len(rows) == limit else None), len(missing)


def nearest(text: str, *, spaces: Sequence[UUID], trusts: Sequence[str], limit: int) -> list[UUID]:
    """Return the ids of the visible items whose text is written most like `text`, the nearest first.

    Transaction: opens one, for the setting of the index's walk.
    """
    vector = embed(text)
    if not any(vector) or not is_available():
        return []
    values: dict[str, Any] = {
        "spaces": list(spaces), "trusts": list(trusts), "vector": literal(vector), "limit": limit, "far": FAR, "profile": PROFILE,
    }  # fmt: skip
    with transaction(), connection.cursor() as cursor:
        cursor.execute(_COUNT, [list(spaces), _FEW])
        (n_rows,) = cursor.fetchone()
        if n_rows >= _FEW:
            cursor.execute(_WALK)
        cursor.execute(_NEAR_OF_FEW if n_rows < _FEW else _NEAR_BY_INDEX, values)
        return [row[0] for row in cursor.fetchall()]


def literal(vector: Sequence[float]) -> str:
    """Return the vector as PostgreSQL reads it."""
    return "[" + ",".join(f"{value:.6g}" for value in vector) + "]"
