"""Create a budget of the team, of an agent, or of each run."""

from agentops.accounts.roles import Actor, Scope
from agentops.audit.services.record import record
from agentops.common.errors import ConflictError
from agentops.common.transactions import transaction
from agentops.common.types import JsonObject
from runs.engine.budgets import BudgetScope, Period
from runs.journal.purses import forget_known, open_purse
from runs.models import Agent, Budget
from runs.selectors.budgets import key_of_now
from runs.services.budget_limits import Limits, checked_limits, checked_place, subject_of


def create_budget(
    *, actor: Actor, scope: str, name: str = "", period: str = Period.FOREVER, limits: Limits, defined_by: Agent | None = None
) -> Budget:  # fmt: skip
    """Return the new budget; it counts within a second, and what was spent in its period already counts too.

    Args:
        actor: whose team's; needs the scope `admin`.
        scope: `team`, `agent` or `each_run`.
        name: slug of the agent; for `each_run` empty for the runs of all agents.
        period: `day`, `month` or `forever`.
        limits: for each unit `soft`, `hard` or both.
        defined_by: the agent whose definition says so.

    Raises: NotAllowedError; NotFoundError for the agent; InvalidInputError with pointers; ConflictError when there is one already.
    Transaction: opens one.
    """
    actor.require(Scope.ADMIN)
    agent = checked_place(actor, scope, name, period)
    who = actor.name[:200]
    made = Budget(
        team_id=actor.team_id, scope=scope, name=name, agent=agent, period=period, limits=checked_limits(limits),
        created_by=who, updated_by=who, defined_by=defined_by,
    )  # fmt: skip
    with transaction():
        Budget.objects.bulk_create([made], ignore_conflicts=True)
        is_new = Budget.objects.filter(pk=made.pk).exists()
        if is_new:
            told: JsonObject = {"scope": scope, "name": name, "period": period, "limits": made.limits}
            record(actor=actor, action="budget.create", subject=subject_of(made), detail=told)
    if not is_new:
        raise ConflictError("there is such a budget already; change its limits instead")
    if scope != BudgetScope.EACH_RUN:
        open_purse(made.pk, key_of_now(period))
    forget_known(actor.team_id)
    return Budget.objects.get(pk=made.pk)
