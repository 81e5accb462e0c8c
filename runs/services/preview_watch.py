"""What rules for the watch would speak up about now among the open runs of an agent."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from agentops.accounts.roles import Actor, Scope
from agentops.common.types import JsonObject
from runs.engine.detectors import findings
from runs.engine.sights import Finding
from runs.engine.watch_rules import Rule, WatchError, rules_from
from runs.models import Agent, Run
from runs.selectors.agents import agent_for, versions_for
from runs.services.checks import misfit
from runs.services.watch_runs import declared_rules
from runs.services.watch_sights import Memory, Watched, watched

LOOKED_AT = 300


@dataclass(frozen=True, slots=True)
class Spoken:
    """A run that a detector speaks up about; `is_new`: only by the new rules."""

    run_id: UUID
    reason: str
    text: str
    is_new: bool


@dataclass(frozen=True, slots=True)
class WatchPreview:
    """`spared` are those that only the rules in force speak up about. The newest LOOKED_AT open runs were looked at, `n_open` of them."""

    n_open: int
    spoken: list[Spoken]
    spared: list[Spoken]


def declared_for(actor: Actor, agent: Agent) -> JsonObject:
    """Return what the agent's code says of the watch: that of the version that starts, else the newest one."""
    versions = versions_for(actor, agent.slug)
    live = next((it for it in versions if it.number == agent.__dict__.get("published")), versions[0])
    return dict(declared_rules(live.pk))


def preview_watch(*, actor: Actor, slug: str, watch: Any) -> WatchPreview:
    """Return what the rules would find if they held now; changes nothing.

    Raises: NotAllowedError without the scope `admin`; NotFoundError; InvalidInputError with the place that makes no sense.
    """
    actor.require(Scope.ADMIN)
    agent = agent_for(actor, slug)
    declared = declared_for(actor, agent)
    try:
        then = rules_from({**declared, **watch} if isinstance(watch, dict) else watch)
    except WatchError as error:
        raise misfit(error.pointer, error.reason) from error
    now = rules_from({**declared, **agent.watch})
    ids = Run.objects.filter(team_id=actor.team_id, agent=agent, ended_at=None).order_by("-created_at", "-id")
    seen = watched(list(ids.values_list("id", flat=True)[:LOOKED_AT]), Memory())
    spoken, spared = [], []
    for it in seen:
        before, after = _by_reason(it, now), _by_reason(it, then)
        spoken += [Spoken(it.id, reason, one.text, reason not in before) for reason, one in after.items()]
        over = [reason for reason in before if reason not in after]
        spared += [Spoken(it.id, reason, before[reason].text, is_new=False) for reason in over]
    return WatchPreview(len(seen), spoken, spared)


def _by_reason(it: Watched, rules: Mapping[str, Rule]) -> dict[str, Finding]:
    return {finding.reason: finding for finding in findings(it.sight, rules)}
