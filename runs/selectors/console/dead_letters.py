"""Reads about failed runs, grouped by what failed: error code, node and agent.

Every read goes along the index of the team's failed runs, newest first, and looks at no more than WINDOW_RUNS of
them, so that a page costs the same however many there are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models.functions import Now

from agentops.accounts.roles import Actor, Scope
from runs.engine.states import RunStatus
from runs.models import Agent, Run
from runs.selectors.paging import Page, decode_cursor, encode_cursor, instant, page_of
from runs.selectors.runs import runs_of

WINDOW_RUNS = 1000
GROUPS_A_PAGE = 40
SHOWN_RUNS = 3
COUNT_CAP = 99

_WINDOW = """
    SELECT id, agent_id, created_at, ended_at, coalesce(error->>'code', '') AS code, coalesce(error->>'node', '') AS node
    FROM runs_run WHERE team_id = %(team_id)s AND status = 'failed' AND (created_at, id) < (%(before_at)s, %(before_id)s)
    ORDER BY created_at DESC, id DESC LIMIT %(limit)s
"""
_GROUPS = f"""
    WITH w AS ({_WINDOW})
    SELECT agent_id, code, node, count(*), max(ended_at), (array_agg(id ORDER BY created_at DESC, id DESC))[1:%(shown)s],
        (array_agg(created_at ORDER BY created_at DESC, id DESC))[1], (SELECT count(*) FROM w),
        (SELECT created_at FROM w ORDER BY created_at, id LIMIT 1), (SELECT id FROM w ORDER BY created_at, id LIMIT 1)
    FROM w GROUP BY agent_id, code, node ORDER BY 7 DESC, 6 DESC
"""  # noqa: S608 -- put together from constants
_COUNT = """
    SELECT count(*) FROM (SELECT 1 FROM runs_run WHERE team_id = %s AND status = 'failed' LIMIT %s) AS capped
"""
_END_OF_TIME = "infinity"
_LAST_ID = UUID(int=(1 << 128) - 1)


class _Row(NamedTuple):
    """A group as the database gives it; `window_*` are of all the runs that the page looked at."""

    agent_id: UUID
    code: str
    node: str
    n_runs: int
    last_at: datetime
    newest: list[UUID]
    newest_at: datetime
    n_window: int
    oldest_at: datetime
    oldest_id: UUID


class Fingerprint(NamedTuple):
    """What failed runs have in common."""

    agent: str
    code: str
    node: str


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """Failed runs of one fingerprint: how many, when the last one failed, and the newest of them."""

    fingerprint: Fingerprint
    n_runs: int
    last_at: datetime
    newest: list[Run]


def dead_letters_for(actor: Actor, *, cursor: str = "") -> Page[DeadLetters]:
    """Return a page of groups, the one with the newest run first.

    A page looks at WINDOW_RUNS failed runs; a group that reaches beyond stands on the next page with the rest.

    Raises: BadQueryError
    """
    actor.require(Scope.READ)
    rows = _groups(actor, cursor)
    shown = rows[:GROUPS_A_PAGE]
    runs = _runs(actor, [run_id for row in shown for run_id in row.newest])
    items = [
        DeadLetters(Fingerprint(newest[0].agent.slug, row.code, row.node), row.n_runs, row.last_at, newest)
        for row in shown
        if (newest := [runs[run_id] for run_id in row.newest if run_id in runs])
    ]
    return Page(items, _next_cursor(rows))


def dead_runs_for(actor: Actor, fingerprint: Fingerprint, *, cursor: str = "", limit: int) -> Page[Run]:
    """Return a page of the failed runs with a fingerprint, newest first, with `error` and counters.

    Raises: BadQueryError
    """
    found = runs_of(actor).filter(status=RunStatus.FAILED, **_of_error(fingerprint))
    agents = Agent.objects.filter(team_id=actor.team_id, slug=fingerprint.agent).values_list("id", flat=True)
    found = found.filter(agent_id__in=list(agents))
    if cursor:
        created_at, run_id = decode_cursor(cursor, instant, UUID)
        found = found.extra(
            where=["(runs_run.created_at, runs_run.id) < (%s, %s)"], params=[created_at, run_id]
        )
    ids = found.order_by("-created_at", "-id").values_list("id", "created_at")[: limit + 1]
    page = page_of(list(ids), limit, lambda row: (row[1].isoformat(), row[0]))
    runs = _runs(actor, [run_id for run_id, _ in page.items])
    return Page([runs[run_id] for run_id, _ in page.items if run_id in runs], page.next_cursor)


def n_dead_letters(actor: Actor) -> int:
    """Return how many failed runs the team has; COUNT_CAP + 1 means that many or more."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, [actor.team_id, COUNT_CAP + 1])
        return int(cursor.fetchone()[0])


def _groups(actor: Actor, cursor: str) -> list[_Row]:
    before: list[Any] = decode_cursor(cursor, instant, UUID) if cursor else [_END_OF_TIME, _LAST_ID]
    params = {
        "team_id": actor.team_id, "before_at": before[0], "before_id": before[1], "limit": WINDOW_RUNS, "shown": SHOWN_RUNS,
    }  # fmt: skip
    with connection.cursor() as database:
        database.execute(_GROUPS, params)
        return [_Row(*row) for row in database.fetchall()]


def _next_cursor(rows: Sequence[_Row]) -> str | None:
    """Return where the next page begins: behind the last group shown, or behind all that the page looked at."""
    if len(rows) > GROUPS_A_PAGE:
        last = rows[GROUPS_A_PAGE - 1]
        return encode_cursor((last.newest_at.isoformat(), last.newest[0]))
    if rows and rows[0].n_window == WINDOW_RUNS:
        return encode_cursor((rows[0].oldest_at.isoformat(), rows[0].oldest_id))
    return None


def _runs(actor: Actor, run_ids: Sequence[UUID]) -> dict[UUID, Run]:
    """Return the runs with their agents, errors and `now_at`, by id."""
    found = runs_of(actor).filter(id__in=run_ids).select_related("agent").annotate(now_at=Now())
    return {run.pk: run for run in found.defer("input", "output", "request_hash", "agent__description")}


def _of_error(fingerprint: Fingerprint) -> dict[str, Any]:
    """Return the conditions on the error; an empty part stands for one that the error does not have."""
    conditions: dict[str, Any] = {}
    for name, value in (("code", fingerprint.code), ("node", fingerprint.node)):
        conditions |= {f"error__{name}": value} if value else {f"error__{name}__isnull": True}
    return conditions
