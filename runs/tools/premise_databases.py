"""Looking at a row of another PostgreSQL, which `PREMISE_DATABASES` names, for the premise `sql_row_hash`."""

import hashlib
import os
import time
from typing import Any

import orjson
import psycopg
from psycopg import sql

from agentops.common.canonical import canonical_bytes, clean_json
from agentops.common.types import JsonValue
from runs.engine.errors import ToolError

CONNECT_SECONDS = 5


def row_hash(
    database: str, table: str, key: dict[str, Any], columns: list[str], deadline: float
) -> JsonValue:
    """Return the SHA-256 of the row's JSON, None where there is no such row.

    The session may only read. Raises: ToolError; psycopg.Error.
    """
    url = _url_of(database)
    query = _query(table, key, columns)
    left_ms = max(1, int((deadline - time.monotonic()) * 1000))
    options = f"-c default_transaction_read_only=on -c statement_timeout={left_ms}"
    with psycopg.connect(
        url, connect_timeout=CONNECT_SECONDS, options=options, autocommit=True
    ) as connection:
        rows = connection.execute(query, list(key.values())).fetchall()
    if len(rows) > 1:
        raise ToolError(
            f"more than one row of {table} has this key; name more columns in it", retryable=False
        )
    return hashlib.sha256(canonical_bytes(clean_json(rows[0][0]))).hexdigest() if rows else None


def _query(table: str, key: dict[str, Any], columns: list[str]) -> sql.Composed:
    wanted = sql.SQL(", ").join(map(sql.Identifier, columns)) if columns else sql.SQL("*")
    where = sql.SQL(" AND ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in key)
    row = sql.SQL("SELECT {} FROM {} WHERE {} LIMIT 2").format(
        wanted, sql.Identifier(*table.split(".")), where
    )
    return sql.SQL("SELECT to_jsonb(r) FROM ({}) AS r").format(row)


def _url_of(database: str) -> str:
    try:
        known = orjson.loads(os.environ.get("PREMISE_DATABASES", "") or "{}")
        url = known.get(database)
    except (ValueError, AttributeError) as error:
        raise ToolError(
            'PREMISE_DATABASES must be JSON such as {"crm": "postgresql://…"}', retryable=False
        ) from error
    if not isinstance(url, str):
        told = ", ".join(sorted(known)) or "none"
        raise ToolError(f"PREMISE_DATABASES names no database {database!r}; it names {told}", retryable=False)
    return url
