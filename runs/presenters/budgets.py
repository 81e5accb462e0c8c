"""Budgets in words and bars, the forms that set them, and what one would do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from agentops.audit.models import Entry
from agentops.common.errors import AgentOpsError
from runs.engine.budgets import Amount, BudgetScope, Period, Unit, amount_words
from runs.journal.purses import Held
from runs.presenters import text
from runs.presenters.budget_wire import budget_path
from runs.presenters.event_forms import PlainForm, form_of
from runs.presenters.run_budget import meter_of, spent_words
from runs.presenters.run_list import Meter
from runs.presenters.schema_form import Field
from runs.presenters.status import Chip
from runs.selectors.budgets import BudgetUse, Preview

MICRO = 1_000_000
USED_UP = Chip(gettext_lazy("Used up"), "bad", "stop", gettext_lazy("Runs that it covers are paused"))
PAST_SOFT = Chip(
    gettext_lazy("Past soft"), "need", "warning", gettext_lazy("A person was asked, or is asked next")
)
LEFT = Chip(gettext_lazy("Left"), "good", "check", gettext_lazy("There is something left"))
UNITS: dict[str, str | Promise] = {
    Unit.COST: gettext_lazy("Money"),
    Unit.TOKENS: gettext_lazy("Tokens"),
    Unit.STEPS: gettext_lazy("Steps"),
    Unit.SECONDS: gettext_lazy("Working time"),
    Unit.TOOL_CALLS: gettext_lazy("Tool calls"),
}
_IN: dict[str, str | Promise] = {Unit.COST: gettext_lazy(" in $"), Unit.SECONDS: gettext_lazy(" in s")}
SCOPES: dict[str, str | Promise] = {
    BudgetScope.TEAM: gettext_lazy("The team"),
    BudgetScope.AGENT: gettext_lazy("An agent"),
    BudgetScope.EACH_RUN: gettext_lazy("Each run"),
    BudgetScope.RUN: gettext_lazy("One run"),
}
PERIODS: dict[str, str | Promise] = {
    Period.DAY: gettext_lazy("each day"), Period.MONTH: gettext_lazy("each month"), Period.FOREVER: gettext_lazy("for good"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bar:
    """What is spent of one unit; `soft_percent` is where a person is asked."""

    name: str | Promise
    words: str
    meter: Meter | None


@dataclass(frozen=True, slots=True)
class PurseRow:
    """One period, or one tree of runs (`run_id`). `key` names it."""

    key: str
    run_id: str
    bars: list[Bar]
    answer: str
    question: str


@dataclass(frozen=True, slots=True)
class BudgetRow:
    """A budget in words, with what is spent of its newest or fullest purse."""

    use: BudgetUse
    path: str
    chip: Chip
    who: str
    period: str | Promise
    bars: list[Bar]
    purses: list[PurseRow]


def budget_row(use: BudgetUse) -> BudgetRow:
    """Return a budget in words."""
    budget = use.budget
    bars = _bars(use.purses[0]) if use.purses else _blank(use)
    return BudgetRow(
        use, budget_path(budget), _chip(use), who_words(budget.scope, budget.name), PERIODS[budget.period], bars,
        [_purse_row(one, budget.scope) for one in use.purses],
    )  # fmt: skip


def who_words(scope: str, name: str) -> str:
    """Return whose spending a budget counts."""
    match scope:
        case BudgetScope.TEAM:
            return _("The team")
        case BudgetScope.AGENT:
            return _("Agent %(name)s") % {"name": text.line(name, 80)}
        case BudgetScope.EACH_RUN:
            return _("Each run of %(name)s") % {"name": text.line(name, 80)} if name else _("Each run")
        case _:
            return _("Run %(name)s") % {"name": text.short_id(name)}


def limits_form(
    posted: Mapping[str, Any] | None, limits: Mapping[str, Mapping[str, Amount]], *, scope: str = "", agents: Sequence[str] = (),
) -> PlainForm:  # fmt: skip
    """Return the form of a budget's limits; with a `scope` also whose it is and for how long."""
    properties = _place_properties(scope, agents) if scope else {}
    given: dict[str, Any] = {}
    for unit, label in UNITS.items():
        measure = str(_IN.get(unit, ""))
        for name, told in (("soft", _("ask at")), ("hard", _("pause at"))):
            title = f"{label}{measure}: {told}"
            properties[f"{unit}_{name}"] = {
                "type": "number" if unit == Unit.COST else "integer",
                "title": title,
            }
            if (amount := limits.get(unit, {}).get(name)) is not None:
                given[f"{unit}_{name}"] = shown_amount(unit, amount)
    needed = [
        name
        for name in ("name", "period")
        if name in properties and not (scope == BudgetScope.EACH_RUN and name == "name")
    ]
    return form_of({"properties": properties, "required": needed}, posted, given or None)


def pairs_of(form: PlainForm) -> list[tuple[Field, Field]]:
    """Return the fields of the limits, soft beside hard."""
    fields = {field.name: field for field in form.fields}
    return [(fields[f"{unit}_soft"], fields[f"{unit}_hard"]) for unit in UNITS]


def place_fields(form: PlainForm) -> list[Field]:
    """Return the fields before the limits."""
    return [field for field in form.fields if field.name in ("name", "period")]


