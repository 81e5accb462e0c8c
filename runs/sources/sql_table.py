"""New rows of a PostgreSQL table that is only added to, such as an outbox.

A transaction that was given a lower number than another may commit after it. So what stood when a look began counts as
read only when every transaction that was writing to the table at that moment has ended, and is read again until then.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
from psycopg import sql

from agentops.common.types import JsonObject, JsonValue
from runs.sources.port import Batch, Found, Place, Reading, SourceError

BATCH = 200
STATEMENT_TIMEOUT_MS = 20_000
CONNECT_TIMEOUT_SECONDS = 10

# An INSERT holds its lock on the table before a number is drawn, and until its transaction ends.
_WRITERS = """
SELECT DISTINCT l.virtualtransaction FROM pg_locks l JOIN pg_database d ON d.oid = l.database
WHERE d.datname = current_database() AND l.relation = %s::regclass
    AND l.mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
"""
_NEWEST = "SELECT {column}::text FROM {table} WHERE {column} IS NOT NULL ORDER BY {column} DESC LIMIT 1"
_FIRST = (
    "SELECT {column}::text, to_jsonb(t) FROM {table} t WHERE {column} IS NOT NULL ORDER BY {column} LIMIT %s"
)
_NEXT = "SELECT {column}::text, to_jsonb(t) FROM {table} t WHERE {column} > %s ORDER BY {column} LIMIT %s"


def read_sql_table(place: Place) -> Reading:
    """Yield the rows in the order of the column that counts up; nothing is written to the database.

    The position is `{"low", "mark", "writers"}`: rows up to `low` are read for good, those up to `mark` are as soon as the
    `writers` have ended.

    Raises: SourceError
    """
    try:
        with _connected(place.secret) as connection:
            yield from _Table(connection, place).look()
    except psycopg.errors.UndefinedTable as error:
        raise SourceError(
            f"there is no table {place.text('table')!r} that this user sees ({_line(error)})"
        ) from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise SourceError(
            f"the user of the connection may not read the table; grant it SELECT ({_line(error)})"
        ) from error
    except psycopg.Error as error:
        raise SourceError(
            f"the database does not answer as it should; check connection, table and column ({_line(error)})"
        ) from error


def _connected(address: str) -> psycopg.Connection[Any]:
    connection = psycopg.connect(address, connect_timeout=CONNECT_TIMEOUT_SECONDS, autocommit=True)
    connection.execute("SET default_transaction_read_only = on")
    connection.execute(f"SET statement_timeout = {STATEMENT_TIMEOUT_MS}")
    return connection


class _Table:
    def __init__(self, connection: psycopg.Connection[Any], place: Place) -> None:
        self._connection = connection
        self._place = place
        name = sql.Identifier(*place.text("table").split("."))
        self._name = name.as_string(connection)
        self._parts = {"table": name, "column": sql.Identifier(place.text("column"))}
        self._refuse_own()

    def look(self) -> Iterator[Batch]:
        """Yield all rows above `low` in batches, then move it."""
        newest, writers = self._newest(), self._writers()
        position = self._place.position
        if not isinstance(position, dict):
            low = None if self._place.settings["from_start"] else newest
            position = {"low": low, "mark": low, "writers": []}
            yield Batch((), position)
        yield from self._rows(position)
        yield Batch((), _moved(position, newest, writers))

    def _rows(self, position: JsonObject) -> Iterator[Batch]:
        at = position["low"]
        while True:
            rows = self._query(_FIRST, BATCH) if at is None else self._query(_NEXT, at, BATCH)
            if rows:
                yield Batch([_found(number, row) for number, row in rows], position)
            if len(rows) < BATCH:
                return
            at = rows[-1][0]

    def _newest(self) -> str | None:
        rows = self._query(_NEWEST)
        return rows[0][0] if rows else None

    def _writers(self) -> list[JsonValue]:
        return sorted(row[0] for row in self._connection.execute(_WRITERS, [self._name]).fetchall())

    def _query(self, text: str, *values: Any) -> list[Any]:
        return self._connection.execute(sql.SQL(text).format(**self._parts), values).fetchall()

    def _refuse_own(self) -> None:
        """Everything of every team stands in the product's own database, and in the catalogue what others may not know."""
        own = self._connection.execute("SELECT to_regclass('public.runs_source') IS NOT NULL").fetchone()
        if own == (True,) or self._place.text("table").split(".")[0] in ("pg_catalog", "information_schema"):
            raise SourceError(
                "the database of this product itself, and catalogues, are no sources; name another one"
            )


def _moved(position: JsonObject, newest: str | None, writers: Sequence[JsonValue]) -> JsonObject:
    """Return the position after all rows above `low` were read, which began after `newest` and `writers` were asked."""
    before = position["writers"]
    still = [one for one in before if one in writers] if isinstance(before, list) else []
    if still:
        return {"low": position["low"], "mark": position["mark"], "writers": still}
    if not writers:
        return {"low": newest, "mark": newest, "writers": []}
    return {"low": position["mark"], "mark": newest, "writers": list(writers)}


def _found(number: str, row: JsonObject) -> Found:
    return Found(number, str(row.get("type") or "row"), row)


def _line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]
