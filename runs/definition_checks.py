"""Checks of definitions that plug-ins add, from AppConfig.ready: what only they know to be there or not."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

Problem = tuple[str, str]
Check = Callable[[UUID, Mapping[str, Any]], list[Problem]]

_checks: dict[str, Check] = {}


def add_definition_check(name: str, check: Check) -> None:
    """Let `check(team_id, definition)` say what is wrong, as pairs of pointer and sentence; the same name takes its place."""
    _checks[name] = check


def problems_of_plug_ins(team_id: UUID, definition: Mapping[str, Any]) -> list[Problem]:
    return [problem for check in _checks.values() for problem in check(team_id, definition)]
