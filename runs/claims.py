"""Claims: which queued run a worker gets next, fairly and within limits.

Runs of one queue, team, agent and concurrency key that have the same priority stand in one lane, the oldest first. A claim
hops from lane to lane over an index, whatever their length, and takes from the one whose turn it is: the highest
priority; then the team, then the agent, with the fewest running runs; then whom this process has served longest ago.
Lanes of paused teams and agents, and those whose limit is reached, are passed over. Source: PROTOCOL 18; ADR 15.
"""

import json
import threading
import time
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from uuid import UUID

from agentops.common.transactions import transaction
from runs.journal.fence import Lease, Row, execute, query
from runs.journal.nodes import Position

# Hopping over so many lanes takes longer than claiming; their order is then good for some more claims.
MANY_LANES = 64
PLAN_LIFE_SECONDS = 0.1
REMEMBERED = 64
TRIES = 4

# Seen through a subquery, the values make no plan look better than the prepared one: planning takes longer than claiming.
_QUEUE = "(SELECT g.queue FROM given g)"
_GIVEN = "given AS MATERIALIZED (SELECT %(queue)s::varchar AS queue, %(is_isolated)s::boolean AS is_isolated)"
_QUEUED = (
    f"r.status = 'queued' AND r.queue = {_QUEUE} AND r.is_isolated = (SELECT g.is_isolated FROM given g)"  # noqa: S608 -- constants
)
_LANE = "r.team_id, r.agent_id, r.concurrency_key"
_ORDER = f"ORDER BY r.priority DESC, {_LANE}, r.queued_at"
_HEAD = f"SELECT r.priority, {_LANE}, r.queued_at FROM runs_run r WHERE {_QUEUED}"  # noqa: S608 -- constants
_LAST_AGENT = "'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid"
_LAST_KEY = "chr(1114111)::varchar"
_KEY_MATCHES = (
    "l.scope = 'key' AND {key} <> '' AND (l.name = {key}"
    " OR right(l.name, 1) = '*' AND starts_with({key}, left(l.name, -1)))"
)
# How many runs are being executed, of whom; and who must wait: `full` teams and agents are passed over whole.
_BUSY = f"""
busy AS MATERIALIZED (
    SELECT team_id, agent_id, concurrency_key, queue, count(*) AS n FROM runs_run
    WHERE worker_id IS NOT NULL AND status = 'running' GROUP BY 1, 2, 3, 4),
busy_agents AS MATERIALIZED (
    SELECT team_id, agent_id, sum(n) FILTER (WHERE queue = {_QUEUE}) AS n, sum(n) AS n_all FROM busy GROUP BY 1, 2),
full_ AS MATERIALIZED (SELECT
    ARRAY(SELECT id FROM accounts_team WHERE is_paused UNION ALL
        SELECT l.team_id FROM runs_limit l WHERE l.scope = 'queue' AND l.name = {_QUEUE} AND l.max_running <= (
            SELECT sum(b.n) FROM busy b WHERE b.team_id = l.team_id AND b.queue = l.name)) AS teams,
    ARRAY(SELECT id FROM runs_agent WHERE is_paused UNION ALL
        SELECT b.agent_id FROM busy_agents b JOIN runs_limit l ON l.team_id = b.team_id AND l.agent_id = b.agent_id
        WHERE l.scope = 'agent' AND l.max_running <= b.n_all) AS agents,
    ARRAY(SELECT k.team_id || k.concurrency_key
        FROM (SELECT team_id, concurrency_key, sum(n) AS n FROM busy GROUP BY 1, 2) k
        JOIN runs_limit l ON l.team_id = k.team_id AND l.max_running <= k.n AND {_KEY_MATCHES.format(key="k.concurrency_key")}
    ) AS keys)
"""  # noqa: S608 -- constants
# From one lane to the next of its priority; to the next priority only while no lane was found open.
_HOPS = f"""
lane(priority, team_id, agent_id, concurrency_key, queued_at, is_open, n_open) AS (
    SELECT 32767::smallint, NULL::uuid, NULL::uuid, NULL::varchar COLLATE "C", NULL::timestamptz, false, 0
    UNION ALL
    SELECT h.priority, h.team_id, CASE WHEN t.is_full THEN {_LAST_AGENT} ELSE h.agent_id END,
        CASE WHEN t.is_full OR a.is_full THEN {_LAST_KEY} ELSE h.concurrency_key::varchar END, h.queued_at,
        o.is_open, l.n_open + o.is_open::int
    FROM lane l CROSS JOIN full_ f CROSS JOIN LATERAL (
        ({_HEAD} AND r.priority = l.priority AND ({_LANE}) > (l.team_id, l.agent_id, l.concurrency_key) {_ORDER} LIMIT 1)
        UNION ALL
        ({_HEAD} AND l.n_open = 0 AND r.priority < l.priority {_ORDER} LIMIT 1)
        LIMIT 1) h
    CROSS JOIN LATERAL (SELECT h.team_id = ANY(f.teams) AS is_full) t
    CROSS JOIN LATERAL (SELECT h.agent_id = ANY(f.agents) AS is_full) a
    CROSS JOIN LATERAL (
        SELECT NOT (t.is_full OR a.is_full OR (h.team_id || h.concurrency_key) = ANY(f.keys)) AS is_open) o)
"""  # noqa: S608 -- constants
# Among equals the one that was served longest ago; beyond what is remembered, by lot, so that nobody starves.
_TURNS = f"""
turn AS MATERIALIZED (
    SELECT l.priority, l.team_id, l.agent_id, l.concurrency_key, many.is_true AS is_many,
        row_number() OVER (ORDER BY coalesce(t.n, 0), array_position(%(served)s::text[], l.team_id::text) NULLS FIRST,
            coalesce(a.n, 0), array_position(%(served)s::text[], l.agent_id::text) NULLS FIRST,
            CASE WHEN many.is_true THEN random() END, l.queued_at) AS n
    FROM lane l CROSS JOIN (SELECT count(*) > {MANY_LANES} AS is_true FROM lane) many
        LEFT JOIN (SELECT team_id, sum(n) AS n FROM busy_agents GROUP BY 1) t ON t.team_id = l.team_id
        LEFT JOIN busy_agents a ON a.agent_id = l.agent_id
    WHERE l.is_open ORDER BY n LIMIT {MANY_LANES})
"""  # noqa: S608 -- constants
_HAS_LIMIT = (
    (
        "EXISTS (SELECT 1 FROM runs_limit l WHERE l.team_id = {lane}.team_id AND (l.scope = 'queue' AND l.name = QUEUE"
        " OR l.agent_id = {lane}.agent_id OR KEY))"
    )
    .replace("QUEUE", _QUEUE)
    .replace("KEY", _KEY_MATCHES.format(key="{lane}.concurrency_key"))
)
_IN_LANE = (
    "r.priority = {lane}.priority AND r.team_id = {lane}.team_id AND r.agent_id = {lane}.agent_id"
    " AND r.concurrency_key = {lane}.concurrency_key"
)
_FAIR = f"WITH RECURSIVE {_GIVEN}, {_BUSY}, {_HOPS}, {_TURNS}"
_MOVE = """
moved AS (
    UPDATE runs_run r SET status = 'running', epoch = r.epoch + 1, worker_id = %(worker_id)s, claims = r.claims + 1,
        started_at = coalesce(r.started_at, clock_timestamp()), node_at = coalesce(r.node_at, clock_timestamp()),
        wake_at = NULL, waiting_on = NULL, health = array_remove(r.health, 'retrying')
    FROM picked q
    WHERE r.id = q.id AND NOT q.has_limit
        AND EXISTS (SELECT 1 FROM runs_worker w WHERE w.id = %(worker_id)s AND w.dead_at IS NULL)
    RETURNING r.id, r.epoch, r.branch, r.head_seq, r.head_hash, r.node, r.node_seq, r.node_attempt,
        r.node_at::text, r.control, r.input, r.input_codec, r.agent_version_id, extract(epoch from clock_timestamp())::float8,
        r.claims, r.title, r.attempts_before, r.effect_mode)
"""
_CLAIM_FAIR = f"""
{_FAIR}, picked AS MATERIALIZED (
    SELECT t.*, q.id, {_HAS_LIMIT.format(lane="t")} AS has_limit FROM (SELECT * FROM turn ORDER BY n) t CROSS JOIN LATERAL (
        SELECT r.id FROM runs_run r WHERE {_QUEUED} AND {_IN_LANE.format(lane="t")}
        ORDER BY r.queued_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED) q
    LIMIT %(limit)s),
{_MOVE}
SELECT p.priority, p.team_id, p.agent_id, p.concurrency_key, p.has_limit,
    CASE WHEN p.is_many THEN (SELECT json_agg(json_build_array(t.priority, t.team_id, t.agent_id, t.concurrency_key,
        {_HAS_LIMIT.format(lane="t")}) ORDER BY t.n) FROM turn t)::text END, m.*
FROM picked p LEFT JOIN moved m ON m.id = p.id
"""  # noqa: S608 -- constants
_THIS_LANE = "r.priority = %(priority)s AND r.team_id = %(team_id)s AND r.agent_id = %(agent_id)s AND r.concurrency_key = %(key)s::varchar"
_LOCK_LIMITS = (
    "SELECT l.id FROM runs_limit l WHERE l.team_id = %(team_id)s AND (l.scope = 'queue' AND l.name = %(queue)s"  # noqa: S608 -- constants
    f" OR l.agent_id = %(agent_id)s OR {_KEY_MATCHES.format(key='%(key)s::varchar')}) ORDER BY l.id FOR UPDATE"
)
_CLAIM_LANE = f"""
WITH {_GIVEN}, room AS MATERIALIZED (
    SELECT greatest(0, least(%(limit)s, min(l.max_running - (
        SELECT count(*) FROM runs_run b WHERE b.worker_id IS NOT NULL AND b.status = 'running' AND b.team_id = l.team_id
        AND CASE l.scope WHEN 'queue' THEN b.queue = l.name WHEN 'agent' THEN b.agent_id = l.agent_id
            ELSE b.concurrency_key = %(key)s::varchar END)))) AS n
    FROM runs_limit l WHERE l.id = ANY(%(limits)s::uuid[])),
picked AS MATERIALIZED (
    SELECT id, false AS has_limit FROM (
        SELECT r.id FROM runs_run r WHERE {_QUEUED} AND {_THIS_LANE}
            AND (%(run_id)s::uuid IS NULL OR r.id = %(run_id)s::uuid)
        ORDER BY r.queued_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED) f
    LIMIT (SELECT n FROM room)),
{_MOVE}
SELECT m.* FROM moved m
"""  # noqa: S608 -- constants
_NEXT_ISOLATED = (
    f"{_FAIR} SELECT r.id FROM turn t JOIN runs_run r ON {_QUEUED} AND {_IN_LANE.format(lane='t')}"  # noqa: S608 -- constants
    " ORDER BY t.n, r.queued_at LIMIT 1"
)
_LANE_OF = (
    "SELECT queue, priority, team_id, agent_id, concurrency_key FROM runs_run"
    " WHERE id = %(run_id)s AND status = 'queued' AND is_isolated"
)
_IS_ANY_ISOLATED = (
    "SELECT 1 FROM runs_run WHERE status = 'queued' AND queue = %(queue)s AND is_isolated LIMIT 1"
)
_N_QUEUED = (
    "SELECT count(*) FROM (SELECT 1 FROM runs_run WHERE status = 'queued' AND queue = %(queue)s"
    " AND queued_at <= clock_timestamp() - make_interval(secs => %(waited_seconds)s) LIMIT %(limit)s) q"
)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A run that this worker may execute now; `database_epoch_seconds` is the database's clock at the claim."""

    lease: Lease
    agent_id: UUID
    position: Position
    input_codec: int
    input: bytes
    agent_version_id: UUID
    database_epoch_seconds: float
    claims: int
    title: str
    attempts_before: int
    effect_mode: str = ""


