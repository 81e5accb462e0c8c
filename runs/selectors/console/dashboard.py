"""How the team's runs do: outcomes, how long they take and what they cost, by time and by agent.

One statement looks at the newest MAX_RUNS runs of the time that is asked for, along the index of the list.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from agentops.accounts.roles import Actor, Scope
from runs.engine.states import RunStatus
from runs.models import Agent, Run

MAX_RUNS = 20_000
SHOWN_AGENTS = 12
COUNT_CAP = 99

_TALLIES = """
    WITH r AS MATERIALIZED (
        SELECT width_bucket(created_at, %(edges)s::timestamptz[]) AS slot, agent_id, status, created_at, ended_at, cost_microusd,
            tokens_in + tokens_out AS tokens
        FROM runs_run WHERE team_id = %(team_id)s AND created_at >= %(since)s ORDER BY created_at DESC, id DESC LIMIT %(limit)s)
    SELECT GROUPING(slot) = 0, slot, agent_id, count(*), count(*) FILTER (WHERE status = 'succeeded'),
        count(*) FILTER (WHERE status = 'failed'), count(*) FILTER (WHERE ended_at IS NULL),
        percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM ended_at - created_at)::float8),
        percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM ended_at - created_at)::float8),
        coalesce(sum(cost_microusd), 0)::bigint, coalesce(sum(tokens), 0)::bigint
    FROM r GROUP BY GROUPING SETS ((slot), (agent_id), ())
"""
_QUEUE = """
    SELECT count(*), min(queued_at), clock_timestamp() FROM (
        SELECT queued_at FROM runs_run WHERE status = 'queued' AND team_id = %s LIMIT %s) AS q
"""


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of some runs. `p50_seconds` and `p95_seconds` are of those that ended, from creation to end."""

    n: int = 0
    n_succeeded: int = 0
    n_failed: int = 0
    n_open: int = 0
    p50_seconds: float | None = None
    p95_seconds: float | None = None
    cost_microusd: int = 0
    tokens: int = 0

    @property
    def n_stopped(self) -> int:
        return self.n - self.n_succeeded - self.n_failed - self.n_open

    @property
    def success(self) -> float | None:
        """The share that succeeded of those that came to an end by themselves; None when none did."""
        judged = self.n_succeeded + self.n_failed
        return self.n_succeeded / judged if judged else None


@dataclass(frozen=True, slots=True)
class Numbers:
    """Tallies of all, of each stretch between two `edges`, and of the agents with the most runs; `is_cut`: of the newest only."""

    edges: Sequence[datetime]
    total: Tally
    slots: list[Tally]
    agents: list[tuple[str, Tally]]
    is_cut: bool


@dataclass(frozen=True, slots=True)
class Queue:
    """How many runs wait for a worker (MAX_RUNS or more when it says so), and for how long the oldest has."""

    n: int
    oldest_seconds: float | None


def numbers_for(actor: Actor, edges: Sequence[datetime]) -> Numbers:
    """Return the tallies of the runs created from the first of the edges on, by the stretches between them."""
    actor.require(Scope.READ)
    given: dict[str, Any] = {
        "team_id": actor.team_id,
        "since": edges[0],
        "edges": list(edges),
        "limit": MAX_RUNS,
    }
    with connection.cursor() as cursor:
        cursor.execute(_TALLIES, given)
        rows = cursor.fetchall()
    slots = {row[1]: Tally(*row[3:]) for row in rows if row[0]}
    by_agent = {row[2]: Tally(*row[3:]) for row in rows if not row[0] and row[2]}
    total = next((Tally(*row[3:]) for row in rows if not row[0] and not row[2]), Tally())
    return Numbers(
        edges, total, [slots.get(n, Tally()) for n in range(1, len(edges))], _named(actor, by_agent), total.n >= MAX_RUNS
    )  # fmt: skip


def queue_for(actor: Actor) -> Queue:
    """Return what of the team's runs waits for a worker."""
    actor.require(Scope.READ)
    with connection.cursor() as cursor:
        cursor.execute(_QUEUE, [actor.team_id, MAX_RUNS])
        n, oldest_at, now = cursor.fetchone()
    return Queue(n, (now - oldest_at).total_seconds() if oldest_at else None)


def troubled_for(actor: Actor) -> Mapping[str, int]:
    """Return how many runs, COUNT_CAP at most, cannot be trusted (`integrity_failed`) or stand at a budget (`over_budget`)."""
    actor.require(Scope.READ)
    own = Run.objects.filter(team_id=actor.team_id, archived_at=None)
    broken = own.filter(health__contains=["integrity_failed"])
    dear = own.filter(health__contains=["over_budget"], status=RunStatus.PAUSED)
    return {"integrity_failed": broken[:COUNT_CAP].count(), "over_budget": dear[:COUNT_CAP].count()}


def _named(actor: Actor, tallies: dict[UUID, Tally]) -> list[tuple[str, Tally]]:
    most: list[Any] = sorted(tallies.items(), key=lambda it: -it[1].n)[:SHOWN_AGENTS]
    slugs = dict(Agent.objects.filter(pk__in=[pk for pk, _ in most]).values_list("pk", "slug"))
    return [(slugs[pk], tally) for pk, tally in most if pk in slugs]
