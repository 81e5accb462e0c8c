"""Budgets: what may be spent of what, whether a call may go, and what is left after it (pure).

A purse is what one budget has spent in one period, or one tree of runs. Before a call its most likely cost is reserved in
every purse that the run draws on; after it, what it really took is settled. While a call is open its reservation counts
as spent, so that many at once cannot together spend what each of them sees left. Source: PROTOCOL G; DESIGN 9.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Any, TypeAlias

Amount: TypeAlias = int | float
Amounts: TypeAlias = Mapping[str, Amount]

MAX_AMOUNT = 10**15
WAIT_SECONDS = 2.0
GO_ON, PAUSE_IT = "Go on", "Pause the run"
QUESTION_SECONDS = 7 * 86400.0


class Unit(StrEnum):
    """What is counted. SECONDS are those in which workers execute; STEPS are nodes and their actions, as the tree shows."""

    COST = "cost_microusd"
    TOKENS = "tokens"
    STEPS = "steps"
    SECONDS = "seconds"
    TOOL_CALLS = "tool_calls"


class BudgetScope(StrEnum):
    """Whose spending is counted: the team's, an agent's, each run's with its children by itself, or that of one run."""

    TEAM = "team"
    AGENT = "agent"
    EACH_RUN = "each_run"
    RUN = "run"

    @property
    def is_of_run(self) -> bool:
        return self in (BudgetScope.EACH_RUN, BudgetScope.RUN)


class Period(StrEnum):
    """When counting begins anew, by UTC."""

    DAY = "day"
    MONTH = "month"
    FOREVER = "forever"


@dataclass(frozen=True, slots=True)
class Line:
    """What may be spent of one unit: beyond `soft` a person is asked, beyond `hard` nothing goes."""

    soft: Amount | None = None
    hard: Amount | None = None


Lines: TypeAlias = Mapping[str, Line]


@dataclass(frozen=True, slots=True)
class Purse:
    """What was spent, what open calls have reserved, and by how much people have raised the hard limits."""

    lines: Lines
    spent: Amounts
    reserved: Amounts
    raised: Amounts

    def hard(self, unit: str) -> Amount | None:
        """Return the hard limit with what was added to it; None for no limit."""
        line = self.lines.get(unit)
        return None if line is None or line.hard is None else line.hard + self.raised.get(unit, 0)

    def left(self, unit: str) -> Amount | None:
        """Return what is neither spent nor reserved, not below 0; None for no limit."""
        hard = self.hard(unit)
        return None if hard is None else max(hard - self.spent.get(unit, 0) - self.reserved.get(unit, 0), 0)


