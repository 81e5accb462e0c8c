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

_IS_THERE = "SELECT 1 FROM pg_available_extensions WHERE name = 'vector'"
_TABLE = f"""
CREATE TABLE IF NOT EXISTS memory_embedding (
    item_id uuid PRIMARY KEY,
    space_id uuid NOT NULL,
    profile varchar(40) NOT NULL,
    embedding vector({DIMENSIONS}) NOT NULL
)
"""
_INDEXES = (
    "CREATE INDEX IF NOT EXISTS memory_embedding_space ON memory_embedding (space_id)",
    "CREATE INDEX IF NOT EXISTS memory_embedding_near ON memory_embedding USING hnsw (embedding vector_cosine_ops)",
)
_PUT = """
INSERT INTO memory_embedding (item_id, space_id, profile, embedding) VALUES (%s, %s, %s, %s::vector)
ON CONFLICT (item_id) DO UPDATE SET profile = EXCLUDED.profile, embedding = EXCLUDED.embedding
"""
_SWEEP = (
    "DELETE FROM memory_embedding e WHERE NOT EXISTS (SELECT 1 FROM memory_item i WHERE i.id = e.item_id)"
)
# Few rows are compared one by one: exact, and quicker than a walk of the index that throws most of its finds away.
_FEW = 20_000
_COUNT = "SELECT count(*) FROM (SELECT 1 FROM memory_embedding WHERE space_id = ANY(%s::uuid[]) LIMIT %s) few"
_NEAR = """
SELECT e.item_id FROM memory_embedding e JOIN memory_item i ON i.id = e.item_id
WHERE e.space_id = ANY(%(spaces)s::uuid[]) AND i.status = 'active' AND (i.expires_at IS NULL OR i.expires_at > now())
    AND i.trust = ANY(%(trusts)s) AND e.embedding <=> %(vector)s::vector < %(far)s
ORDER BY e.embedding <=> %(vector)s::vector LIMIT %(limit)s
"""
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
            cursor.execute(_PUT, [item_id, space_id, PROFILE, _literal(embed(text))])


def nearest(text: str, *, spaces: Sequence[UUID], trusts: Sequence[str], limit: int) -> list[UUID]:
    """Return the ids of the visible items whose text is written most like `text`, the nearest first.

    Transaction: opens one, for the setting of the index's walk.
    """
    vector = embed(text)
    if not any(vector) or not is_available():
        return []
    values: dict[str, Any] = {
        "spaces": list(spaces), "trusts": list(trusts), "vector": _literal(vector), "limit": limit, "far": FAR,
    }  # fmt: skip
    with transaction(), connection.cursor() as cursor:
        cursor.execute(_COUNT, [list(spaces), _FEW])
        (n_rows,) = cursor.fetchone()
        if n_rows < _FEW:
            cursor.execute("SET LOCAL enable_indexscan = off")
        else:
            cursor.execute("SET LOCAL hnsw.iterative_scan = strict_order")
        cursor.execute(_NEAR, values)
        return [row[0] for row in cursor.fetchall()]


def _literal(vector: Sequence[float]) -> str:
    return "[" + ",".join(f"{value:.6g}" for value in vector) + "]"
