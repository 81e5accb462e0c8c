"""Check the members of a definition that hold outside of its runs, each problem at its place."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from uuid import UUID

from agentops.common.canonical import digest
from agentops.common.errors import AgentOpsError
from runs.definition_checks import Problem
from runs.engine.budgets import BudgetScope, Line, Period, misfits
from runs.models import Budget
from runs.services.create_trigger import TriggerSpec, checked_trigger
from runs.services.incoming import checked_text
from runs.services.schedule_columns import ScheduleSpec, checked_schedule


def member_problems(definition: Mapping[str, Any]) -> Iterator[Problem]:
    """Return what is wrong with the budgets, schedules and triggers of a definition that is filled."""
    yield from _budget_problems(definition["budgets"])
    yield from _repeated(definition["schedules"], "/schedules", "/title", lambda row: row["title"].strip())
    for n, row in enumerate(definition["schedules"]):
        yield from placed(f"/schedules/{n}", lambda row=row: _check_schedule(row, definition["input_schema"]))  # type: ignore[misc]  # bound at once
    yield from _repeated(definition["triggers"], "/triggers", "", digest)
    for n, row in enumerate(definition["triggers"]):
        yield from placed(f"/triggers/{n}", lambda row=row: _check_trigger(row))  # type: ignore[misc]  # bound at once


def budgets_made_by_hand(*, team_id: UUID, slug: str, definition: Mapping[str, Any]) -> list[Problem]:
    """Return the places whose budget a person has made already: publishing stops there."""
    rows = Budget.objects.filter(team_id=team_id, name=slug, defined_by=None)
    made = dict.fromkeys(rows.values_list("scope", "period"))
    told = (
        "the agent has such a budget, made by hand: remove it under Policies, Budgets, or leave it out here"
    )
    return [
        (f"/budgets/{n}", told)
        for n, row in enumerate(definition["budgets"])
        if (row["scope"], row["period"]) in made
    ]


def placed(pointer: str, look: Callable[[], object]) -> list[Problem]:
    """Return what `look` finds wrong, as problems at or below the pointer."""
    try:
        look()
    except AgentOpsError as error:
        errors = error.data.get("errors") or [{"pointer": "", "message": error.detail}]
        return [(pointer + one["pointer"], one["message"]) for one in errors]
    return []


def _budget_problems(rows: list[dict[str, Any]]) -> Iterator[Problem]:
    yield from _repeated(rows, "/budgets", "/unit", lambda row: (row["scope"], row["period"], row["unit"]))
    for n, row in enumerate(rows):
        if row["scope"] == BudgetScope.EACH_RUN and row["period"] != Period.FOREVER:
            yield f"/budgets/{n}/period", "must be forever: a run has one budget from its start to its end"
        if row["soft"] is None and row["hard"] is None:
            yield f"/budgets/{n}/hard", "give a soft limit, a hard one, or both"
            continue
        for place, message in misfits({row["unit"]: Line(row["soft"], row["hard"])}):
            yield f"/budgets/{n}/{place.rpartition('/')[2]}", message


def _check_schedule(row: Mapping[str, Any], input_schema: Any) -> None:
    checked_schedule(ScheduleSpec(**row), slug="the agent", input_schema=input_schema)


def _check_trigger(row: Mapping[str, Any]) -> None:
    checked_text("/event_name", row["event_name"])
    checked_trigger(TriggerSpec(agent="", **row))


def _repeated(rows: list[Any], where: str, part: str, identity: Callable[[Any], object]) -> Iterator[Problem]:
    seen: dict[object, int] = {}
    for n, row in enumerate(rows):
        first = seen.setdefault(identity(row), n)
        if first != n:
            yield f"{where}/{n}{part}", f"says the same as row {first + 1}"
