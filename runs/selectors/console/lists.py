"""Reads of the run list and the agents page."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Count, OuterRef, Q, Subquery
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Now

from agentops.accounts.roles import Actor, Scope
from runs.engine.states import OPEN, RunStatus
from runs.models import Agent, AgentVersion, Run
from runs.selectors.runs import runs_of

MAX_AGENTS = 200


def waits_of(actor: Actor, run_ids: Collection[UUID]) -> dict[UUID, Any]:
    """Return what each of the runs waits for, as stored in `waiting_on`."""
    return dict(runs_of(actor).filter(id__in=run_ids).values_list("id", "waiting_on"))


def runs_by_id(actor: Actor, run_ids: Collection[UUID]) -> list[Run]:
    """Return those of the runs that the actor may see, as run_list_for gives them, with `waiting_on`."""
    found = runs_of(actor).filter(id__in=run_ids).select_related("agent", "agent_version")
    found = found.annotate(now_at=Now(), error_message=KeyTextTransform("message", "error"))
    hidden = ("input", "output", "error", "request_hash", "agent__description", "agent_version__input_schema")
    return list(found.defer(*hidden))


@dataclass(frozen=True, slots=True)
class AgentCard:
    """An agent, the number of the version that starts (None: none is published), and counts of its runs."""

    agent: Agent
    published: int | None
    n_runs: int
    n_open: int
    n_failed: int


def agents_with_counts(actor: Actor) -> list[AgentCard]:
    """Return the team's agents by slug, at most MAX_AGENTS."""
    actor.require(Scope.READ)
    found = Agent.objects.filter(team_id=actor.team_id).annotate(
        published=_newest_published(),
        n_runs=Count("runs"),
        n_open=Count("runs", filter=Q(runs__status__in=OPEN)),
        n_failed=Count("runs", filter=Q(runs__status=RunStatus.FAILED)),
    )
    rows = found.order_by("slug")[:MAX_AGENTS]
    return [AgentCard(agent, agent.published, agent.n_runs, agent.n_open, agent.n_failed) for agent in rows]


def _newest_published() -> Subquery:
    versions = AgentVersion.objects.filter(agent=OuterRef("pk"), published_at__isnull=False)
    return Subquery(versions.order_by("-number").values("number")[:1])
