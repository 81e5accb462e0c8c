"""Insert many runs by one statement, under a parent's fence when they are its children."""

import base64
import json
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import BinaryField, Field
from django.db.models.expressions import DatabaseDefault

from runs.engine.control import LeaseLost
from runs.journal.fence import Lease, execute, persist
from runs.models import Run
from runs.services.insert_run import literal, run_columns

PAGE = 500

# The parent says that it is one: its end must be told to its children. FOR SHARE would do for the fence.
_FENCE = (
    "UPDATE runs_run SET is_parent = true"
    " WHERE id = %(run_id)s AND epoch = %(epoch)s AND status = 'running' RETURNING id"
)


def insert_runs(runs: Sequence[Run], *, under: Lease | None = None) -> int:
    """Return how many rows were made: those whose idempotency keys were not taken.

    They are alike in which columns with a default in the database they give; at most PAGE of them make one statement
    that is quick. With `under`, nothing is inserted unless the lease of the parent holds.

    Raises: LeaseLost.
    Locks: the parent's row. Transaction: none open; one statement.
    """
    if not runs:
        return 0
    rows = [_row(run) for run in runs]
    given = sorted({name for row in rows for name in row})
    params: dict[str, Any] = {"rows": json.dumps([_complete(row, given) for row in rows])}
    if under is not None:
        params |= {"run_id": under.run_id, "epoch": under.epoch}
    found = persist(lambda: execute(_statement(tuple(given), is_fenced=under is not None), params))
    assert found is not None, "counts always come"
    if not found[0]:
        raise LeaseLost
    return int(found[1])


@lru_cache(maxsize=64)
def _statement(given: tuple[str, ...], *, is_fenced: bool) -> str:
    """Return the statement that takes these columns from the rows and writes the defaults of all others as they are."""
    columns = {
        name: (field, default)
        for name, (field, default) in run_columns().items()
        if name in given or not isinstance(default, DatabaseDefault)
    }
    typed = ", ".join(f"{name} {_json_type(columns[name][0])}" for name in given)
    values = [
        _value(name, field) if name in given else literal(field, default)
        for name, (field, default) in columns.items()
    ]
    return (
        f"WITH p AS ({_FENCE if is_fenced else 'SELECT 1'}), i AS (INSERT INTO runs_run ({', '.join(columns)})"  # noqa: S608 -- constants
        f" SELECT {', '.join(values)} FROM jsonb_to_recordset(%(rows)s::jsonb) AS x({typed})"
        " WHERE EXISTS (SELECT 1 FROM p) ON CONFLICT DO NOTHING RETURNING id)"
        " SELECT (SELECT count(*) FROM p), (SELECT count(*) FROM i)"
    )


def _row(run: Run) -> dict[str, Any]:
    """Return the columns that say something."""
    return {
        name: value
        for name, (field, default) in run_columns().items()
        if not isinstance(value := getattr(run, field.attname), DatabaseDefault) and value != default
    }


def _complete(row: dict[str, Any], given: Sequence[str]) -> dict[str, Any]:
    """Return the row as JSON with all of the columns that any row says something in."""
    return {name: _plain(row.get(name, run_columns()[name][1])) for name in given}


def _json_type(field: "Field[Any, Any]") -> str:
    return "text" if isinstance(field, BinaryField) else str(field.db_type(connection))


def _value(name: str, field: "Field[Any, Any]") -> str:
    return f"decode(x.{name}, 'base64')" if isinstance(field, BinaryField) else f"x.{name}"


def _plain(value: Any) -> Any:
    if isinstance(value, bytes | memoryview):
        return base64.b64encode(value).decode()
    return str(value) if isinstance(value, UUID | datetime) else value
