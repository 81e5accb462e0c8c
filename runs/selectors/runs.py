"""Reading runs: one, a page of them, and how many there are in each status."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Now

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import NotFoundError, RunArchivedError
from runs.engine.states import RunStatus
from runs.models import Run
from runs.search.sql import Condition, Hints, all_of
from runs.selectors.found import found_runs
from runs.selectors.paging import DEFAULT_LIMIT, MAX_LIMIT, Page
from runs.selectors.run_query import run_query
from runs.selectors.walk import walk

COUNT_CAP = 10_000

_COUNTS = """
    SELECT s.status, c.n FROM unnest(%s::text[]) AS s(status) CROSS JOIN LATERAL (
      SELECT count(*) AS n FROM (
        SELECT 1 FROM runs_run WHERE team_id = %s AND status = s.status LIMIT %s
      ) AS capped
    ) AS c
"""


def runs_of(actor: Actor) -> QuerySet[Run]:
    """Return the runs that the actor may see: those of their team. Every read of runs begins here.

    Raises: NotAllowedError when the actor may not read.
    """
    actor.require(Scope.READ)
    return Run.objects.filter(team_id=actor.team_id)


def run_for(actor: Actor, run_id: UUID, *, also_archived: bool = False) -> Run:
    """Return the run with its agent and version, and the database's time as `now_at`.

    `input` and `output` may be long and are read only when they are asked for.

    Raises: NotFoundError, also for a run of another team; RunArchivedError for one whose other rows are in its archive,
        unless the caller needs only this one.
    """
    run = _light(runs_of(actor)).filter(id=run_id).first()
    if run is None:
        raise NotFoundError(f"there is no run {run_id}", run_id=str(run_id))
    if not also_archived:
        check_here(run)
    return run


def check_here(run: Run) -> None:
    """Raises: RunArchivedError when the run's rows are in its archive."""
    if run.archived_at is not None:
        told = f"run {run.pk} is archived, and nothing can be done with it there: restore it first, or open its page to read it"
        raise RunArchivedError(told, run_id=str(run.pk), archived_at=run.archived_at.isoformat())


@dataclass(frozen=True, slots=True)
class RunPage(Page[Run]):
    """Some runs; `looked_back_to` is when the last one was created that was looked at, where that was not all."""

    looked_back_to: datetime | None = None


def run_list_for(
    actor: Actor,
    *,
    statuses: Collection[str] = (),
    agent: str = "",
    text: str = "",
    cursor: str = "",
    limit: int = DEFAULT_LIMIT,
) -> RunPage:
    """Return a page of runs, newest first, as run_for gives them, without `error` but with `error_message`.

    A page may hold fewer runs than `limit`, and yet have a cursor: it looks at a bounded number of runs.

    Args:
        actor: whose team's runs.
        statuses: any of these; all when empty.
        agent: slug of an agent.
        text: search text (docs/reference/query-language.md).
        cursor: `next_cursor` of the page before.
        limit: how many at most; cut to MAX_LIMIT.

    Raises: BadQueryError for a text or cursor that cannot be understood.
    """
    actor.require(Scope.READ)
    query = run_query(actor, text, statuses=statuses, agent=agent)
    found = found_runs(query, cursor=cursor, limit=max(1, min(limit, MAX_LIMIT)))
    return RunPage(runs_in_order(actor, found.ids), found.next_cursor, found.looked_back_to)


def count_newer_for(actor: Actor, text: str, *, since: datetime, limit: int) -> int:
    """Return how many runs that the text finds were created after `since`, at most `limit`.

    Raises: BadQueryError
    """
    actor.require(Scope.READ)
    way = run_query(actor, text).way
    newer = Condition("r.created_at > %s", (since,), Hints(since=since))
    return len(walk(replace(way, condition=all_of([way.condition, newer])), behind=None, limit=limit).places)


def runs_in_order(actor: Actor, ids: Sequence[UUID]) -> list[Run]:
    """Return those of the runs that the actor may see, in this order, as run_list_for gives them."""
    found = _light(runs_of(actor)).defer("error").filter(id__in=ids)
    runs = {run.pk: run for run in found.annotate(error_message=KeyTextTransform("message", "error"))}
    return [runs[run_id] for run_id in ids if run_id in runs]


def run_counts_for(actor: Actor) -> dict[RunStatus, int]:
    """Return how many runs of the team are in each status; COUNT_CAP means that many or more."""
    actor.require(Scope.READ)
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS, [[str(status) for status in RunStatus], actor.team_id, COUNT_CAP])
        return {RunStatus(status): count for status, count in cursor.fetchall()}


def _light(found: QuerySet[Run]) -> QuerySet[Run]:
    found = found.select_related("agent", "agent_version").annotate(now_at=Now())
    large = ("agent_version__input_schema", "agent_version__definition")
    return found.defer("input", "output", "request_hash", "agent__description", *large)
