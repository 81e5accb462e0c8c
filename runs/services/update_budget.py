"""Change what a budget allows."""

from uuid import UUID

from django.db.models import F
from django.db.models.functions import Now

from agentops.accounts.roles import Actor, Scope
from agentops.audit.services.record import record
from agentops.common.transactions import transaction
from agentops.common.types import JsonObject
from runs.journal.purses import forget_known
from runs.models import Agent, Budget
from runs.selectors.budgets import budget_for
from runs.services.budget_limits import Limits, changed, checked_limits, subject_of
from runs.services.check_owner import check_owner
from runs.services.mind_budgets import resume_paused_by


def update_budget(
    *, actor: Actor, budget_id: UUID, limits: Limits, version: int | None = None, defined_by: Agent | None = None
) -> Budget:  # fmt: skip
    """Return the budget as it is from now on; runs that it has paused go on, and are paused again where too little is left.

    `version` is the one that the actor saw; None changes it as it is.

    Raises: NotAllowedError; NotFoundError; InvalidInputError with pointers; ConflictError when it has another version, or stands
        in another definition than that of `defined_by`.
    Locks: the budget. Transaction: opens one, of one conditional statement.
    """
    actor.require(Scope.ADMIN)
    earlier = budget_for(actor, budget_id)
    check_owner(earlier, defined_by)
    kept = checked_limits(limits)
    seen = earlier.version if version is None else version
    with transaction():
        found = Budget.objects.filter(pk=budget_id, team_id=actor.team_id, version=seen)
        is_done = bool(
            found.update(limits=kept, version=F("version") + 1, updated_by=actor.name[:200], updated_at=Now())
        )
        if is_done:
            told: JsonObject = {"limits": kept, "before": earlier.limits}
            record(actor=actor, action="budget.update", subject=subject_of(earlier), detail=told)
    if not is_done:
        raise changed(Budget.objects.filter(pk=budget_id).first())
    forget_known(actor.team_id)
    resume_paused_by(actor.team_id, [str(pk) for pk in earlier.purses.values_list("id", flat=True)])
    return budget_for(actor, budget_id)
