"""Pages of what a query finds, in the order it asks for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from django.db import connection

from runs.search.compiler import NEWEST_FIRST
from runs.search.registry import KEYS
from runs.selectors.paging import decode_cursor, encode_cursor, instant
from runs.selectors.run_query import RunQuery
from runs.selectors.walk import Place, Way, exact_rows, walk

SORTED_RUNS = 5_000

_VALUE = "coalesce(({})::numeric, -1)"
_SORTED = """
    WITH found AS MATERIALIZED ({matching})
    SELECT value, id, (SELECT count(*) FROM found), (SELECT min(created_at) FROM found) FROM found
    WHERE {behind} ORDER BY value {way}, id {way} LIMIT %s
"""
_THESE = "SELECT r.id, r.created_at, {value} AS value FROM runs_run r WHERE r.id = ANY(%s)"


@dataclass(frozen=True, slots=True)
class Found:
    """The ids of a page in their order.

    `looked_back_to` is when the last run was created that was looked at, where that was not all of them.
    """

    ids: list[UUID]
    next_cursor: str | None
    looked_back_to: datetime | None = None


def found_runs(query: RunQuery, *, cursor: str = "", limit: int) -> Found:
    """Return a page. Raises: BadQueryError for a cursor of another list."""
    return _by_time(query, cursor, limit) if query.sort == NEWEST_FIRST else _by_value(query, cursor, limit)


def _by_time(query: RunQuery, cursor: str, limit: int) -> Found:
    behind: Place | None = None
    if cursor:
        created_at, run_id = decode_cursor(cursor, instant, UUID)
        behind = created_at, run_id
    walked = walk(query.way, behind=behind, limit=limit + 1)
    shown = walked.places[:limit]
    last = shown[-1] if len(walked.places) > limit else walked.end
    looked = walked.end[0] if walked.end and last is walked.end else None
    return Found(
        [run_id for _at, run_id in shown],
        encode_cursor((last[0].isoformat(), last[1])) if last else None,
        looked,
    )


def _by_value(query: RunQuery, cursor: str, limit: int) -> Found:
    """Sort the newest runs that match, at most SORTED_RUNS: no index holds what changes with every step."""
    is_largest_first = query.sort.startswith("-")
    way, sign = ("DESC", "<") if is_largest_first else ("ASC", ">")
    value = _VALUE.format(KEYS[query.sort.removeprefix("-")].sort)
    matching, params, looked_back_to = _newest(query.way, value)
    behind: list[Any] = decode_cursor(cursor, _number, UUID) if cursor else []
    sql = _SORTED.format(
        matching=matching, way=way, behind=f"(value, id) {sign} (%s, %s)" if behind else "true"
    )
    with connection.cursor() as database:
        database.execute(sql, [*params, *behind, limit + 1])
        found = database.fetchall()
    rows = [(number, run_id) for number, run_id, _n_found, _oldest in found]
    if found and found[0][2] == SORTED_RUNS:
        looked_back_to = looked_back_to or found[0][3]
    return Found([run_id for _number, run_id in rows[:limit]], _next(rows, limit), looked_back_to)


def _newest(way: Way, value: str) -> tuple[str, list[Any], datetime | None]:
    """Return the SQL of the newest runs with their values, its parameters, and where a walk to them gave up."""
    if way.is_exact and way.arms:
        return *exact_rows(way, value, SORTED_RUNS), None
    walked = walk(way, behind=None, limit=SORTED_RUNS)
    ids = [run_id for _at, run_id in walked.places]
    return _THESE.format(value=value), [ids], walked.end[0] if walked.end else None


def _next(rows: Sequence[tuple[Decimal, UUID]], limit: int) -> str | None:
    return encode_cursor(rows[limit - 1]) if len(rows) > limit else None


def _number(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite():
        raise ValueError("not a number")
    return number
