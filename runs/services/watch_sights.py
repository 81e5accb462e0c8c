"""What the watch sees of many runs at once: a handful of statements, whatever their number (runs.engine.sights)."""

from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from agentops.common.conf import conf
from runs.engine.sights import Act, OpenWait, Sight, Slip, Usual
from runs.journal.fence import query

ACTS, SLIPS = 160, 12
# Of so many runs what was seen before is kept, so that each result is read once.
KEPT_RUNS = 2000
DEEP = 2

_RUNS = """
SELECT r.id, r.team_id, r.agent_id, r.agent_version_id, r.status, r.node, r.node_seq, r.branch, r.created_at, r.started_at, r.queued_at,
    r.node_at, r.deadline_at, r.wake_at, r.ended_at, r.ended_by, r.cost_microusd, r.health, r.depth, r.control,
    CASE WHEN r.created_at < clock_timestamp() - interval '1 day' THEN greatest(r.created_at, l.looked_at,
        (SELECT max(p.closed_at) FROM runs_wait p WHERE p.run_id = r.id AND p.closed_as = 'person'),
        (SELECT max(e.at) FROM audit_entry e WHERE e.chain_id = r.team_id AND e.subject_id = r.id::text AND e.user_id IS NOT NULL))
    END,
    CASE WHEN r.status = 'running' AND (w.id IS NULL OR w.dead_at IS NOT NULL
        OR w.beat_at < clock_timestamp() - make_interval(secs => %(lease_seconds)s))
        THEN coalesce(w.dead_at, w.beat_at, r.started_at, r.created_at) END,
    r.status <> 'queued' OR EXISTS (SELECT 1 FROM runs_worker a WHERE a.dead_at IS NULL AND NOT a.is_stopping
        AND a.beat_at >= clock_timestamp() - make_interval(secs => %(lease_seconds)s)
        AND (a.queues = '[]' OR a.queues @> to_jsonb(ARRAY[r.queue::text]))),
    CASE WHEN r.status IN ('waiting', 'awaiting_approval') THEN (SELECT count(*) FROM runs_step o WHERE o.run_id = r.id
        AND o.seq >= r.node_seq AND o.status IN ('running', 'asked', 'unknown', 'waiting', 'sleeping')) ELSE 0 END,
    coalesce((SELECT max(s.upto_seq) FROM runs_stuckstate s WHERE s.run_id = r.id AND s.to_at IS NOT NULL), 0),
    clock_timestamp(), r.created_by LIKE 'event %%'
FROM runs_run r LEFT JOIN runs_worker w ON w.id = r.worker_id LEFT JOIN runs_runlook l ON l.run_id = r.id
WHERE r.id = ANY(%(ids)s)
"""
_ACTS = """
SELECT i.id, s.seq, s.kind, s.name, s.status, s.started_at, s.ended_at, encode(o.request_hash, 'hex'),
    md5(coalesce(o.body, ''::bytea)) || s.error_code
FROM unnest(%(ids)s::uuid[], %(floors)s::bigint[]) AS i(id, floor) CROSS JOIN LATERAL (
    SELECT seq, kind, name, status, started_at, ended_at, error_code FROM runs_step
    WHERE run_id = i.id AND seq > i.floor AND NOT is_superseded AND ended_at IS NOT NULL ORDER BY seq DESC LIMIT %(limit)s) AS s
LEFT JOIN runs_outcome o ON o.run_id = i.id AND o.seq = s.seq
ORDER BY i.id, s.seq
"""
_SLIPS = """
SELECT i.id, a.seq, coalesce(s.name, r.node), a.error_code, left(a.message, 500), a.ended_at
FROM unnest(%(ids)s::uuid[], %(floors)s::bigint[]) AS i(id, floor) JOIN runs_run r ON r.id = i.id CROSS JOIN LATERAL (
    SELECT seq, number, error_code, message, ended_at FROM runs_attempt WHERE run_id = i.id AND seq > i.floor
    ORDER BY seq DESC, number DESC LIMIT %(limit)s) AS a
LEFT JOIN runs_step s ON s.run_id = i.id AND s.seq = a.seq
ORDER BY i.id, a.seq, a.number
"""
_WAITS = """
SELECT w.run_id, w.kind, w.timeout_at, c.ended_at, w.child_id IS NOT NULL AND c.id IS NULL
FROM runs_wait w LEFT JOIN runs_run c ON c.id = w.child_id WHERE w.run_id = ANY(%(ids)s) AND w.settled_at IS NULL
"""
_GENERATIONS = """
WITH RECURSIVE up AS (
    SELECT r.id AS of, r.parent_id, r.agent_id, 0 AS n FROM runs_run r WHERE r.id = ANY(%(ids)s)
    UNION ALL SELECT up.of, p.parent_id, up.agent_id, up.n + 1 FROM up JOIN runs_run p ON p.id = up.parent_id
    WHERE p.agent_id = up.agent_id AND up.n < 100)
SELECT of, max(n) FROM up GROUP BY of
"""
_STARTS = """
SELECT t.agent_id, count(*) FROM runs_trigger t JOIN runs_agent a ON a.id = t.agent_id CROSS JOIN LATERAL (
    SELECT event_id, at FROM runs_triggerstart s WHERE s.trigger_id = t.id AND s.run_id IS NOT NULL ORDER BY s.id DESC LIMIT 200) AS s
JOIN runs_event e ON e.id = s.event_id
WHERE t.agent_id = ANY(%(agents)s) AND s.at > clock_timestamp() - interval '10 minutes' AND e.payload->>'agent' = a.slug
GROUP BY t.agent_id
"""
_USUAL = """
SELECT i.id, count(*), percentile_cont(0.95) WITHIN GROUP (ORDER BY d.seconds),
    percentile_cont(0.5) WITHIN GROUP (ORDER BY d.cost / greatest(d.seconds / 60, 1))
FROM unnest(%(agents)s::uuid[], %(teams)s::uuid[]) AS i(id, team_id) CROSS JOIN LATERAL (
    SELECT extract(epoch FROM ended_at - started_at)::float8 AS seconds, cost_microusd::float8 AS cost FROM (
        SELECT status, started_at, ended_at, cost_microusd FROM runs_run WHERE team_id = i.team_id AND agent_id = i.id
        ORDER BY created_at DESC, id DESC LIMIT 200) AS newest
    WHERE status = 'succeeded' AND started_at IS NOT NULL) AS d
GROUP BY i.id
"""