def limits_of(values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the limits that a form says."""
    found: dict[str, dict[str, Any]] = {}
    for unit in UNITS:
        for name in ("soft", "hard"):
            amount = values.get(f"{unit}_{name}")
            if isinstance(amount, int | float) and not isinstance(amount, bool):
                found.setdefault(unit, {})[name] = stored_amount(unit, amount)
    return found


def refuse(form: PlainForm, error: AgentOpsError) -> None:
    """Put each part of the error at its field."""
    for place in error.data.get("errors", ()):
        parts = str(place.get("pointer", "")).split("/")
        if len(parts) == 4 and parts[1] == "limits":
            place["pointer"] = f"/{parts[2]}_{parts[3]}"
    form.refuse(error)


def preview_words(found: Preview) -> list[str]:
    """Return what a budget would do now, in sentences."""
    n_open = ngettext(
        "%(n)s run that is not over would draw on it",
        "%(n)s runs that are not over would draw on it",
        found.n_open,
    )
    told = [
        n_open % {"n": text.number(found.n_open)}
        + (f" ({', '.join(text.line(name, 40) for name in found.agents[:5])})." if found.agents else ".")
    ]
    if found.spent:
        spent = ", ".join(amount_words(unit, amount) for unit, amount in found.spent.items())
        told.append(_("Spent in its period so far: %(spent)s.") % {"spent": spent})
    if found.reached == "hard":
        told.append(_("The hard limit is reached already: each of them would be paused at its next step."))
    elif found.reached == "soft":
        told.append(_("The soft limit is reached already: a person would be asked at once."))
    if found.n_hit:
        hit = ngettext(
            "%(n)s of them has taken more already:", "%(n)s of them have taken more already:", found.n_hit
        )
        told.append(hit % {"n": text.number(found.n_hit)})
    elif not found.spent:
        told.append(_("None of them has taken as much yet."))
    return told


def hit_words(spent: Mapping[str, Amount], reached: str) -> str:
    """Return what a run has taken, and what would become of it."""
    end = _("it would be paused") if reached == "hard" else _("a person would be asked")
    return f"{', '.join(amount_words(unit, amount) for unit, amount in spent.items() if amount)}: {end}"


def history_words(entry: Entry) -> str:
    """Return what was done to a budget, in words."""
    detail: Mapping[str, Any] = entry.detail if isinstance(entry.detail, dict) else {}
    match entry.action:
        case "budget.raise":
            by = ", ".join(
                f"{UNITS.get(unit, unit)}: {words}"
                for unit, words in dict(detail.get("limits") or {}).items()
            )
            why = text.line(detail.get("reason", ""), 200)
            return _("raised %(what)s, %(by)s") % {
                "what": text.line(detail.get("what", ""), 120),
                "by": by,
            } + (f" – {why}" if why else "")
        case "budget.create":
            return _("created it: %(limits)s") % {"limits": _limit_words(detail.get("limits"))}
        case "budget.update":
            now, before = _limit_words(detail.get("limits")), _limit_words(detail.get("before"))
            return _("changed it from %(before)s to %(now)s") % {"before": before, "now": now}
        case _:
            return text.line(entry.action, 60)


def _limit_words(limits: Any) -> str:
    given: Mapping[str, Any] = limits if isinstance(limits, dict) else {}
    told = []
    for unit, label in UNITS.items():
        line = given.get(unit)
        if isinstance(line, dict):
            amounts = [amount_words(unit, line[name]) for name in ("soft", "hard") if name in line]
            told.append(f"{label} {' / '.join(amounts)}")
    return ", ".join(told) or "–"


def _place_properties(scope: str, agents: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if scope in (BudgetScope.AGENT, BudgetScope.EACH_RUN):
        found["name"] = {"type": "string", "title": _("Which agent"), "enum": list(agents)}
        if scope == BudgetScope.EACH_RUN:
            found["name"]["description"] = _("Leave it empty for the runs of all agents.")
    if scope in (BudgetScope.TEAM, BudgetScope.AGENT):
        told = _("When counting begins anew, by UTC.")
        found["period"] = {
            "type": "string",
            "title": _("Period"),
            "description": told,
            "enum": [str(one) for one in Period],
        }
    return found


def shown_amount(unit: str, amount: Amount) -> Amount:
    """Return a limit as a form shows it: money in dollars."""
    dollars = amount / MICRO
    if unit != Unit.COST:
        return amount
    return int(dollars) if dollars == int(dollars) else dollars


def stored_amount(unit: str, amount: Amount) -> int:
    """Return the limit that was written in a form; what is no number a budget can have becomes one that is too large."""
    value = amount * MICRO if unit == Unit.COST else amount
    return round(value) if abs(value) < 10**18 else 10**18


def _chip(use: BudgetUse) -> Chip:
    tones = {bar.meter.tone for one in use.purses for bar in _bars(one) if bar.meter}
    if use.n_paused or "bad" in tones:
        return USED_UP
    return PAST_SOFT if "need" in tones else LEFT


def _bars(one: Held) -> list[Bar]:
    return [
        Bar(UNITS[unit], spent_words(one, unit), meter_of(one, unit))
        for unit in UNITS
        if unit in one.purse.lines
    ]


def _blank(use: BudgetUse) -> list[Bar]:
    told = [(unit, line.hard if line.hard is not None else line.soft) for unit, line in use.lines.items()]
    return [
        Bar(UNITS[unit], _("nothing of %(limit)s") % {"limit": amount_words(unit, limit or 0)}, None)
        for unit, limit in told
    ]


def _purse_row(one: Held, scope: str) -> PurseRow:
    is_of_run = BudgetScope(scope).is_of_run
    key = (
        f"{one.day:%Y-%m-%d}"
        if one.day and one.period == Period.DAY
        else f"{one.day:%Y-%m}"
        if one.day
        else _("since ever")
    )
    return PurseRow(
        text.short_id(one.key) if is_of_run else key, one.key if is_of_run else "", _bars(one), text.line(one.answer, 60),
        text.line(one.question, 300),
    )  # fmt: skip