class Way(StrEnum):
    """GO; WAIT: it fits once others have settled what they reserved; STOP: it does not fit."""

    GO = "go"
    WAIT = "wait"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a call; `n` is the purse that says so, and `unit` of what it has not enough."""

    way: Way
    n: int = 0
    unit: str = ""


def decide(purses: Sequence[Purse], need: Amounts) -> Verdict:
    """Return whether a call that may take `need` may go: when every purse has as much left."""
    found = Verdict(Way.GO)
    for n, purse in enumerate(purses):
        for unit, amount in need.items():
            hard = purse.hard(unit)
            if hard is None:
                continue
            spent = purse.spent.get(unit, 0)
            # What costs nothing by itself does not go either where nothing is left.
            if spent + amount > hard or spent >= hard:
                return Verdict(Way.STOP, n, unit)
            if spent + purse.reserved.get(unit, 0) + amount > hard:
                found = Verdict(Way.WAIT, n, unit)
    return found


def exhausted(purses: Sequence[Purse], units: Sequence[str]) -> Verdict:
    """Return STOP where one of the purses has nothing left of one of the units, else GO."""
    for n, purse in enumerate(purses):
        for unit in units:
            hard = purse.hard(unit)
            if hard is not None and purse.spent.get(unit, 0) >= hard:
                return Verdict(Way.STOP, n, unit)
    return Verdict(Way.GO)


def reserve(purse: Purse, amounts: Amounts) -> Purse:
    return replace(purse, reserved=_added(purse.reserved, amounts))


def settle(purse: Purse, reserved: Amounts, actual: Amounts) -> Purse:
    """Return the purse after a call that had reserved `reserved` and took `actual`; none of that was spent before."""
    back = {unit: -amount for unit, amount in reserved.items()}
    return replace(
        purse, spent=_added(purse.spent, actual), reserved=_no_less_than_0(_added(purse.reserved, back))
    )


def spend(purse: Purse, actual: Amounts) -> Purse:
    """Return the purse after something that had reserved nothing."""
    return settle(purse, {}, actual)


def raise_by(purse: Purse, amounts: Amounts) -> Purse:
    return replace(purse, raised=_added(purse.raised, amounts))


def past_soft(purse: Purse) -> str:
    """Return the first unit whose soft limit is reached, empty for none."""
    reached = [
        unit
        for unit, line in purse.lines.items()
        if line.soft is not None and purse.spent.get(unit, 0) >= line.soft
    ]
    return reached[0] if reached else ""


def proposed_raise(purse: Purse, unit: str, needed: Amount = 0) -> Amount:
    """Return by how much one click raises the hard limit: half of it, or what the call that did not fit lacks, if that is more."""
    hard = purse.hard(unit) or 0
    lacking = purse.spent.get(unit, 0) + purse.reserved.get(unit, 0) + needed - hard
    return max(-(-int(hard) // 2), -(-lacking // 1) if lacking > 0 else 0, 1)


def lines_of(stored: Mapping[str, Any]) -> dict[str, Line]:
    """Return the limits that a row holds."""
    return {unit: Line(line.get("soft"), line.get("hard")) for unit, line in stored.items()}


def misfits(lines: Lines) -> list[tuple[str, str]]:
    """Return what is wrong with limits, each as a pointer into them and a sentence."""
    found: list[tuple[str, str]] = []
    if not any(line.soft is not None or line.hard is not None for line in lines.values()):
        found.append(("", f"give at least one limit: {', '.join(Unit)}"))
    for unit, line in lines.items():
        for name, amount in (("soft", line.soft), ("hard", line.hard)):
            if amount is not None and not 1 <= amount <= MAX_AMOUNT:
                found.append((f"/{unit}/{name}", f"must be from 1 to {MAX_AMOUNT:,}"))
        if line.soft is not None and line.hard is not None and line.soft >= line.hard:
            found.append((f"/{unit}/soft", "must be below the hard limit, or nobody would be asked in time"))
    return found


def amount_words(unit: str, amount: Amount) -> str:
    """Return an amount in words, such as "$1.25" or "30 tool calls"."""
    match unit:
        case Unit.COST:
            dollars = amount / 1_000_000
            return (
                f"${dollars:,.2f}"
                if round(dollars, 2) == round(dollars, 6)
                else f"${dollars:,.6f}".rstrip("0")
            )
        case Unit.SECONDS:
            return f"{amount:,.0f} s of work"
        case _:
            name = unit.replace("_", " ")
            return f"{amount:,.0f} {name if amount != 1 else name.removesuffix('s')}"


def share_words(unit: str, amount: Amount, limit: Amount) -> str:
    """Return an amount of a limit in words, such as "$0.42 of $1.25" or "3 of 30 tool calls"."""
    part = amount_words(unit, amount) if unit == Unit.COST else f"{amount:,.0f}"
    return f"{part} of {amount_words(unit, limit)}"


def place_words(scope: str, name: str, period: str, day: date | None = None) -> str:
    """Return which budget it is: "the budget of agent clerk for 2026-11-21"."""
    match scope:
        case BudgetScope.TEAM:
            who = "of the team"
        case BudgetScope.AGENT:
            who = f"of agent {name}"
        case BudgetScope.EACH_RUN:
            who = f"of each run of {name}" if name else "of each run"
        case _:
            who = "of this run"
    when = {Period.DAY: f" for {day:%Y-%m-%d}", Period.MONTH: f" for {day:%Y-%m}"} if day else {}
    return f"the budget {who}{when.get(Period(period), '')}"


def stop_words(place: str, purse: Purse, unit: str, needed: Amount = 0) -> str:
    """Return why nothing goes on, in a sentence."""
    hard, spent = purse.hard(unit) or 0, purse.spent.get(unit, 0)
    share = share_words(unit, spent, hard)
    if needed and spent < hard:
        return f"{place} has not enough left: {share} spent, and the next call may take {amount_words(unit, needed)}"
    return f"{place} is used up: {share} spent"


def question_words(place: str, purse: Purse, unit: str) -> str:
    """Return what a person is asked when a soft limit is reached."""
    soft = purse.lines[unit].soft or 0
    hard = purse.hard(unit)
    end = f" At {amount_words(unit, hard)} it is paused." if hard is not None else ""
    spent = amount_words(unit, purse.spent.get(unit, 0))
    return f"{place[:1].upper()}{place[1:]} is past its soft limit of {amount_words(unit, soft)}: {spent} spent. Shall it go on?{end}"


def _added(amounts: Amounts, more: Amounts) -> dict[str, Amount]:
    units = {*amounts, *more}
    return {unit: _rounded(amounts.get(unit, 0) + more.get(unit, 0)) for unit in units}


def _rounded(amount: Amount) -> Amount:
    return amount if isinstance(amount, int) else round(amount, 3)


def _no_less_than_0(amounts: Amounts) -> dict[str, Amount]:
    return {unit: max(amount, 0) for unit, amount in amounts.items()}
