"""Walks along the runs of a team in the order of an index, that look at a bounded number of rows.

A condition that no index answers may hold for few runs among very many. A walk looks at the newest rows only; when
they do not fill the page, conditions that an index answers by itself (`rare`) are looked up whole, and a longer walk
comes last. Where that ends before the runs do, the page says how far it looked, and its cursor goes on from there.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.backends.utils import CursorWrapper

from agentops.common.transactions import transaction
from runs.search.sql import Condition, Hints

SHORT_WALK = 1_000
LONG_WALK = 20_000
COSTLY_WALK = 2_000
RARE_RUNS = 10_000
SURELY_MANY_RUNS = 50_000  # the planner's estimate may be wrong by a few times
# Of the planner's units, about a tenth of a second: many rows that must be looked at again one by one, such as for a phrase.
SURELY_SLOW_COST = 10_000
STATEMENT_MS = 3_000
BULK_STATUS = "succeeded"  # most runs end so; the index by status is no help to find few among them

Place = tuple[datetime, UUID]

_ARM = """
    SELECT r.id, r.created_at{also} FROM (
        SELECT * FROM runs_run WHERE team_id = %s{within} ORDER BY created_at {way}, id {way} LIMIT %s
    ) AS r WHERE {condition} ORDER BY r.created_at {way}, r.id {way} LIMIT %s
