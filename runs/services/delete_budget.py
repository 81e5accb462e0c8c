"""Remove a budget."""

from uuid import UUID

from agentops.accounts.roles import Actor, Scope
from agentops.audit.services.record import record
from agentops.common.transactions import transaction
from agentops.common.types import JsonObject
from runs.journal.purses import forget_known
from runs.models import Agent, Budget
from runs.selectors.budgets import budget_for
from runs.services.budget_limits import changed, subject_of
from runs.services.check_owner import check_owner
from runs.services.mind_budgets import resume_paused_by


def delete_budget(
    *, actor: Actor, budget_id: UUID, version: int | None = None, defined_by: Agent | None = None
) -> None:
    """Remove the budget with what it has counted; runs that it has paused go on.

    Raises: NotAllowedError; NotFoundError; ConflictError when it has another version than the actor saw, or stands in another
        definition than that of `defined_by`.
    Locks: the budget and its purses. Transaction: opens one.
    """
    actor.require(Scope.ADMIN)
    budget = budget_for(actor, budget_id)
    check_owner(budget, defined_by)
    purse_ids = [str(pk) for pk in budget.purses.values_list("id", flat=True)]
    seen = budget.version if version is None else version
    with transaction():
        is_done = bool(Budget.objects.filter(pk=budget_id, team_id=actor.team_id, version=seen).delete()[0])
        if is_done:
            told: JsonObject = {"scope": budget.scope, "name": budget.name, "before": budget.limits}
            record(actor=actor, action="budget.delete", subject=subject_of(budget), detail=told)
    if not is_done:
        raise changed(Budget.objects.filter(pk=budget_id).first())
    forget_known(actor.team_id)
    resume_paused_by(actor.team_id, purse_ids)
