"""Reading how much the runs of a team take, by agent and by kind of row, and what stands in archives."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection

from agentops.accounts.roles import Actor, Scope

_BY_AGENT = """
SELECT a.id, a.slug, r.n_whole, r.n_archived, r.n_unmeasured, r.step_bytes, r.outcome_bytes, r.checkpoint_bytes, r.other_bytes,
    r.n_rows, coalesce(f.file_bytes, 0)::bigint
FROM (
    SELECT r.agent_id, count(*) FILTER (WHERE r.archived_at IS NULL) AS n_whole,
        count(*) FILTER (WHERE r.archived_at IS NOT NULL) AS n_archived,
        count(*) FILTER (WHERE r.archived_at IS NULL AND s.run_id IS NULL) AS n_unmeasured,
        coalesce(sum(s.step_bytes), 0)::bigint AS step_bytes, coalesce(sum(s.outcome_bytes), 0)::bigint AS outcome_bytes,
        coalesce(sum(s.checkpoint_bytes), 0)::bigint AS checkpoint_bytes,
        coalesce(sum(s.other_bytes), 0)::bigint AS other_bytes, coalesce(sum(s.n_rows), 0)::bigint AS n_rows
    FROM runs_run r LEFT JOIN runs_runsize s ON s.run_id = r.id AND r.archived_at IS NULL
    WHERE r.team_id = %(team_id)s GROUP BY r.agent_id) r
JOIN runs_agent a ON a.id = r.agent_id
LEFT JOIN (SELECT agent_id, sum(file_bytes) AS file_bytes FROM runs_archive WHERE team_id = %(team_id)s
    AND stored_at IS NOT NULL AND restored_at IS NULL AND file_deleted_at IS NULL GROUP BY agent_id) f ON f.agent_id = a.id
ORDER BY r.step_bytes + r.outcome_bytes + r.checkpoint_bytes + r.other_bytes DESC, a.slug
"""
_LARGEST = """
SELECT r.id, r.title, a.slug, s.n_rows, s.step_bytes + s.outcome_bytes + s.checkpoint_bytes + s.other_bytes AS n_bytes
FROM runs_runsize s JOIN runs_run r ON r.id = s.run_id JOIN runs_agent a ON a.id = r.agent_id
WHERE s.team_id = %(team_id)s AND r.archived_at IS NULL ORDER BY n_bytes DESC, r.id LIMIT %(limit)s
"""
_SHARED = (
    "SELECT count(*), coalesce(sum(octet_length(body)), 0)::bigint FROM runs_blob WHERE team_id = %(team_id)s"
)


@dataclass(frozen=True, slots=True)
class AgentStorage:
    """What the runs of one agent take; bytes are those of rows, of archives last. Open runs are measured when they end."""

    agent_id: UUID
    agent: str
    n_whole: int
    n_archived: int
    n_unmeasured: int
    step_bytes: int
    outcome_bytes: int
    checkpoint_bytes: int
    other_bytes: int
    n_rows: int
    file_bytes: int

    @property
    def row_bytes(self) -> int:
        return self.step_bytes + self.outcome_bytes + self.checkpoint_bytes + self.other_bytes


@dataclass(frozen=True, slots=True)
class LargeRun:
    run_id: UUID
    title: str
    agent: str
    n_rows: int
    row_bytes: int


@dataclass(frozen=True, slots=True)
class Storage:
    """What the runs of a team take; `n_shared` large values and contents of files stand once, whoever refers to them."""

    agents: list[AgentStorage]
    largest: list[LargeRun]
    n_shared: int
    shared_bytes: int

    def total(self, name: str) -> int:
        return sum(int(getattr(agent, name)) for agent in self.agents)


def storage_for(actor: Actor, *, largest: int = 10) -> Storage:
    """Return what the team's runs take, the agent with the most first, and the largest of them.

    Raises: NotAllowedError
    """
    actor.require(Scope.READ)
    params: dict[str, Any] = {"team_id": actor.team_id, "limit": largest}
    with connection.cursor() as cursor:
        cursor.execute(_BY_AGENT, params)
        agents = [AgentStorage(*row) for row in cursor.fetchall()]
        cursor.execute(_LARGEST, params)
        runs = [LargeRun(*row) for row in cursor.fetchall()]
        cursor.execute(_SHARED, params)
        n_shared, shared_bytes = cursor.fetchone()
    return Storage(agents, runs, n_shared, shared_bytes)
