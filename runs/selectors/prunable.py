"""Finding runs whose chains can be cut: they have merged stretches that ended long ago."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Model

from runs.archives.needs import is_needed
from runs.checkpoints.store import DELTA, SEGMENT
from runs.engine.retention import Act, Rule, prune_days, rule_for
from runs.models import Agent, Attempt, Checkpoint, Intent, LogLine, Outcome, Step
from runs.selectors.retention import DueRun

OPEN = ("queued", "running", "sleeping", "waiting", "awaiting_approval", "paused")
ENDED = ("succeeded", "failed", "cancelled", "expired")

# The last step of a merged stretch, all of which ended before; only the run's own first branch is ever cut. A cut that was
# not finished is found by what it has condemned.
POINT = """
SELECT max(g.seq) FROM runs_checkpoint g JOIN runs_step s ON s.run_id = g.run_id AND s.seq = g.seq
WHERE g.run_id = r.id AND g.kind = 'g' AND g.seq < r.head_seq
    AND s.ended_at <= clock_timestamp() - {days} * interval '1 day'
    AND NOT EXISTS (SELECT 1 FROM runs_branch b WHERE b.run_id = r.id)
    AND r.branch = 1 AND r.archived_at IS NULL AND NOT 'integrity_failed' = ANY(r.health)
"""
# What a cut takes away: of these tables what its condition names, the deltas last, which tell that something is left to do.
GONE: list[tuple[type[Model], str]] = [
    *((model, "x.seq < {first_seq}") for model in (Attempt, Intent, Outcome, LogLine, Step)),
    (Checkpoint, f"x.kind IN ('{DELTA}', '{SEGMENT}') AND x.seq <= {{seq}}"),
]
_LEFT = """
EXISTS (SELECT 1 FROM runs_cut k JOIN runs_checkpoint c ON c.run_id = k.run_id AND c.kind IN ('d', 'g') AND c.seq <= k.seq
    WHERE k.run_id = r.id)
"""
_RUNS = f"""
SELECT r.id, r.created_at, d.rule, {{held}} AS is_kept
FROM unnest(%(rules)s::int[], %(agents)s::uuid[], %(statuses)s::text[], %(days)s::int[]) AS d(rule, agent_id, status, days)
JOIN runs_run r ON r.agent_id = d.agent_id AND r.status = d.status
    AND r.created_at < clock_timestamp() - d.days * interval '1 day'
WHERE r.team_id = %(team_id)s AND (r.created_at, r.id) > (%(walked_at)s::timestamptz, %(walked_id)s::uuid)
    AND (({POINT.format(days="d.days")}) IS NOT NULL OR {_LEFT})
ORDER BY r.created_at, r.id LIMIT %(limit)s
"""  # noqa: S608 -- constants


def prunable_runs(
    team_id: UUID, rules: Sequence[Rule], *, behind: tuple[datetime, UUID] | None, limit: int
) -> list[DueRun]:
    """Return the next runs of a team whose old steps can be cut off, open ones too, the oldest first.

    An open run is cut by the policies that are for every end.
    """
    agent_ids = Agent.objects.filter(team_id=team_id).values_list("id", flat=True)
    found = [
        (place, agent_id, status, days)
        for agent_id in (agent_ids if any(rule.prune_days for rule in rules) else ())
        for status in (*OPEN, *ENDED)
        if (days := prune_days(rules, agent_id, status)) is not None
        for place in [_place(rules, agent_id, status)]
    ]
    if not found:
        return []
    places, agents, statuses, ages = zip(*found, strict=True)
    walked_at, walked_id = behind or ("-infinity", UUID(int=0))
    params: dict[str, Any] = {
        "team_id": team_id, "rules": list(places), "agents": list(agents), "statuses": list(statuses), "days": list(ages),
        "walked_at": walked_at, "walked_id": walked_id, "limit": limit,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_RUNS.format(held=is_needed(of_open=True)), params)
        return [
            DueRun(run_id, at, Act.PRUNE, rules[rule], kept) for run_id, at, rule, kept in cursor.fetchall()
        ]


def _place(rules: Sequence[Rule], agent_id: UUID, status: str) -> int:
    rule = rule_for(rules, agent_id, status)
    return next(place for place, one in enumerate(rules) if one is rule)