@dataclass(frozen=True, slots=True)
class Lane:
    """Queued runs that are alike to a claim."""

    priority: int
    team_id: UUID
    agent_id: UUID
    key: str
    has_limit: bool


@dataclass(slots=True)
class _Memory:
    """What this process knows from its last claims: whom it served, the longest ago first, and whose turn is next."""

    served: "OrderedDict[str, None]" = field(default_factory=OrderedDict)
    plans: "dict[str, tuple[float, deque[Lane]]]" = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def serve(self, lane: Lane) -> None:
        with self.lock:
            for one in (str(lane.team_id), str(lane.agent_id)):
                self.served[one] = None
                self.served.move_to_end(one)
            while len(self.served) > REMEMBERED:
                self.served.popitem(last=False)

    def recently_served(self) -> list[str]:
        with self.lock:
            return list(self.served)

    def plan(self, queue: str, lanes: list[Lane]) -> None:
        self.plans[queue] = (time.monotonic() + PLAN_LIFE_SECONDS, deque(lanes))

    def next_planned(self, queue: str) -> Lane | None:
        until, lanes = self.plans.get(queue, (0.0, None))
        try:
            return lanes.popleft() if lanes and time.monotonic() < until else None
        except IndexError:  # another thread took the last
            return None


_memory = _Memory()


