"""The outside world: a table of its own connection that honours idempotency keys and counts what is asked of it.

`asked` has a row per call; `applied` has a row per key, so an effect applied twice would be a second key for the
same entry.
"""

import os
from typing import Any

import psycopg

from runs.engine.tools import ToolCall

SCHEMA = """
CREATE TABLE IF NOT EXISTS outside_asked (id bigserial PRIMARY KEY, key text, entry text, at timestamptz DEFAULT now());
CREATE TABLE IF NOT EXISTS outside_applied (key text PRIMARY KEY, entry text, at timestamptz DEFAULT now());
CREATE TABLE IF NOT EXISTS outside_gate (is_open bool);
"""


def dsn() -> str:
    """Return the connection of the database that the code under test uses, or of `LEDGER_DSN`."""
    if elsewhere := os.environ.get("LEDGER_DSN"):
        return elsewhere
    from django.db import connection
    from psycopg.conninfo import make_conninfo

    given = connection.get_connection_params()
    return make_conninfo(
        "", **{k: given[k] for k in ("host", "port", "user", "password", "dbname") if given.get(k)}
    )


def create() -> None:
    with psycopg.connect(dsn(), autocommit=True) as connection:
        connection.execute(SCHEMA)
        connection.execute("TRUNCATE outside_asked, outside_applied, outside_gate")


def write_entry(call: ToolCall, entry: str) -> dict[str, Any]:
    """Apply an entry once per key; say whether it was new."""
    with psycopg.connect(dsn(), autocommit=True) as connection:
        connection.execute(
            "INSERT INTO outside_asked (key, entry) VALUES (%s, %s)", (call.idempotency_key, entry)
        )
        applied = connection.execute(
            "INSERT INTO outside_applied (key, entry) VALUES (%s, %s) ON CONFLICT DO NOTHING",
            (call.idempotency_key, entry),
        )
        return {"applied": applied.rowcount == 1}


def entries() -> list[tuple[str, int]]:
    """Return each entry with how often it was applied, under whatever keys."""
    with psycopg.connect(dsn(), autocommit=True) as connection:
        return connection.execute(
            "SELECT entry, count(*) FROM outside_applied GROUP BY 1 ORDER BY 1"
        ).fetchall()


def allow_success() -> None:
    with psycopg.connect(dsn(), autocommit=True) as connection:
        connection.execute("INSERT INTO outside_gate VALUES (true)")


def may_succeed() -> bool:
    with psycopg.connect(dsn(), autocommit=True) as connection:
        return connection.execute("SELECT 1 FROM outside_gate").fetchone() is not None


def n_asked() -> int:
    with psycopg.connect(dsn(), autocommit=True) as connection:
        row = connection.execute("SELECT count(*) FROM outside_asked").fetchone()
        assert row
        return int(row[0])
