"""Reading limits: what is limited, how many runs are executed under each now, and how many wait behind it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet
from django.db.models.functions import Now

from agentops.accounts.roles import Actor, Scope
from agentops.common.canonical import clean_json
from agentops.common.errors import NotFoundError
from runs.engine.limits import LimitScope, counts_key
from runs.models import Agent, Limit
from runs.selectors.paging import DEFAULT_LIMIT, MAX_LIMIT, Page, decode_cursor, page_of

COUNTED_QUEUED = 100_000

_TRAFFIC = """
SELECT status, agent_id, queue, concurrency_key, count(*), min(queued_at) FROM (
    SELECT status, agent_id, queue, concurrency_key, NULL::timestamptz AS queued_at FROM runs_run
    WHERE worker_id IS NOT NULL AND status = 'running' AND team_id = %(team_id)s
    UNION ALL (
    SELECT status, agent_id, queue, concurrency_key, queued_at FROM runs_run
    WHERE team_id = %(team_id)s AND status = 'queued' LIMIT %(counted)s)) t
GROUP BY 1, 2, 3, 4
"""


@dataclass(frozen=True, slots=True)
class Lane:
    """How many runs of one agent, queue and key have the status `running` or `queued`; `since` is when the oldest was queued."""

    status: str
    agent_id: UUID
    queue: str
    key: str
    n: int
    since: datetime | None


@dataclass(frozen=True, slots=True)
class LimitUse:
    """A limit and what it does now: `n_full` of what it counts by itself (one, or each key) have no place left.

    `is_cut`: more runs wait in the team than were counted.
    """

    limit: Limit
    n_running: int
    n_waiting: int
    n_full: int
    is_cut: bool


def limits_for(
    actor: Actor, *, agent: str = "", cursor: str = "", limit: int = DEFAULT_LIMIT
) -> Page[LimitUse]:
    """Return a page of the team's limits by scope and name, those of one agent when told its slug.

    Raises: NotAllowedError; BadQueryError for a cursor that is none.
    """
    found = limits_of(actor).order_by("scope", "name")
    if agent:
        found = found.filter(scope=LimitScope.AGENT, name=clean_json(agent))
    if cursor:
        scope, _, name = decode_cursor(cursor, str)[0].partition(":")
        found = found.filter(scope__gte=scope).exclude(scope=scope, name__lte=name)
    limit = max(1, min(limit, MAX_LIMIT))
    rows = list(found[: limit + 1])
    traffic = traffic_for(actor) if rows else []
    uses = [_use(row, traffic) for row in rows]
    return page_of(uses, limit, lambda use: (f"{use.limit.scope}:{use.limit.name}",))


def limit_for(actor: Actor, scope: str, name: str) -> LimitUse:
    """Return one limit of the team. Raises: NotFoundError, NotAllowedError."""
    row = limits_of(actor).filter(scope=clean_json(scope), name=clean_json(name)).first()
    if row is None:
        raise NotFoundError(f"there is no limit for the {scope} {name!r}; PUT one", scope=scope, name=name)
    return _use(row, traffic_for(actor))


def limits_of(actor: Actor) -> QuerySet[Limit]:
    """Return the team's limits, bearing `now_at`. Raises: NotAllowedError."""
    actor.require(Scope.READ)
    return Limit.objects.filter(team_id=actor.team_id).annotate(now_at=Now())


def traffic_for(actor: Actor) -> list[Lane]:
    """Return what is executed and what is queued in the team now; of the queued runs COUNTED_QUEUED at most."""
    actor.require(Scope.READ)
    with connection.cursor() as cursor:
        cursor.execute(_TRAFFIC, {"team_id": actor.team_id, "counted": COUNTED_QUEUED})
        return [Lane(*row) for row in cursor.fetchall()]


def is_counted(limit: Limit, agent_id: UUID, queue: str, key: str) -> bool:
    """Return whether a run of this agent, queue and key is under the limit."""
    match limit.scope:
        case LimitScope.AGENT:
            return limit.agent_id == agent_id
        case LimitScope.QUEUE:
            return limit.name == queue
        case _:
            return counts_key(limit.name, key)


def _use(limit: Limit, traffic: Sequence[Lane]) -> LimitUse:
    under = [lane for lane in traffic if is_counted(limit, lane.agent_id, lane.queue, lane.key)]
    running: Counter[str] = Counter()
    for lane in under:
        if lane.status == "running":
            running[lane.key if limit.scope == LimitScope.KEY else ""] += lane.n
    return LimitUse(
        limit, n_running=running.total(), n_waiting=sum(lane.n for lane in under if lane.status == "queued"),
        n_full=sum(n >= limit.max_running for n in running.values()),
        is_cut=sum(lane.n for lane in traffic if lane.status == "queued") >= COUNTED_QUEUED,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Share:
    """What an agent has of the workers now: runs that are executed, and runs that wait, the oldest `since`."""

    agent: Agent
    n_running: int
    n_waiting: int
    since: datetime | None


def shares_for(actor: Actor, *, limit: int) -> list[Share]:
    """Return the agents that have running or queued runs now, those with the most queued ones first, at most `limit`."""
    lanes: dict[UUID, list[Lane]] = {}
    for lane in traffic_for(actor):
        lanes.setdefault(lane.agent_id, []).append(lane)
    agents = Agent.objects.filter(team_id=actor.team_id).defer("description").in_bulk(list(lanes))
    found = [_share(agents[agent_id], of) for agent_id, of in lanes.items()]
    return sorted(found, key=lambda share: (-share.n_waiting, -share.n_running, share.agent.slug))[:limit]


def _share(agent: Agent, lanes: Sequence[Lane]) -> Share:
    queued = [lane for lane in lanes if lane.status == "queued"]
    return Share(
        agent, n_running=sum(lane.n for lane in lanes if lane.status == "running"),
        n_waiting=sum(lane.n for lane in queued), since=min((lane.since for lane in queued if lane.since), default=None),
    )  # fmt: skip
