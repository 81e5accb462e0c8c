"""What people say of budgets, checked: whose, in which period, how much."""

from collections.abc import Mapping
from typing import Any

from agentops.accounts.roles import Actor
from agentops.common.errors import ConflictError
from agentops.common.types import JsonObject
from runs.engine.budgets import MAX_AMOUNT, BudgetScope, Line, Period, Unit, misfits
from runs.models import Agent, Budget
from runs.selectors.agents import agent_for
from runs.services.checks import misfit

Limits = Mapping[str, Mapping[str, Any]]


def checked_place(actor: Actor, scope: str, name: str, period: str) -> Agent | None:
    """Return the agent that the budget is of, if it is of one.

    Raises: NotFoundError; InvalidInputError with pointers.
    """
    if scope not in (BudgetScope.TEAM, BudgetScope.AGENT, BudgetScope.EACH_RUN):
        raise misfit(
            "/scope", "must be team, agent or each_run; a run brings its own budget when it is started"
        )
    if period not in set(Period):
        raise misfit("/period", f"must be one of {', '.join(Period)}")
    if scope == BudgetScope.EACH_RUN and period != Period.FOREVER:
        raise misfit("/period", "must be forever: a run has one budget from its start to its end")
    if scope == BudgetScope.TEAM and name:
        raise misfit("/name", "must be empty: the budget is the whole team's")
    if scope == BudgetScope.AGENT and not name:
        raise misfit("/name", "must be the slug of an agent")
    return agent_for(actor, name) if name else None


def checked_limits(limits: Limits, *, at: str = "/limits") -> JsonObject:
    """Return the limits as they are stored.

    Raises: InvalidInputError with pointers.
    """
    for unit in limits:
        if unit not in set(Unit):
            raise misfit(f"{at}/{unit}", f"is not counted; counted are {', '.join(Unit)}")
    lines = {unit: Line(line.get("soft"), line.get("hard")) for unit, line in limits.items()}
    for pointer, message in misfits(lines):
        raise misfit(f"{at}{pointer}", message)
    kept = {unit: line for unit, line in lines.items() if line.soft is not None or line.hard is not None}
    return {
        unit: {
            name: amount for name, amount in (("soft", line.soft), ("hard", line.hard)) if amount is not None
        }
        for unit, line in kept.items()
    }


def check_run_budget(amounts: Mapping[str, int]) -> None:
    """Accept what a run brings along. Raises: InvalidInputError with a pointer."""
    if not amounts:
        raise misfit("/budget", f"give at least one limit: {', '.join(Unit)}")
    for unit, amount in amounts.items():
        if unit not in set(Unit):
            raise misfit(f"/budget/{unit}", f"is not counted; counted are {', '.join(Unit)}")
        if not 1 <= amount <= MAX_AMOUNT:
            raise misfit(f"/budget/{unit}", f"must be from 1 to {MAX_AMOUNT:,}")


def subject_of(budget: Budget) -> str:
    """Return what the audit calls the budget."""
    return f"budget:{budget.pk}"


def changed(budget: Budget | None) -> ConflictError:
    """Return the error for a version that has passed; `budget` is the one that stands now."""
    if budget is None:
        return ConflictError(
            "the budget was removed meanwhile; create it anew if it is still wanted", version=0
        )
    return ConflictError(
        f"{budget.updated_by} has changed this budget meanwhile; it has version {budget.version} now. Load it again and repeat "
        "what is still to be changed",
        version=budget.version,
    )
