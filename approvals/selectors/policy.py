"""What a team's rules say."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from uuid import UUID

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import NotFoundError
from approvals.engine.facts import Facts
from approvals.engine.rules import Rule, Ruling, judge
from approvals.engine.stages import stages_of
from approvals.engine.words import MODES
from approvals.models import AgentMode, Policy
from approvals.models import Rule as RuleRow
from runs.engine.tools import ToolSpec
from runs.models import AgentVersion, Run

DEFAULT_MODE = "suggest"


def policy_for(actor: Actor) -> Policy:
    """Return the team's policy; one that was never touched has the default mode."""
    actor.require(Scope.READ)
    found = Policy.objects.filter(team_id=actor.team_id).first()
    return found or Policy(team_id=actor.team_id, mode=DEFAULT_MODE, version=0)


def modes_for(actor: Actor) -> dict[str, str]:
    """Return the modes of agents that have one of their own, by slug."""
    actor.require(Scope.READ)
    return dict(
        AgentMode.objects.filter(team_id=actor.team_id).order_by("agent").values_list("agent", "mode")
    )


def rules_for(actor: Actor) -> list[RuleRow]:
    actor.require(Scope.READ)
    return list(
        RuleRow.objects.filter(team_id=actor.team_id)
        .select_related("defined_by")
        .order_by("position", "name")
    )


def rule_for(actor: Actor, rule_id: UUID) -> RuleRow:
    """Raises: NotFoundError."""
    actor.require(Scope.READ)
    found = RuleRow.objects.filter(team_id=actor.team_id, pk=rule_id).first()
    if found is None:
        raise NotFoundError(f"there is no rule {rule_id}")
    return found


def mode_of(team_id: UUID, agent: str, version_id: UUID | None = None) -> str:
    """Return how the agent's writes are treated: by its own mode, else by its team's.

    Of an agent without code the stricter of its team's mode and that of its definition counts: of the version, or of the one
    that starts.
    """
    agents = AgentMode.objects.filter(team_id=team_id, agent=agent)
    if own := agents.values_list("mode", flat=True).first():
        return own
    team = Policy.objects.filter(team_id=team_id).values_list("mode", flat=True).first()
    versions = AgentVersion.objects.filter(team_id=team_id, agent__slug=agent).order_by("-number")
    which = versions.filter(pk=version_id) if version_id else versions.filter(published_at__isnull=False)
    defined = which.values_list("definition__approval_mode", flat=True).first()
    return min(team or DEFAULT_MODE, defined or MODES[-1], key=MODES.index)


def ruling_on(team_id: UUID, facts: Facts, mode: str) -> Ruling:
    """Return what the team's rules say of the action now."""
    version = Policy.objects.filter(team_id=team_id).values_list("version", flat=True).first()
    return judge(_rules(team_id, version) if version else (), facts, mode)


def facts_of(run: Run, tool: str, effect: str, args: Any) -> Facts:
    """Return what rules look at; `run` with its agent."""
    given = args if isinstance(args, Mapping) else {}
    return Facts(run.agent.slug, tool, effect, dict(given), run.cost_microusd, tuple(run.tags))


def effect_of(spec: ToolSpec | None) -> str:
    return spec.effect.value if spec else ""


def rule_of(row: RuleRow) -> Rule:
    return Rule(row.name, row.verdict, row.when, stages_of(row.stages), str(row.pk), row.version)


@lru_cache(maxsize=256)
def _rules(team_id: UUID, version: int) -> tuple[Rule, ...]:
    """Return the rules as of a version; every change of a rule counts the version up in its own transaction."""
    return tuple(rule_of(row) for row in RuleRow.objects.filter(team_id=team_id, is_on=True))
