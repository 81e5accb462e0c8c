"""Why a queued run is not executed: its team or agent is paused, or a limit is reached that it is under."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q

from agentops.accounts.models import Team
from agentops.accounts.roles import Actor, Scope
from runs.engine.limits import LimitScope
from runs.engine.states import RunStatus
from runs.models import Agent, Limit, Run
from runs.selectors.limits import is_counted, limits_of
from runs.selectors.runs import runs_of

COUNTED_AHEAD = 1_000


@dataclass(frozen=True, slots=True)
class Holdup:
    """What is in the way of a queued run: `kind` is `team_paused`, `agent_paused` or `limit`.

    Of a pause: `by`, `reason` and `at`. Of a limit: how many runs are executed under it, and how many are queued before this
    one (None where nobody asked; COUNTED_AHEAD means that many or more).
    """

    kind: str
    name: str
    by: str = ""
    reason: str = ""
    at: datetime | None = None
    scope: str = ""
    max_running: int = 0
    n_running: int = 0
    n_ahead: int | None = None


@dataclass(frozen=True, slots=True)
class Pauses:
    """What is paused whole: the team, when it is, and agents by slug."""

    team: Team | None
    agents: list[Agent]

    def __bool__(self) -> bool:
        return bool(self.team or self.agents)


def pauses_for(actor: Actor, team: Team) -> Pauses:
    """Return what somebody has paused in the actor's team. Raises: NotAllowedError."""
    actor.require(Scope.READ)
    agents = Agent.objects.filter(team_id=actor.team_id, is_paused=True).defer("description")
    return Pauses(team if team.is_paused else None, list(agents.order_by("slug")))


def team_for(actor: Actor) -> Team:
    """Return the actor's team. Raises: NotAllowedError."""
    actor.require(Scope.READ)
    return Team.objects.get(pk=actor.team_id)


def note_holdups(actor: Actor, runs: Iterable[Run], *, with_ahead: bool = False) -> None:
    """Put on each of the runs as `holdup` what is in its way, None for nothing but the runs before it.

    The runs are the team's, with their agents. Without queued ones nothing is read.
    """
    queued = [run for run in runs if run.status == RunStatus.QUEUED]
    if not queued:
        return
    team, limits = team_for(actor), list(limits_of(actor))
    busy = _busy(actor) if limits else []
    for run in queued:
        run.__dict__["holdup"] = _paused(team, run.agent) or _limited(
            actor, run, limits, busy, with_ahead=with_ahead
        )


def holdup_of(run: Run) -> Holdup | None:
    """Return what note_holdups found for the run."""
    found: Holdup | None = run.__dict__.get("holdup")
    return found


def _paused(team: Team, agent: Agent) -> Holdup | None:
    kinds: list[tuple[str, str, Any]] = [
        ("team_paused", team.name, team),
        ("agent_paused", agent.slug, agent),
    ]
    for kind, name, it in kinds:
        if it.is_paused:
            return Holdup(kind, name, by=it.paused_by, reason=it.pause_reason, at=it.paused_at)
    return None


def _limited(
    actor: Actor, run: Run, limits: list[Limit], busy: list[tuple[Any, str, str]], *, with_ahead: bool
) -> Holdup | None:
    """Return the limit that leaves the fewest places, when it leaves none."""
    found = None
    for limit in limits:
        if not is_counted(limit, run.agent_id, run.queue, run.concurrency_key):
            continue
        n = sum(_is_beside(limit, run, other) for other in busy)
        if n >= limit.max_running and (found is None or limit.max_running < found[0].max_running):
            found = (limit, n)
    if found is None:
        return None
    limit, n_running = found
    name = run.concurrency_key if limit.scope == LimitScope.KEY else limit.name
    return Holdup(
        "limit", name, scope=limit.scope, max_running=limit.max_running, n_running=n_running,
        n_ahead=_n_ahead(actor, run, limit) if with_ahead else None,
    )  # fmt: skip


def _is_beside(limit: Limit, run: Run, other: tuple[Any, str, str]) -> bool:
    """Return whether the other, a running one, takes a place that this one could have."""
    is_same_key = limit.scope != LimitScope.KEY or other[2] == run.concurrency_key
    return is_same_key and is_counted(limit, *other)


def _busy(actor: Actor) -> list[tuple[Any, str, str]]:
    found = runs_of(actor).filter(status=RunStatus.RUNNING, worker_id__isnull=False)
    return list(found.values_list("agent_id", "queue", "concurrency_key"))


def _n_ahead(actor: Actor, run: Run, limit: Limit) -> int:
    column = {"agent": "agent_id", "queue": "queue", "key": "concurrency_key"}[limit.scope]
    queued = runs_of(actor).filter(status=RunStatus.QUEUED, **{column: getattr(run, column)})
    before = Q(priority__gt=run.priority) | Q(priority=run.priority, queued_at__lt=run.queued_at)
    return len(queued.filter(before).values_list("pk")[:COUNTED_AHEAD])
