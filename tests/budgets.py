"""Budgets in tests: a row as the service writes it, and what its purses hold."""

from typing import Any

from runs.journal.purses import forget_known
from runs.models import Agent, Budget, Purse, Run
from tests.runs import a_team


def a_budget(
    scope: str = "team", *, agent: str = "", run: Run | None = None, period: str = "", **limits: Any
) -> Budget:
    """A budget of the team; `cost_microusd=(soft, hard)` or `steps=hard` for each unit."""
    team = a_team()
    told = {
        unit: dict(zip(("soft", "hard"), limit, strict=True)) if isinstance(limit, tuple) else {"hard": limit}
        for unit, limit in limits.items()
    }
    made = Budget.objects.create(
        team=team, scope=scope, name=agent or (str(run.pk) if run else ""), run=run, limits=told,
        agent=Agent.objects.get(team=team, slug=agent) if agent else None,
        period=period or ("day" if scope in ("team", "agent") else "forever"), created_by="test", updated_by="test",
    )  # fmt: skip
    forget_known(team.pk)
    return made


def purse(budget: Budget) -> Purse:
    """The only purse of the budget."""
    return Purse.objects.get(budget=budget)
