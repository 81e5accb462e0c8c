"""Reading runs: one, a page of them, and how many there are in each status."""

import re
from collections.abc import Collection
from uuid import UUID

from django.db import connection
from django.db.models import Q, QuerySet
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Now

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import NotFoundError
from runs.engine.states import RunStatus
from runs.models import Agent, Run
from runs.selectors.paging import DEFAULT_LIMIT, MAX_LIMIT, Page, decode_cursor, instant, page_of
from runs.selectors.run_query import parse_run_query

COUNT_CAP = 10_000

_SURE_ID = re.compile(r"(?:[0-9a-fA-F]-?){12,32}")
_PUNCTUATION = re.compile(r"[ -/:-@\[-`{-~]")

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


def run_for(actor: Actor, run_id: UUID) -> Run:
    """Return the run with its agent and version, and the database's time as `now_at`.

    `input` and `output` may be long and are read only when they are asked for.

    Raises: NotFoundError, also for a run of another team.
    """
    run = _light(runs_of(actor)).filter(id=run_id).first()
    if run is None:
        raise NotFoundError(f"there is no run {run_id}", run_id=str(run_id))
    return run


def run_list_for(
    actor: Actor,
    *,
    statuses: Collection[str] = (),
    agent: str = "",
    text: str = "",
    cursor: str = "",
    limit: int = DEFAULT_LIMIT,
) -> Page[Run]:
    """Return a page of runs, newest first, as run_for gives them, without `error` but with `error_message`.

    Args:
        actor: whose team's runs.
        statuses: any of these; all when empty.
        agent: slug of an agent.
        text: search text, see runs.selectors.run_query.
        cursor: `next_cursor` of the page before.
        limit: how many at most; cut to MAX_LIMIT.

    Raises: BadQueryError for a text or cursor that cannot be understood.
    """
    query = parse_run_query(text)
    limit = max(1, min(limit, MAX_LIMIT))
    found = _light(runs_of(actor)).defer("error")
    found = found.annotate(error_message=KeyTextTransform("message", "error"))
    if statuses or query.statuses:
        found = found.filter(status__in=_both(set(statuses), {*query.statuses}))
    if agent or query.agents:
        found = found.filter(agent_id__in=_agent_ids(actor, _both({agent} - {""}, {*query.agents})))
    for word in query.words:
        found = found.filter(_begins(word))
    if cursor:
        found = found.filter(_behind(cursor))
    rows = list(found.order_by("-created_at", "-id")[: limit + 1])
    return page_of(rows, limit, lambda run: (run.created_at.isoformat(), run.id))


def run_counts_for(actor: Actor) -> dict[RunStatus, int]:
    """Return how many runs of the team are in each status; COUNT_CAP means that many or more."""
    actor.require(Scope.READ)
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS, [[str(status) for status in RunStatus], actor.team_id, COUNT_CAP])
        return {RunStatus(status): count for status, count in cursor.fetchall()}


def _light(found: QuerySet[Run]) -> QuerySet[Run]:
    found = found.select_related("agent", "agent_version").annotate(now_at=Now())
    return found.defer("input", "output", "request_hash", "agent__description", "agent_version__input_schema")


def _agent_ids(actor: Actor, slugs: set[str]) -> list[UUID]:
    """Return the ids, which the index is on: a join by slug reads a rare agent's whole team."""
    return list(Agent.objects.filter(team_id=actor.team_id, slug__in=slugs).values_list("id", flat=True))


def _both(asked: set[str], queried: set[str]) -> set[str]:
    return asked & queried if asked and queried else asked | queried


def _begins(word: str) -> Q:
    """Return the condition that the title has a word beginning with `word`, or the id begins with it."""
    if _SURE_ID.fullmatch(word):
        return _id_begins(word)
    escaped = _PUNCTUATION.sub(r"\\\g<0>", word)
    title = Q(title__iregex=rf"\m{escaped}" if word[0].isalnum() else escaped)
    return title | _id_begins(word)


def _id_begins(word: str) -> Q:
    digits = word.replace("-", "").lower()
    if not 4 <= len(digits) <= 32 or set(digits) - set("0123456789abcdef"):
        return Q()
    return Q(id__gte=UUID(digits.ljust(32, "0")), id__lte=UUID(digits.ljust(32, "f")))


def _behind(cursor: str) -> Q:
    created_at, run_id = decode_cursor(cursor, instant, UUID)
    return Q(created_at__lte=created_at) & (Q(created_at__lt=created_at) | Q(id__lt=run_id))
