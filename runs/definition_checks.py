"""What plug-ins add to definitions, from AppConfig.ready: checks of what only they know, and members that they put in force."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from agentops.accounts.roles import Actor
from runs.models import Agent

Problem = tuple[str, str]
Check = Callable[[UUID, Mapping[str, Any]], list[Problem]]
Put = Callable[[Actor, Agent, list[Any]], None]

_checks: dict[str, Check] = {}
_members: dict[str, Put] = {}


def add_definition_check(name: str, check: Check) -> None:
    """Let `check(team_id, definition)` say what is wrong, as pairs of pointer and sentence; the same name takes its place."""
    _checks[name] = check


def problems_of_plug_ins(team_id: UUID, definition: Mapping[str, Any]) -> list[Problem]:
    return [problem for check in _checks.values() for problem in check(team_id, definition)]


def add_member(name: str, put: Put) -> None:
    """Let `put(actor, agent, rows)` make what the member says hold for the agent, when the version that says so starts runs.

    It is called in the transaction that publishes or rolls back, with all rows that are to hold; what an earlier call has put and
    is not among them goes.
    """
    _members[name] = put


def members_of_plug_ins() -> dict[str, Put]:
    return dict(_members)
