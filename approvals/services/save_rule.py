"""Make, change and remove rules; put in presets; set modes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db.models import F

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import ConflictError, NotFoundError
from agentops.common.transactions import transaction
from approvals.engine.presets import preset_named
from approvals.engine.stages import Stage
from approvals.engine.words import MODES
from approvals.models import AgentMode, Policy, Rule
from approvals.selectors.policy import rule_for
from approvals.services.check_rule import check_rule, checked_stages
from approvals.services.policy_changes import note_change
from runs.models import Agent
from runs.services.check_owner import check_owner
from runs.services.checks import cleaned, misfit


@dataclass(frozen=True, slots=True)
class RuleSpec:
    """A rule as somebody writes it."""

    name: str
    verdict: str
    when: Mapping[str, Any] = field(default_factory=dict)
    stages: list[Any] = field(default_factory=list)
    is_on: bool = True
    position: int = 100


def save_rule(
    *, actor: Actor, spec: RuleSpec, rule_id: UUID | None = None, version: int | None = None, defined_by: Agent | None = None
) -> Rule:  # fmt: skip
    """Return the rule, new or changed; it counts for every write that is judged from now on.

    Raises: NotAllowedError; NotFoundError; InvalidInputError with pointers, also when its stages can never be met;
        ConflictError when the name is taken, the rule is not at `version` any more, or stands in another definition than that of
        `defined_by`.
    Locks: the rule and the team's policy row. Transaction: opens one.
    """
    actor.require(Scope.ADMIN)
    check_rule(name=spec.name, verdict=spec.verdict, when=spec.when)
    stages = [stage.as_json() for stage in checked_stages(actor.team_id, spec.stages)]
    columns = {
        "name": spec.name, "verdict": spec.verdict, "when": cleaned(dict(spec.when), what="the rule"), "stages": stages,
        "is_on": spec.is_on, "position": min(max(spec.position, 0), 10_000), "defined_by": defined_by,
    }  # fmt: skip
    with transaction():
        named = Rule.objects.filter(team_id=actor.team_id, name=spec.name).exclude(
            pk__in=[rule_id] if rule_id else []
        )
        if named.exists():
            raise ConflictError(f"there is a rule named {spec.name!r} already")
        found = _written(actor, columns, rule_id, version)
        told = {name: value for name, value in columns.items() if name != "defined_by"}
        note_change(actor, "rule.save", f"rule:{found.pk}", told | {"version": found.version})
    return found


def _written(actor: Actor, columns: dict[str, Any], rule_id: UUID | None, version: int | None) -> Rule:
    if rule_id is None:
        return Rule.objects.create(team_id=actor.team_id, created_by=actor.name[:200], **columns)
    before = rule_for(actor, rule_id)
    check_owner(before, columns["defined_by"])
    rows = Rule.objects.filter(pk=rule_id, version=before.version if version is None else version)
    if not rows.update(**columns, version=F("version") + 1):
        raise ConflictError("the rule was changed meanwhile; load it again", version=before.version)
    return rule_for(actor, rule_id)


def delete_rule(*, actor: Actor, rule_id: UUID, defined_by: Agent | None = None) -> None:
    """Remove the rule; decisions made under it stand.

    Raises: NotAllowedError; NotFoundError; ConflictError when it stands in another definition than that of `defined_by`.
    Transaction: opens one.
    """
    actor.require(Scope.ADMIN)
    with transaction():
        rule = rule_for(actor, rule_id)
        check_owner(rule, defined_by)
        note_change(actor, "rule.delete", f"rule:{rule_id}", {"name": rule.name})
        rule.delete()


def apply_preset(*, actor: Actor, slug: str) -> list[Rule]:
    """Return the rules of the preset that were not there by name; where a rule wants more people than there are, it takes all.

    Raises: NotAllowedError; NotFoundError. Transaction: opens one for each rule.
    """
    actor.require(Scope.ADMIN)
    preset = preset_named(slug)
    if preset is None:
        raise NotFoundError(f"there is no preset {slug!r}")
    made = []
    for name, verdict, when, k in preset.rules:
        if Rule.objects.filter(team_id=actor.team_id, name=name).exists():
            continue
        stages = [_fitting(actor, k).as_json()] if verdict == "ask" else []
        rule = save_rule(actor=actor, spec=RuleSpec(name, verdict, when, stages))
        Rule.objects.filter(pk=rule.pk).update(preset=slug)
        made.append(rule)
    return made


def _fitting(actor: Actor, k: int) -> Stage:
    """Return a stage that the team can pass: in a team of one, whoever is there decides alone."""
    from approvals.selectors.people import reviewers_of

    n_people = len(reviewers_of(actor.team_id))
    if n_people < 2:
        return Stage(excludes_initiator=False)
    return Stage() if k < 2 else Stage("k_of_n", min(k, n_people))


def set_mode(*, actor: Actor, mode: str, agent: str = "") -> None:
    """Set how writes that no rule names are treated: of one agent, or of all that have no mode of their own.

    An empty mode takes the agent's own away.

    Raises: NotAllowedError; NotFoundError; InvalidInputError. Transaction: opens one.
    """
    actor.require(Scope.ADMIN)
    if mode not in MODES and not (agent and not mode):
        raise misfit("/mode", f"must be one of {', '.join(MODES)}")
    if agent and not Agent.objects.filter(team_id=actor.team_id, slug=agent).exists():
        raise NotFoundError(f"there is no agent {agent!r}")
    with transaction():
        note_change(actor, "mode.set", f"agent:{agent}" if agent else f"team:{actor.team_id}", {"mode": mode})
        if not agent:
            Policy.objects.filter(team_id=actor.team_id).update(mode=mode)
            return
        AgentMode.objects.filter(team_id=actor.team_id, agent=agent).delete()
        if mode:
            AgentMode.objects.create(team_id=actor.team_id, agent=agent, mode=mode)
