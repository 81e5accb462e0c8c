"""Reads of the run list and the agents page."""

from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Case, Exists, OuterRef, Q, Subquery, When

from agentops.accounts.roles import Actor, Scope
from runs.models import Agent, AgentVersion

MAX_AGENTS = 200
COUNTED_RUNS = 200

_COUNTS = """
    SELECT a.id, c.n, c.n_open, c.n_failed FROM runs_agent a CROSS JOIN LATERAL (
        SELECT count(*) AS n, count(*) FILTER (WHERE w.ended_at IS NULL) AS n_open,
            count(*) FILTER (WHERE w.status = 'failed') AS n_failed
        FROM (SELECT status, ended_at FROM runs_run WHERE team_id = a.team_id AND agent_id = a.id
            ORDER BY created_at DESC, id DESC LIMIT %s) AS w
    ) AS c WHERE a.id = ANY(%s)
"""


@dataclass(frozen=True, slots=True)
class AgentCard:
    """An agent, the number of the version that starts (None: none is published), and counts of its newest runs.

    `draft` is the number of the newest version where that was never published; `is_code` whether the newest is made of code.

    `is_cut`: there are more than COUNTED_RUNS, of which the newest were counted.
    """

    agent: Agent
    published: int | None
    n_runs: int
    n_open: int
    n_failed: int
    is_cut: bool
    is_code: bool
    draft: int | None


def agents_with_counts(actor: Actor) -> list[AgentCard]:
    """Return the team's agents by slug, at most MAX_AGENTS."""
    actor.require(Scope.READ)
    found = Agent.objects.filter(team_id=actor.team_id).annotate(
        published=_newest_published(), draft=_newest_draft(), is_defined=_is_defined()
    )
    rows = list(found.order_by("slug")[:MAX_AGENTS])
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS, [COUNTED_RUNS + 1, [agent.pk for agent in rows]])
        counts = {row[0]: row[1:] for row in cursor.fetchall()}
    return [_card(agent, *counts[agent.pk]) for agent in rows]


def _card(agent: Any, n_runs: int, n_open: int, n_failed: int) -> AgentCard:
    is_cut = n_runs > COUNTED_RUNS
    counts = (min(n_runs, COUNTED_RUNS), n_open, n_failed)
    return AgentCard(agent, agent.published, *counts, is_cut, is_code=not agent.is_defined, draft=agent.draft)


def _newest_published() -> Subquery:
    versions = AgentVersion.objects.filter(agent=OuterRef("pk"), published_at__isnull=False)
    return Subquery(versions.order_by("-number").values("number")[:1])


def _newest_draft() -> Subquery:
    """Return the number of the newest version, where it is a draft."""
    versions = AgentVersion.objects.filter(agent=OuterRef("pk")).order_by("-number")
    is_draft = Q(published_at__isnull=True, withdrawn_at__isnull=True)
    return Subquery(versions.values(told=Case(When(is_draft, then="number")))[:1])


def _is_defined() -> Exists:
    return Exists(AgentVersion.objects.filter(agent=OuterRef("pk"), definition__isnull=False))