"""
_END = "SELECT created_at, id FROM runs_run WHERE team_id = %s{within} ORDER BY created_at {way}, id {way} LIMIT %s"


@dataclass(frozen=True, slots=True)
class Way:
    """Which runs of a team to look at, and in which order."""

    team_id: UUID
    condition: Condition
    agent_ids: tuple[UUID, ...] | None = None
    is_oldest_first: bool = False

    @property
    def hints(self) -> Hints:
        return self.condition.hints

    @property
    def arms(self) -> list[tuple[str, Any]]:
        """Return the starts that an index of its own has: one for each agent or status, or one for all runs."""
        statuses = self.hints.statuses
        if statuses is not None and (self.agent_ids is None or BULK_STATUS not in statuses):
            return [(" AND status = %s", status) for status in sorted(statuses)]
        if self.agent_ids is not None:
            return [(" AND agent_id = %s", agent_id) for agent_id in self.agent_ids]
        return [("", None)]

    @property
    def is_exact(self) -> bool:
        """Return whether the indexes answer all of the condition."""
        return self.condition.is_exact and (self.hints.statuses is None or self.agent_ids is None)


@dataclass(frozen=True, slots=True)
class Walked:
    """The places of runs that were found, in their order; `end` is how far was looked, None when all the way."""

    places: list[Place]
    end: Place | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """The newest runs that were found; `is_all`: there are no others."""

    places: list[Place]
    is_all: bool


def walk(way: Way, *, behind: Place | None, limit: int) -> Walked:
    """Return up to `limit` runs behind a place, by the shortest way that fills the page."""
    if way.is_exact:
        return _walked(way, behind, limit, limit)
    short = _walked(way, behind, limit, SHORT_WALK)
    if len(short.places) == limit or short.end is None:
        return short
    found = rare_runs(way)
    if found is not None:
        rest = [place for place in found if behind is None or _is_behind(way, place, behind)]
        return Walked(rest[:limit])
    return _walked(way, behind, limit, COSTLY_WALK if way.condition.is_costly else LONG_WALK)


def sample(way: Way) -> Sample:
    """Return the newest runs: all there are, when an index finds few enough."""
    short = _walked(way, None, SHORT_WALK, SHORT_WALK)
    if len(short.places) < SHORT_WALK and short.end is None:
        return Sample(short.places, is_all=True)
    if (found := rare_runs(way)) is not None:
        return Sample(found, is_all=True)
    if short.places or way.is_exact:
        return Sample(short.places, is_all=False)
    longer = _walked(way, None, SHORT_WALK, COSTLY_WALK if way.condition.is_costly else LONG_WALK)
    return Sample(longer.places, is_all=len(longer.places) < SHORT_WALK and longer.end is None)


def rare_runs(way: Way) -> list[Place] | None:
    """Return all the runs in their order, when an index answers a part of the condition and they are few enough.

    Transaction: opens one, so that the planner's choice and the time-out are this statement's own.
    """
    if not way.hints.rare:
        return None
    where = f"r.team_id = %s AND {way.condition.text}"
    sql = f"SELECT r.created_at, r.id FROM runs_run r WHERE {where}"  # noqa: S608 -- values are bound
    limited, params = f"{sql} LIMIT %s", [way.team_id, *way.condition.params, RARE_RUNS + 1]
    with transaction(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('enable_seqscan', 'off', true), set_config('statement_timeout', %s, true)",
            [str(STATEMENT_MS)],
        )
        if not _is_worth_it(cursor, limited, params):
            return None
        cursor.execute(limited, params)
        places = cursor.fetchall()
    if len(places) > RARE_RUNS:
        return None
    return sorted(places, reverse=not way.is_oldest_first)


def _is_worth_it(cursor: CursorWrapper, limited: str, params: list[Any]) -> bool:
    """Return whether the planner expects few rows for little: where a word is common, fetching them only to see that is slow."""
    cursor.execute(f"EXPLAIN (FORMAT JSON) {limited}", params)
    told = cursor.fetchone()[0]
    [plan] = json.loads(told) if isinstance(told, str) else told
    limit = plan["Plan"]
    n_rows = limit.get("Plans", [limit])[0]["Plan Rows"]
    return bool(n_rows <= SURELY_MANY_RUNS and limit["Total Cost"] <= SURELY_SLOW_COST)


def _walked(way: Way, behind: Place | None, limit: int, n_rows: int) -> Walked:
    """Return the runs that a walk over `n_rows` rows of each arm finds."""
    places = _places(way, behind, limit, n_rows)
    if way.is_exact or (len(way.arms) == 1 and len(places) == limit):
        return Walked(places)
    end = _end(way, behind, n_rows)
    if end is None:
        return Walked(places)
    sure = [place for place in places if place == end or not _is_behind(way, place, end)]
    return Walked(sure) if len(sure) == limit else Walked(sure, end)


def _places(way: Way, behind: Place | None, limit: int, n_rows: int) -> list[Place]:
    if not way.arms:
        return []
    sql, params = _statement(way, behind, limit, n_rows)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT created_at, id FROM ({sql}) AS found", params)  # noqa: S608 -- values are bound
        return list(cursor.fetchall())


def exact_rows(way: Way, value: str, limit: int) -> tuple[str, list[Any]]:
    """Return the SQL, with its parameters, of the newest rows `(id, created_at, value)` that an exact way with arms finds.

    `value` is SQL over a run `r`.
    """
    return _statement(way, None, limit, limit, also=f", {value} AS value")


def _statement(
    way: Way, behind: Place | None, limit: int, n_rows: int, *, also: str = ""
) -> tuple[str, list[Any]]:
    parts, params = [], []
    for within, bound in _within(way, behind):
        arm = _ARM.format(within=within, way=_word(way), condition=way.condition.text, also=also)
        parts.append(f"({arm})")
        params += [way.team_id, *bound, n_rows, *way.condition.params, limit]
    order = f"ORDER BY created_at {_word(way)}, id {_word(way)} LIMIT %s"
    return f"SELECT * FROM ({' UNION ALL '.join(parts)}) AS arms {order}", [*params, limit]  # noqa: S608 -- values are bound


def _end(way: Way, behind: Place | None, n_rows: int) -> Place | None:
    """Return the first place at which one of the arms stopped looking; None when all came to their ends."""
    ends = []
    with connection.cursor() as cursor:
        for within, bound in _within(way, behind):
            sql = _END.format(within=within, way=_word(way))
            back = _word(way, is_back=True)
            last = f"SELECT count(*) OVER (), created_at, id FROM ({sql}) AS w ORDER BY created_at {back}, id {back} LIMIT 1"  # noqa: S608 -- values are bound
            cursor.execute(last, [way.team_id, *bound, n_rows])
            row = cursor.fetchone()
            if row and row[0] == n_rows:
                ends.append((row[1], row[2]))
    return (min(ends) if way.is_oldest_first else max(ends)) if ends else None


def _within(way: Way, behind: Place | None) -> Iterator[tuple[str, list[Any]]]:
    """Yield the part of the WHERE that each arm's index answers, with its parameters."""
    for arm, value in way.arms:
        text, params = arm, [] if value is None else [value]
        for condition, bound in (
            (" AND created_at >= %s", way.hints.since),
            (" AND created_at < %s", way.hints.until),
        ):
            text, params = (text + condition, [*params, bound]) if bound else (text, params)
        if behind:
            text, params = (
                f"{text} AND (created_at, id) {'>' if way.is_oldest_first else '<'} (%s, %s)",
                [*params, *behind],
            )
        yield text, params


def _word(way: Way, *, is_back: bool = False) -> str:
    return "ASC" if way.is_oldest_first != is_back else "DESC"


def _is_behind(way: Way, place: Place, other: Place) -> bool:
    return place > other if way.is_oldest_first else place < other
