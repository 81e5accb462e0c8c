"""Make the rules that stand in an agent's definition rules of the team, about that agent alone."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from agentops.accounts.roles import Actor
from agentops.common.errors import ConflictError
from approvals.models import Rule
from approvals.services.check_rule import check_rule, checked_stages
from approvals.services.save_rule import RuleSpec, delete_rule, save_rule
from runs.definition_checks import Problem
from runs.models import Agent
from runs.services.check_members import placed


def rule_problems(team_id: UUID, definition: Mapping[str, Any]) -> list[Problem]:
    """Return what is wrong with the rules in a definition, each at its place."""
    rows, seen, found = definition["approval_rules"], set(), []
    for n, row in enumerate(rows):
        pointer = f"/approval_rules/{n}"
        found += placed(pointer, lambda row=row: _check(team_id, row))  # type: ignore[misc]  # bound at once
        if "agents" in row["when"]:
            found.append((f"{pointer}/when/agents", "must be left out: the rule is about this agent alone"))
        if row["name"].strip() in seen:
            found.append((f"{pointer}/name", "is the name of an earlier rule"))
        seen.add(row["name"].strip())
    return found


def put_rules(actor: Actor, agent: Agent, rows: list[Any]) -> None:
    """Make, change and take away the rules of the agent's definition; see runs.definition_checks.add_member.

    Raises: ConflictError when somebody has made a rule of that name. Transaction: the caller's.
    """
    wanted = {_name(agent, row): row for row in rows}
    for rule in Rule.objects.filter(defined_by=agent):
        row = wanted.pop(rule.name, None)
        if row is None:
            delete_rule(actor=actor, rule_id=rule.pk, defined_by=agent)
        elif _spec(agent, row) != RuleSpec(rule.name, rule.verdict, rule.when, rule.stages):
            save_rule(actor=actor, spec=_spec(agent, row), rule_id=rule.pk, defined_by=agent)
    for n, row in enumerate(rows):
        if _name(agent, row) in wanted:
            _made(actor, agent, n, row)


def _made(actor: Actor, agent: Agent, n: int, row: Mapping[str, Any]) -> None:
    try:
        save_rule(actor=actor, spec=_spec(agent, row), defined_by=agent)
    except ConflictError as error:
        place = {"pointer": f"/approval_rules/{n}/name", "message": error.detail}
        raise ConflictError(
            f"the rule {row['name']!r} cannot hold: {error.detail}", errors=[place]
        ) from error


def _check(team_id: UUID, row: Mapping[str, Any]) -> None:
    check_rule(name=row["name"].strip(), verdict=row["verdict"], when=row["when"])
    checked_stages(team_id, row["stages"])


def _name(agent: Agent, row: Mapping[str, Any]) -> str:
    return f"{agent.slug}: {row['name'].strip()}"


def _spec(agent: Agent, row: Mapping[str, Any]) -> RuleSpec:
    when = {**row["when"], "agents": [agent.slug]}
    stages = [stage.as_json() for stage in checked_stages(agent.team_id, row["stages"])]
    return RuleSpec(_name(agent, row), row["verdict"], when, stages)