def claim(*, worker_id: UUID, queue: str, limit: int) -> list[Claimed]:
    """Return up to `limit` queued runs, now leased to the worker; none when the worker was declared dead.

    Nothing is claimed of a paused team or agent, or beyond a limit.

    Locks: the claimed run rows, SKIP LOCKED; before them the rows of the limits that the lane is under. Transaction: none
    open; one statement, under a limit a short one of two.
    """
    while lane := _memory.next_planned(queue):
        if found := _claim_lane(worker_id, queue, lane, limit):
            return found
    for _ in range(TRIES):
        given = {"queue": queue, "is_isolated": False, "served": _memory.recently_served()}
        rows = query(_with_limit(_CLAIM_FAIR, limit), given | {"worker_id": worker_id})
        if not rows:
            return []
        lane = Lane(*rows[0][:5])
        if rows[0][5] is not None:
            _memory.plan(queue, [_planned(told) for told in json.loads(rows[0][5])[1:]])
        if not lane.has_limit:
            return [_claimed(worker_id, Lane(*row[:5]), row[6:]) for row in rows if row[6] is not None]
        if found := _claim_lane(worker_id, queue, lane, limit):
            return found
    return []


def claim_alone(*, worker_id: UUID, run_id: UUID) -> list[Claimed]:
    """Return the queued run, now leased to the worker, if it still waits to be run alone and no limit is in its way.

    Locks: the rows of its limits, then the run row. Transaction: opens one.
    """
    row = execute(_LANE_OF, {"run_id": run_id})
    if row is None:
        return []
    queue, priority, team_id, agent_id, key = row
    return _claim_lane(
        worker_id, queue, Lane(priority, team_id, agent_id, key, has_limit=True), 1, alone=run_id
    )