@dataclass(frozen=True, slots=True)
class Watched:
    """A run, and what is seen of it. `last_seq` is the last step that was read."""

    id: UUID
    team_id: UUID
    agent_id: UUID
    version_id: UUID
    branch: int
    ended_at: datetime | None
    ended_by: str
    health: Sequence[str]
    control: str
    last_seq: int
    sight: Sight


@dataclass(slots=True)
class Memory:
    """What was read before and stays as it is: acts of nodes that are over, and what is usual for an agent."""

    acts: OrderedDict[tuple[UUID, int, int], list[Act]] = field(default_factory=OrderedDict)
    usual: dict[UUID, Usual] = field(default_factory=dict)

    def keep(self, key: tuple[UUID, int, int], acts: list[Act]) -> None:
        self.acts[key] = acts
        self.acts.move_to_end(key)
        while len(self.acts) > KEPT_RUNS:
            self.acts.popitem(last=False)


def watched(ids: Sequence[UUID], memory: Memory) -> list[Watched]:
    """Return what is seen of the runs; those that are gone are left out. Reads only, in a bounded number of statements."""
    rows = query(_RUNS, {"ids": list(ids), "lease_seconds": conf().lease_seconds})
    floors = {row[0]: row[24] for row in rows}
    acts, slips = _acts(rows, floors, memory), _slips(floors)
    waiting = [row[0] for row in rows if row[4] in ("waiting", "awaiting_approval")]
    waits = _grouped(query(_WAITS, {"ids": waiting}) if waiting else [])
    deep = [row[0] for row in rows if row[18] >= DEEP]
    generations: dict[UUID, int] = dict(query(_GENERATIONS, {"ids": deep}) if deep else [])
    starts = _own_starts({row[2] for row in rows if row[26]})
    usual = _usual({row[2]: row[1] for row in rows}, memory)
    return [
        _watched(
            row, acts.get(row[0], []), slips.get(row[0], []), [OpenWait(*it) for it in waits[row[0]]],
            usual[row[2]], generations.get(row[0], 0), starts.get(row[2], 0) if row[26] else 0,
        )
        for row in rows
    ]  # fmt: skip


