"""The benchmark's databases: each contestant gets a fresh one on the same server (psycopg only).

`BENCH_POSTGRES` holds the server's address with `{database}` in the database's place, for a role that may create
databases.
"""

import os
from typing import Any

import psycopg

_USER_TABLES = """
SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
"""


def url(database: str) -> str:
    return os.environ["BENCH_POSTGRES"].format(database=database)


def create(database: str, *, template: str = "template0") -> str:
    """Make the database anew and return its address."""
    drop(database)
    with connect("postgres") as connection:
        connection.execute(f'CREATE DATABASE "{database}" TEMPLATE "{template}"')
    return url(database)


def drop(database: str) -> None:
    with connect("postgres") as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')


def exists(database: str) -> bool:
    with connect("postgres") as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone()
        return found is not None


def connect(database: str, **options: Any) -> psycopg.Connection:
    return psycopg.connect(url(database), autocommit=True, **options)


def wal_bytes(connection: psycopg.Connection) -> int:
    """Return the position in the write-ahead log; differences are what was written in between."""
    row = connection.execute("SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint").fetchone()
    assert row
    return int(row[0])


def disk_bytes(database: str) -> int:
    """Return the size of all tables with indexes and TOAST, after VACUUM ANALYZE and CHECKPOINT."""
    with connect(database) as connection:
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")
        row = connection.execute(_USER_TABLES).fetchone()
        assert row
        return int(row[0])
