"""The tools `sql.query`, `sql.change` and `sql.execute`: databases that the operator names in `SQL_DATABASES`.

`{"shop": "postgresql://…"}` may be read; `{"shop": {"url": "…", "write": true, "teams": ["acme"]}}` may be written, by these
teams alone. A statement comes from a model: that it is one, of this role and in this transaction, is what holds it.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

import orjson
import psycopg
from pydantic import Field

from agentops.accounts.models import Team
from agentops.common.types import JsonObject, JsonValue
from runs.engine.errors import ToolError
from runs.engine.retry import RetryPolicy
from runs.engine.sql_verbs import is_change
from runs.engine.tools import Effect, ToolCall
from runs.tools.registry import tool

CONNECT_SECONDS = 5
MAX_ROWS = 1000
MAX_CELL_CHARACTERS = 10_000
MAX_CHARACTERS = 200_000
RETRY = RetryPolicy(max_attempts=3, first_seconds=0.5, max_seconds=30.0)

Sql = Annotated[str, Field(min_length=1, max_length=20_000)]
Params = Annotated[list[str | int | float | bool | None], Field(max_length=200)]
Rows = Annotated[int, Field(ge=1, le=MAX_ROWS)]


@dataclass(frozen=True, slots=True)
class _Place:
    url: str
    may_write: bool


@tool("sql.query", effect=Effect.READ, timeout_seconds=30.0, retry=RETRY)
def sql_query(
    call: ToolCall, database: str, sql: Sql, params: Params | None = None, max_rows: Rows = 100
) -> JsonObject:
    """Read from a database: one SELECT, in a transaction that may only read. `%s` in it stands for a value of `params`.

    `is_truncated` says that there are more rows, or that long values were cut.
    """
    with _connected(call, database, may_write=False) as connection:
        connection.read_only = True
        # A cursor of the server: of a large result no more is fetched than is shown, and it takes one statement only.
        with connection.cursor(name="q") as cursor:
            cursor.execute(sql, params)
            rows = cursor.fetchmany(max_rows + 1)
            return _told(cursor.description, rows, max_rows)


@tool("sql.change", effect=Effect.WRITE, idempotent=False, timeout_seconds=30.0, retry=RETRY)
def sql_change(call: ToolCall, database: str, sql: Sql, params: Params | None = None) -> JsonObject:
    """Insert or update rows: one INSERT or UPDATE, done whole or not at all. `%s` in it stands for a value of `params`."""
    if not is_change(sql):
        raise ToolError(
            "only INSERT and UPDATE are done here; sql.execute does other statements", code="sql_refused", retryable=False
        )  # fmt: skip
    return _executed(call, database, sql, params)


@tool("sql.execute", effect=Effect.DESTRUCTIVE, idempotent=False, timeout_seconds=30.0, retry=RETRY)
def sql_execute(call: ToolCall, database: str, sql: Sql, params: Params | None = None) -> JsonObject:
    """Execute any one statement, such as DELETE or DDL, whole or not at all. `%s` in it stands for a value of `params`."""
    return _executed(call, database, sql, params)


def _executed(call: ToolCall, database: str, sql: str, params: list[Any] | None) -> JsonObject:
    with _connected(call, database, may_write=True) as connection:
        cursor = connection.execute(sql, params, prepare=True)
        rows = cursor.fetchmany(MAX_ROWS + 1) if cursor.description else []
        told = {"rows_affected": cursor.rowcount, **_told(cursor.description, rows, MAX_ROWS)}
        _committed(connection)
    return told


@contextmanager
def _connected(call: ToolCall, database: str, *, may_write: bool) -> Iterator[psycopg.Connection[Any]]:
    place = _place(call.team_id, database)
    if may_write and not place.may_write:
        raise ToolError(
            f'the database {database!r} may only be read; "write": true in SQL_DATABASES allows more',
            code="sql_refused", retryable=False,
        )  # fmt: skip
    options = f"-c statement_timeout={int(call.timeout_seconds * 1000)}"
    try:
        with psycopg.connect(place.url, connect_timeout=CONNECT_SECONDS, options=options) as connection:
            yield connection
    except psycopg.OperationalError as error:
        is_busy = error.sqlstate is None or error.sqlstate.startswith(("08", "40", "53", "57"))
        raise ToolError(_first_line(error), code="sql_connection", retryable=is_busy) from error
    except psycopg.Error as error:
        raise ToolError(_first_line(error), code="sql_error", retryable=False) from error


def _committed(connection: psycopg.Connection[Any]) -> None:
    """Commit. Raises: ToolError that says nobody knows, when the connection breaks while it does."""
    try:
        connection.commit()
    except psycopg.OperationalError as error:
        raise ToolError(_first_line(error), code="sql_connection", is_outcome_unknown=True) from error


def _place(team_id: UUID, database: str) -> _Place:
    known = {name: told for name, told in _databases().items() if _is_for(team_id, told)}
    told = known.get(database)
    if told is None:
        names = ", ".join(sorted(known)) or "none; the operator names them in SQL_DATABASES"
        raise ToolError(f"there is no database {database!r}; there are {names}", code="sql_unknown", retryable=False)  # fmt: skip
    return _Place(told["url"], told.get("write") is True)


def _databases() -> dict[str, dict[str, Any]]:
    try:
        given = orjson.loads(os.environ.get("SQL_DATABASES", "") or "{}")
        told = {name: it if isinstance(it, dict) else {"url": it} for name, it in given.items()}
    except (ValueError, AttributeError) as error:
        raise ToolError('SQL_DATABASES must be JSON such as {"shop": "postgresql://…"}', code="sql_unknown", retryable=False) from error  # fmt: skip
    return {name: it for name, it in told.items() if isinstance(it.get("url"), str)}


def _is_for(team_id: UUID, told: dict[str, Any]) -> bool:
    teams = told.get("teams")
    return teams is None or Team.objects.filter(pk=team_id, slug__in=teams).exists()


def _told(description: Any, rows: list[Any], most: int) -> JsonObject:
    """Return the rows as JSON, cut to what a model can read."""
    found: list[JsonValue] = []
    left, is_cut = MAX_CHARACTERS, len(rows) > most
    for row in rows[:most]:
        cells = [_cell(value) for value in row]
        left -= sum(len(str(cell)) for cell in cells)
        if left < 0:
            is_cut = True
            break
        is_cut = is_cut or any(isinstance(cell, str) and len(cell) > MAX_CELL_CHARACTERS for cell in cells)
        found.append([cell[:MAX_CELL_CHARACTERS] if isinstance(cell, str) else cell for cell in cells])
    columns: list[JsonValue] = [column.name for column in description or ()]
    return {"columns": columns, "rows": found, "is_truncated": is_cut}


def _cell(value: Any) -> JsonValue:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else str(value)  # noqa: PLR0124 -- NaN is not itself
    if isinstance(value, dict | list):
        return orjson.dumps(value, default=str).decode()
    return bytes(value).hex() if isinstance(value, bytes | memoryview) else str(value)


def _first_line(error: psycopg.Error) -> str:
    return str(error).strip().split("\n", 1)[0][:500]