def _watched(
    row: Sequence[Any], acts: Sequence[Act], slips: Sequence[Slip], waits: Sequence[OpenWait], usual: Usual,
    n_ancestors: int, n_starts: int,
) -> Watched:  # fmt: skip
    sight = Sight(
        now=row[25], status=row[4], node=row[5], created_at=row[8], started_at=row[9], queued_at=row[10], node_at=row[11],
        deadline_at=row[12], wake_at=row[13], acts=acts, slips=slips, waits=waits, n_open_steps=row[23], has_worker=row[22],
        silent_since=row[21], quiet_since=row[20], cost_microusd=row[16], usual=usual, n_own_ancestors=n_ancestors,
        n_own_starts=n_starts,
    )  # fmt: skip
    last_seq = max([row[6], *(act.seq for act in acts[-1:]), *(slip.seq for slip in slips[-1:])])
    return Watched(
        row[0], row[1], row[2], row[3], row[7], row[14], row[15], row[17], row[19], last_seq, sight
    )  # fmt: skip


def _acts(rows: Iterable[Sequence[Any]], floors: Mapping[UUID, int], memory: Memory) -> dict[UUID, list[Act]]:
    """Return the last acts; what stood before the node that ran at the last look is not read again."""
    keys = {row[0]: (row[0], row[7], floors[row[0]]) for row in rows}
    kept = {run_id: memory.acts.get(key, []) for run_id, key in keys.items()}
    after = [max([floors[run_id], *(act.seq for act in kept[run_id][-1:])]) for run_id in keys]
    found: dict[UUID, list[Act]] = {run_id: list(acts) for run_id, acts in kept.items()}
    for run_id, seq, kind, name, status, began_at, ended_at, call, result in query(
        _ACTS, {"ids": list(keys), "floors": after, "limit": ACTS}
    ):
        found[run_id].append(Act(seq, kind, name, call or "", result, status, began_at, ended_at))
    for row in rows:
        found[row[0]] = found[row[0]][-ACTS:]
        memory.keep(keys[row[0]], [act for act in found[row[0]] if act.seq < row[6]])
    return found


def _slips(floors: Mapping[UUID, int]) -> dict[UUID, list[Slip]]:
    params = {"ids": list(floors), "floors": list(floors.values()), "limit": SLIPS}
    return {run_id: [Slip(*it) for it in found] for run_id, found in _grouped(query(_SLIPS, params)).items()}


def _own_starts(agent_ids: Iterable[UUID]) -> dict[UUID, int]:
    found = list(agent_ids)
    return dict(query(_STARTS, {"agents": found})) if found else {}


def _usual(agents: Mapping[UUID, UUID], memory: Memory) -> dict[UUID, Usual]:
    """Return what is usual for each agent, from memory where it stands there."""
    unknown = [agent_id for agent_id in agents if agent_id not in memory.usual]
    if unknown:
        params = {"agents": unknown, "teams": [agents[agent_id] for agent_id in unknown]}
        told = {row[0]: Usual(row[1], row[2], row[3] or None) for row in query(_USUAL, params)}
        memory.usual |= {agent_id: told.get(agent_id, Usual()) for agent_id in unknown}
    return {agent_id: memory.usual[agent_id] for agent_id in agents}


def _grouped(rows: Iterable[Sequence[Any]]) -> defaultdict[UUID, list[Sequence[Any]]]:
    """Return the rows by their first column, which is left out."""
    found: defaultdict[UUID, list[Sequence[Any]]] = defaultdict(list)
    for row in rows:
        found[row[0]].append(row[1:])
    return found