def n_queued(queue: str, *, limit: int, waited_seconds: float = 0.0) -> int:
    """Return how many runs of `queue` have waited so long to be claimed, but not more than `limit`."""
    row = execute(_N_QUEUED, {"queue": queue, "limit": limit, "waited_seconds": waited_seconds})
    return int(row[0]) if row else 0


def next_isolated(queue: str) -> UUID | None:
    """Return a queued run of `queue` that must run alone, in a process of its own, and whose turn it is."""
    if execute(_IS_ANY_ISOLATED, {"queue": queue}) is None:
        return None
    given = {"queue": queue, "is_isolated": True, "served": _memory.recently_served()}
    row = execute(_NEXT_ISOLATED, given)
    return row[0] if row else None


def _claim_lane(
    worker_id: UUID, queue: str, lane: Lane, limit: int, *, alone: UUID | None = None
) -> list[Claimed]:
    """Return claimed runs of one lane. Under limits their rows are locked first, then it is counted what is free."""
    given: dict[str, Any] = {
        "queue": queue, "priority": lane.priority, "team_id": lane.team_id, "agent_id": lane.agent_id, "key": lane.key,
        "worker_id": worker_id, "is_isolated": alone is not None, "run_id": alone,
    }  # fmt: skip
    sql = _with_limit(_CLAIM_LANE, limit)
    if not lane.has_limit:
        return [_claimed(worker_id, lane, row) for row in query(sql, given | {"limits": []})]
    with transaction():
        limits = [row[0] for row in query(_LOCK_LIMITS, given)]
        # In a statement of its own: it sees what others did while this one waited for the lock.
        rows = query(sql, given | {"limits": limits})
    return [_claimed(worker_id, lane, row) for row in rows]


@lru_cache
def _with_limit(sql: str, limit: int) -> str:
    """Return the statement with the number in it: a parameter would be planned for a tenth of the queue."""
    return sql.replace("%(limit)s", str(int(limit)))


def _planned(told: list[Any]) -> Lane:
    priority, team_id, agent_id, key, has_limit = told
    return Lane(priority, UUID(team_id), UUID(agent_id), key, has_limit)


def _claimed(worker_id: UUID, lane: Lane, row: Row) -> Claimed:
    _memory.serve(lane)
    (
        run_id,
        epoch,
        *position,
        body,
        codec,
        version_id,
        seconds,
        claims,
        title,
        attempts_before,
        effect_mode,
    ) = row
    return Claimed(
        lease=Lease(run_id, lane.team_id, epoch, worker_id), agent_id=lane.agent_id, position=Position(*position),
        input_codec=codec, input=body, agent_version_id=version_id, database_epoch_seconds=seconds, claims=claims, title=title,
        attempts_before=attempts_before, effect_mode=effect_mode,
    )  # fmt: skip
