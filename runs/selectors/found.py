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
from runs.selectors.walk import Place, walk

SORTED_RUNS = 5_000

_SORTED = """
    SELECT value, id FROM (SELECT coalesce(({value})::numeric, -1) AS value, r.id FROM runs_run r WHERE r.id = ANY(%s)) AS found
    WHERE {behind} ORDER BY value {way}, id {way} LIMIT %s
"""


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
    walked = walk(query.way, behind=None, limit=SORTED_RUNS)
    behind: list[Any] = decode_cursor(cursor, _number, UUID) if cursor else []
    sql = _SORTED.format(
        value=KEYS[query.sort.removeprefix("-")].sort,
        way=way,
        behind=f"(value, id) {sign} (%s, %s)" if behind else "true",
    )
    with connection.cursor() as database:
        database.execute(sql, [[run_id for _at, run_id in walked.places], *behind, limit + 1])
        rows = database.fetchall()
    ends = walked.end or (walked.places[-1] if len(walked.places) == SORTED_RUNS else None)
    return Found([run_id for _value, run_id in rows[:limit]], _next(rows, limit), ends[0] if ends else None)


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
