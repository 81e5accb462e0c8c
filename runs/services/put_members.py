"""Make the budgets, schedules, triggers and rules of an agent those that the version says which starts its runs."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from agentops.accounts.roles import Actor
from agentops.common.errors import AgentOpsError, ConflictError
from agentops.common.transactions import transaction_required
from runs.definition_checks import Problem, Put, members_of_plug_ins
from runs.engine.agent_members import MEMBERS, filled_rows
from runs.models import Agent, Budget, Schedule, Trigger
from runs.services.budget_limits import checked_limits
from runs.services.change_trigger import delete_trigger
from runs.services.check_members import budgets_made_by_hand
from runs.services.create_budget import create_budget
from runs.services.create_schedule import create_schedule
from runs.services.create_trigger import create_trigger
from runs.services.delete_budget import delete_budget
from runs.services.delete_schedule import delete_schedule
from runs.services.schedule_columns import ScheduleSpec
from runs.services.update_budget import update_budget
from runs.services.update_schedule import spec_of, update_schedule


@transaction_required
def put_members(*, actor: Actor, agent: Agent, definition: Mapping[str, Any] | None) -> None:
    """Make, change and take away what stands in the agent's definition; what people have made by hand stays as it is.

    `definition` None is that of an agent of code: nothing stands in it. A row that says what it said before is not touched, so
    that a schedule which somebody has paused stays paused, and a budget goes on counting.

    Raises: ConflictError with the place of what cannot hold as things stand. Locks: budgets, then runs that they have paused.
    """
    said = definition or {}
    clashes = budgets_made_by_hand(team_id=agent.team_id, slug=agent.slug, definition={"budgets": [], **said})
    if clashes:
        raise cannot_hold(clashes)
    for name, put in {**_OWN, **members_of_plug_ins()}.items():
        try:
            put(actor, agent, filled_rows(name, said.get(name, ())))
        except ConflictError:
            raise
        except AgentOpsError as error:
            raise cannot_hold([(f"/{name}", error.detail)]) from error


def cannot_hold(problems: list[Problem]) -> ConflictError:
    """Return the error that names each place."""
    pointer, message = problems[0]
    errors = [{"pointer": place, "message": told} for place, told in problems]
    return ConflictError(f"the definition cannot hold as things stand, at {pointer}: {message}", errors=errors)  # fmt: skip


def _put_budgets(actor: Actor, agent: Agent, rows: list[Any]) -> None:
    wanted: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        wanted.setdefault((row["scope"], row["period"]), {})[row["unit"]] = {"soft": row["soft"], "hard": row["hard"]}  # fmt: skip
    for budget in Budget.objects.filter(defined_by=agent):
        limits = wanted.pop((budget.scope, budget.period), None)
        if limits is None:
            delete_budget(actor=actor, budget_id=budget.pk, defined_by=agent)
        elif checked_limits(limits) != budget.limits:
            update_budget(actor=actor, budget_id=budget.pk, limits=limits, defined_by=agent)
    for (scope, period), limits in wanted.items():
        create_budget(
            actor=actor, scope=scope, name=agent.slug, period=period, limits=limits, defined_by=agent
        )


def _put_schedules(actor: Actor, agent: Agent, rows: list[Any]) -> None:
    wanted = {row["title"].strip(): row for row in rows}
    for schedule in Schedule.objects.filter(defined_by=agent).select_related("agent_version"):
        row, before = wanted.pop(schedule.title, None), asdict(spec_of(schedule))
        if row is None:
            delete_schedule(actor=actor, schedule_id=schedule.pk, defined_by=agent)
        elif changes := {name: row[name] for name in row if name != "title" and row[name] != before[name]}:
            update_schedule(actor=actor, schedule_id=schedule.pk, changes=changes, defined_by=agent)
    for title, row in wanted.items():
        spec = ScheduleSpec(**{**row, "title": title})
        create_schedule(actor=actor, agent=agent.slug, spec=spec, defined_by=agent)


def _put_triggers(actor: Actor, agent: Agent, rows: list[Any]) -> None:
    wanted = list(rows)
    for trigger in Trigger.objects.filter(defined_by=agent):
        said = {name: getattr(trigger, name) for name in _TRIGGER}
        if said in wanted:
            wanted.remove(said)
        else:
            delete_trigger(actor=actor, trigger_id=trigger.pk, defined_by=agent)
    for row in wanted:
        create_trigger(actor=actor, agent=agent.slug, defined_by=agent, **row)


_TRIGGER = ("event_name", "key", "match", "input_template", "priority")
_OWN: dict[str, Put] = {
    "budgets": _put_budgets, "schedules": _put_schedules, "triggers": _put_triggers,
}  # fmt: skip
assert set(_OWN) <= set(MEMBERS)
