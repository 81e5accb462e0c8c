"""Budgets as the API tells them."""

from collections.abc import Sequence
from typing import Any

from runs import schemas_budgets as schemas
from runs.engine.budgets import BudgetScope, Period, Purse
from runs.journal.purses import Held
from runs.models import Budget
from runs.selectors.budgets import BudgetUse, Preview, Spend, tightest


def budget_url(budget: Budget) -> str:
    """Return the address of the budget in the API."""
    return f"/api/v1{budget_path(budget)}"


def budget_path(budget: Budget) -> str:
    """Return the address of the budget's page."""
    return f"/policies/budgets/{budget.pk}"


def etag(budget: Budget) -> str:
    return f'"{budget.version}"'


def budget_out(use: BudgetUse) -> schemas.BudgetOut:
    budget = use.budget
    return schemas.BudgetOut(
        id=budget.pk, scope=BudgetScope(budget.scope), name=budget.name, period=Period(budget.period), limits=budget.limits,
        url=budget_path(budget), purses=[purse_out(one) for one in use.purses], paused=use.n_paused, version=budget.version,
        defined_by=budget.defined_by.slug if budget.defined_by else None,
        created_by=budget.created_by, created_at=budget.created_at, updated_by=budget.updated_by, updated_at=budget.updated_at,
    )  # fmt: skip


def purse_out(one: Held) -> schemas.PurseOut:
    lines = {unit: _line(one.purse, unit) for unit in one.purse.lines}
    return schemas.PurseOut(id=one.id, text=one.place, until=one.until, lines=lines, answer=one.answer)


def run_budget(found: Sequence[Held]) -> dict[str, Any] | None:
    """Return what a run has used, of each unit that is limited; where several limit it, that with the least left."""
    told = {
        unit: {"used": one.purse.spent.get(unit, 0), "limit": one.purse.hard(unit), "left": left}
        for unit, (one, left) in tightest(found).items()
    }
    return told or None


def preview_out(found: Preview) -> schemas.BudgetPreviewOut:
    hits = [
        schemas.HitOut(id=hit.run_id, title=hit.title, agent=hit.agent, spent=dict(hit.spent), reached=hit.reached)  # type: ignore[arg-type]  # one of the two
        for hit in found.hits
    ]  # fmt: skip
    return schemas.BudgetPreviewOut(
        spent=dict(found.spent), reached=found.reached, open_runs=found.n_open, agents=found.agents,  # type: ignore[arg-type]  # one of three
        hits=hits, n_hits=found.n_hit,
    )  # fmt: skip


def spend_out(one: Spend) -> schemas.SpendOut:
    return schemas.SpendOut(
        name=one.name, day=one.day.isoformat() if one.day else None, calls=one.n_calls, unpriced=one.n_unpriced,
        cost_microusd=one.cost_microusd, tokens=one.tokens,
    )  # fmt: skip


def _line(purse: Purse, unit: str) -> schemas.LineOut:
    hard, soft = purse.hard(unit), purse.lines[unit].soft
    return schemas.LineOut(
        soft=None if soft is None else int(soft), limit=None if hard is None else int(hard), used=purse.spent.get(unit, 0),
        reserved=purse.reserved.get(unit, 0), left=purse.left(unit),
    )  # fmt: skip
