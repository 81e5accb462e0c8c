"""How sure an agent's steps are, and what that means for whole runs: pⁿ."""

from dataclasses import dataclass

from django.db import connection

from agentops.accounts.roles import Actor, Scope
from runs.models import Agent

NEWEST_RUNS = 200

_ODDS = """
    SELECT count(*), count(*) FILTER (WHERE status = 'succeeded'), coalesce(sum(n_steps), 0)::bigint,
        coalesce(sum(n_failed_steps + n_retries), 0)::bigint,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY n_steps) FILTER (WHERE status = 'succeeded')
    FROM (SELECT status, n_steps, n_failed_steps, n_retries FROM runs_run WHERE team_id = %s AND agent_id = %s
        ORDER BY created_at DESC, id DESC LIMIT %s) AS newest WHERE status IN ('succeeded', 'failed')
"""


@dataclass(frozen=True, slots=True)
class Odds:
    """Of an agent's newest runs that succeeded or failed.

    `step` is the share of steps that succeeded at the first try (p), `n_steps` how many steps a run has that
    succeeds, half of them fewer (n), `implied` what share of runs would succeed if nothing were tried again (pⁿ),
    `actual` what share did.
    """

    n_runs: int
    step: float
    n_steps: int
    implied: float
    actual: float


def odds_for(actor: Actor, agent: Agent) -> Odds | None:
    """Return the odds; None while no run has succeeded."""
    actor.require(Scope.READ)
    with connection.cursor() as cursor:
        cursor.execute(_ODDS, [actor.team_id, agent.pk, NEWEST_RUNS])
        n_runs, n_succeeded, n_steps, n_missed, median = cursor.fetchone()
    if not n_succeeded or not n_steps:
        return None
    step = max(0.0, 1 - n_missed / (n_steps + n_missed))
    return Odds(n_runs, step, round(median), step ** round(median), n_succeeded / n_runs)
