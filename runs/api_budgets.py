"""The calls of the API about budgets and what was spent."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Status

from agentops.accounts.middleware import caller_of
from agentops.accounts.roles import Actor
from runs import schemas_budgets as schemas
from runs.presenters import budget_wire as wire
from runs.presenters.if_match import IfMatch, current_state, seen_version
from runs.selectors.budgets import (
    budget_for,
    budgets_for,
    preview_for,
    purses_for,
    spend_by,
    spend_of_days,
    use_of,
)
from runs.selectors.runs import run_for
from runs.services.budget_limits import checked_limits, checked_place
from runs.services.create_budget import create_budget
from runs.services.delete_budget import delete_budget
from runs.services.raise_budget import raise_budget
from runs.services.update_budget import update_budget

router = Router(tags=["budgets"])
run_router = Router(tags=["runs"])
cost_router = Router(tags=["budgets"])


@router.get("", response=schemas.BudgetPageOut, operation_id="list_budgets", summary="List budgets")
def index(request: HttpRequest, filters: Query[schemas.BudgetListIn]) -> schemas.BudgetPageOut:
    """List the team's budgets, the oldest first, with what was spent of each."""
    page = budgets_for(
        caller_of(request), with_runs=filters.with_runs, cursor=filters.cursor, limit=filters.limit
    )
    return schemas.BudgetPageOut(
        items=[wire.budget_out(use) for use in page.items], next_cursor=page.next_cursor
    )


@router.post("", response={201: schemas.BudgetOut}, operation_id="create_budget", summary="Create a budget")
def create(
    request: HttpRequest, response: HttpResponse, payload: schemas.PlannedBudgetIn
) -> Status[schemas.BudgetOut]:
    """Create a budget; it counts within a second, with what was spent in its period already. 409 when there is one."""
    actor = caller_of(request)
    made = create_budget(
        actor=actor, limits=_limits(payload.limits), **payload.model_dump(exclude={"limits"})
    )
    response["Location"], response["ETag"] = wire.budget_url(made), wire.etag(made)
    return Status(201, wire.budget_out(use_of(actor, made)))


@router.post(
    "/preview",
    response=schemas.BudgetPreviewOut,
    operation_id="preview_budget",
    summary="Tell what a budget would do now",
)
def preview(request: HttpRequest, payload: schemas.PlannedBudgetIn) -> schemas.BudgetPreviewOut:
    """Tell what was spent so far, and which runs such a budget would ask about or pause; nothing is changed."""
    actor = caller_of(request)
    agent = checked_place(actor, payload.scope, payload.name, payload.period)
    limits: Any = checked_limits(_limits(payload.limits))
    return wire.preview_out(
        preview_for(actor, scope=payload.scope, agent=agent, period=payload.period, limits=limits)
    )


@router.get(
    "/{uuid:budget_id}", response=schemas.BudgetOut, operation_id="get_budget", summary="Get a budget"
)
def one(request: HttpRequest, response: HttpResponse, budget_id: UUID) -> schemas.BudgetOut:
    """Get one budget, with what was spent of it."""
    actor = caller_of(request)
    budget = budget_for(actor, budget_id)
    response["ETag"] = wire.etag(budget)
    return wire.budget_out(use_of(actor, budget))


@router.patch(
    "/{uuid:budget_id}", response=schemas.BudgetOut, operation_id="update_budget", summary="Change a budget"
)
def update(
    request: HttpRequest, response: HttpResponse, budget_id: UUID, payload: schemas.BudgetChangeIn, if_match: IfMatch = None
) -> schemas.BudgetOut:  # fmt: skip
    """Replace the limits; runs that it has paused go on, and are paused again where too little is left."""
    actor = caller_of(request)
    with current_state(if_match, _current(actor, budget_id)):
        version = seen_version(if_match, payload.version)
        budget = update_budget(
            actor=actor, budget_id=budget_id, limits=_limits(payload.limits), version=version
        )
    response["ETag"] = wire.etag(budget)
    return wire.budget_out(use_of(actor, budget))


@router.delete(
    "/{uuid:budget_id}", response={204: None}, operation_id="delete_budget", summary="Remove a budget"
)
def delete(request: HttpRequest, budget_id: UUID, if_match: IfMatch = None) -> Status[None]:
    """Remove a budget with what it has counted; runs that it has paused go on."""
    actor = caller_of(request)
    with current_state(if_match, _current(actor, budget_id)):
        delete_budget(actor=actor, budget_id=budget_id, version=seen_version(if_match, None))
    return Status(204, None)


@run_router.get(
    "/{uuid:run_id}/budget",
    response=schemas.RunBudgetOut,
    operation_id="get_run_budget",
    summary="Get what a run draws on",
)
def of_run(request: HttpRequest, run_id: UUID) -> schemas.RunBudgetOut:
    """Get what is spent of each budget that the run draws on: its own, those of the runs above it, its agent's, its team's."""
    actor = caller_of(request)
    found = purses_for(actor, run_for(actor, run_id))
    return schemas.RunBudgetOut(purses=[wire.purse_out(one) for one in found])


@run_router.post(
    "/{uuid:run_id}/budget/raise",
    response={202: schemas.RaisedOut},
    operation_id="raise_budget",
    summary="Raise the budget that has paused a run",
)
def raise_it(request: HttpRequest, run_id: UUID, payload: schemas.RaiseIn) -> Status[schemas.RaisedOut]:
    """Allow more, in this period or for this tree of runs alone, and let all runs go on that it has paused."""
    run, n_resumed = raise_budget(
        actor=caller_of(request), run_id=run_id, amounts=payload.by, reason=payload.reason
    )
    return Status(202, schemas.RaisedOut(id=run.id, status=run.status, resumed=n_resumed))


@cost_router.get("", response=schemas.SpendListOut, operation_id="list_costs", summary="Tell what was spent")
def costs(request: HttpRequest, filters: Query[schemas.SpendListIn]) -> schemas.SpendListOut:
    """Tell what requests to models have cost: by agent or by model, the dearest first, or by day and agent."""
    actor = caller_of(request)
    if filters.by == "day":
        found = spend_of_days(actor, days=filters.days)
    else:
        found = spend_by(actor, filters.by, days=filters.days)
    return schemas.SpendListOut(items=[wire.spend_out(one) for one in found])


def _limits(given: schemas.LimitsIn) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = given.model_dump(exclude_none=True)
    return found


def _current(actor: Actor, budget_id: UUID) -> Callable[[], schemas.BudgetOut]:
    return lambda: wire.budget_out(use_of(actor, budget_for(actor, budget_id)))
