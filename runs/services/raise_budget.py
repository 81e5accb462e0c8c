"""Raise what a budget allows in one period or one tree of runs, and let the runs go on that it has paused."""

from collections.abc import Mapping
from uuid import UUID

from agentops.accounts.roles import Actor, Scope
from agentops.audit.services.record import record
from agentops.common.canonical import clean_json
from agentops.common.errors import ConflictError
from agentops.common.transactions import transaction
from agentops.common.types import JsonObject
from runs.engine.budgets import MAX_AMOUNT, Amount, BudgetScope, Unit, amount_words, proposed_raise, raise_by
from runs.journal import purses
from runs.journal.purses import Held
from runs.models import Run
from runs.selectors.runs import run_for
from runs.services.checks import misfit
from runs.services.mind_budgets import resume_paused_by

MAX_REASON_CHARACTERS = 2000


def raise_budget(
    *, actor: Actor, run_id: UUID, amounts: Mapping[str, Amount] | None = None, reason: str = ""
) -> tuple[Run, int]:
    """Return the run that a budget has paused, going on, and how many runs go on with it.

    The budget itself stays as it is: only its day or month, or the tree of this run, is allowed more.

    Args:
        actor: needs the scope `run` for the run's own budget, else `admin`.
        run_id: which run.
        amounts: by how much more of each unit; None adds half of the limit that was reached, or what the call lacked.
        reason: for the audit.

    Raises: NotFoundError; NotAllowedError; InvalidInputError with pointers; ConflictError when no budget has paused the run.
    Locks: the purse, then the runs. Transaction: opens one for the purse; the runs go on after it.
    """
    actor.require(Scope.RUN)
    run = run_for(actor, run_id)
    told = run.waiting_on or {}
    if run.status != "paused" or told.get("kind") != "budget":
        raise ConflictError(
            f"run {run.id} is {run.status}, and not because of a budget: there is nothing to raise"
        )
    if "purse" not in told:
        raise ConflictError(f"raising does not help here: {told.get('text')}")
    given = None if amounts is None else _checked(amounts)
    with transaction():
        found = purses.locked([UUID(str(told["purse"]))])
        if not found:
            raise ConflictError("the budget that paused this run was removed meanwhile: resume the run")
        _raise(actor, run, found[0], given or _proposed(found[0], told), reason)
    n_resumed = resume_paused_by(actor.team_id, [str(found[0].id)])
    return run_for(actor, run_id), n_resumed


def _raise(actor: Actor, run: Run, one: Held, amounts: Mapping[str, Amount], reason: str) -> None:
    if one.scope != BudgetScope.RUN:
        actor.require(Scope.ADMIN)
    purse = raise_by(one.purse, amounts)
    purses.write(one.id, purse)
    words = {
        unit: f"{amount_words(unit, one.purse.hard(unit) or 0)} to {amount_words(unit, purse.hard(unit) or 0)}"
        for unit in amounts
    }
    detail: JsonObject = {
        "what": one.place, "by": dict(amounts), "limits": dict(words), "run": str(run.id),
        "reason": str(clean_json(reason))[:MAX_REASON_CHARACTERS],
    }  # fmt: skip
    record(actor=actor, action="budget.raise", subject=f"budget:{one.budget_id}", detail=detail)


def _proposed(one: Held, told: Mapping[str, object]) -> dict[str, Amount]:
    unit, needed = str(told.get("unit", "")), told.get("needed", 0)
    if one.purse.hard(unit) is None:
        return {}
    return {unit: proposed_raise(one.purse, unit, needed if isinstance(needed, int | float) else 0)}


def _checked(amounts: Mapping[str, Amount]) -> dict[str, Amount]:
    for unit, amount in amounts.items():
        if unit not in set(Unit):
            raise misfit(f"/by/{unit}", f"is not counted; counted are {', '.join(Unit)}")
        if not 0 < amount <= MAX_AMOUNT:
            raise misfit(f"/by/{unit}", f"must be more than 0 and at most {MAX_AMOUNT:,}")
    return dict(amounts)
