"""What a run has spent of the budget that is nearest to its end, and what raising it would add."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from agentops.accounts.roles import Actor, Scope
from runs.engine.budgets import Amount, BudgetScope, amount_words, proposed_raise, share_words
from runs.journal.purses import Held
from runs.models import Run
from runs.presenters import text
from runs.presenters.run_list import Meter


@dataclass(frozen=True, slots=True)
class RunBudget:
    """`words` such as "$0.42 of $1.25"; `more` whose budget that is; `raise_words` is on the button, where one may press it.

    `path` is the page of the budget that has paused the run.
    """

    words: str
    more: str
    meter: Meter | None
    raise_words: str = ""
    path: str = ""
    is_for_admins: bool = False


def run_budget(actor: Actor, run: Run, found: Sequence[Held]) -> RunBudget | None:
    """Return the budget that the head of a run shows: the one that has paused it, else the fullest; None for none."""
    stopped = _stopped_by(run, found)
    if stopped is not None:
        one, unit, needed = stopped
        added = proposed_raise(one.purse, unit, needed) if one.purse.hard(unit) is not None else 0
        may = actor.can(Scope.RUN if one.scope == BudgetScope.RUN else Scope.ADMIN)
        words = _("Raise by %(amount)s and go on") % {"amount": amount_words(unit, added)} if added else ""
        return _shown(
            one, unit, raise_words=words if may else "", path=f"/policies/budgets/{one.budget_id}", is_for_admins=not may
        )  # fmt: skip
    shares = [(_share(one, unit), n, unit) for n, one in enumerate(found) for unit in one.purse.lines]
    known = [(share, n, unit) for share, n, unit in shares if share is not None]
    if not known:
        return None
    _most, n, unit = max(known)
    return _shown(found[n], unit)


def meter_of(one: Held, unit: str) -> Meter | None:
    """Return what is spent of a unit as a bar, with the words for it; None where there is no limit."""
    share = _share(one, unit)
    if share is None:
        return None
    soft, spent = one.purse.lines[unit].soft, one.purse.spent.get(unit, 0)
    tone = "bad" if share >= 1 else "need" if soft is not None and spent >= soft else "move"
    return Meter(round(min(share, 1) * 100, 1), tone, spent_words(one, unit))


def spent_words(one: Held, unit: str) -> str:
    """Return what is spent of a unit, of how much."""
    hard = one.purse.hard(unit)
    limit = hard if hard is not None else one.purse.lines[unit].soft
    return share_words(unit, one.purse.spent.get(unit, 0), limit or 0)


def _shown(
    one: Held, unit: str, *, raise_words: str = "", path: str = "", is_for_admins: bool = False
) -> RunBudget:
    return RunBudget(
        spent_words(one, unit),
        text.line(one.place, 120),
        meter_of(one, unit),
        raise_words,
        path,
        is_for_admins,
    )


def _stopped_by(run: Run, found: Sequence[Held]) -> tuple[Held, str, Amount] | None:
    told = run.waiting_on or {}
    if run.status != "paused" or told.get("kind") != "budget":
        return None
    one = next((one for one in found if str(one.id) == told.get("purse")), None)
    unit, needed = str(told.get("unit", "")), told.get("needed", 0)
    if one is None or unit not in one.purse.lines:
        return None
    return one, unit, needed if isinstance(needed, int | float) else 0


def _share(one: Held, unit: str) -> float | None:
    line = one.purse.lines[unit]
    limit = one.purse.hard(unit) if line.hard is not None else line.soft
    return None if limit is None else one.purse.spent.get(unit, 0) / limit
