"""The rules of the watch in words, and the form that sets them for an agent."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from agentops.audit.models import Entry
from agentops.common.errors import AgentOpsError
from agentops.common.types import JsonObject
from runs.engine.ladder_words import LadderError, ladder_of, ladder_text, seconds_text
from runs.engine.watch_rules import DEFAULTS, Remedy, Rule, WatchError, rules_from
from runs.presenters import text
from runs.presenters.event_forms import PlainForm, form_of
from runs.presenters.schema_form import Field
from runs.presenters.status import Chip
from runs.presenters.stuck import reason_chip
from runs.services.preview_watch import Spoken, WatchPreview

Words = str | Promise
SHOWN = 20

LIMITS: dict[str, dict[str, Words]] = {
    "looping": {"identical": gettext_lazy("Same call, same result: times in a row"), "cycles": gettext_lazy("A circle of calls: times round")},
    "stuck": {"failures": gettext_lazy("Same failure: times in a row"), "late_seconds": gettext_lazy("A wait is late by, in s")},
    "stalled": {"seconds": gettext_lazy("Nothing has ended for, in s"), "steps": gettext_lazy("Calls without anything new")},
    "zombie": {"seconds": gettext_lazy("Its worker is dead for, in s")},
    "orphan": {"seconds": gettext_lazy("What it waits for is over for, in s")},
    "forgotten": {"days": gettext_lazy("Nobody looked for, in days")},
    "overdue": {"seconds": gettext_lazy("Past its deadline by, in s"), "times": gettext_lazy("Longer than 95 of 100: times"), "runs": gettext_lazy("Successes to compare with, at least")},
    "burning": {"times": gettext_lazy("Dearer than half of all: times"), "runs": gettext_lazy("Successes to compare with, at least"), "least_microusd": gettext_lazy("And at least, in $ a minute")},
    "no_worker": {"seconds": gettext_lazy("Queued in vain for, in s")},
    "runaway": {"generations": gettext_lazy("Generations that started each other"), "starts": gettext_lazy("Starts by its own ends in ten minutes")},
}  # fmt: skip
_WHEN: dict[str, Words] = {
    "looping": gettext_lazy("the same call came back the same %(identical)s times in a row, or a circle of calls came round %(cycles)s times"),
    "stuck": gettext_lazy("it failed the same way %(failures)s times in a row, or a wait is %(late_seconds)s past its time"),
    "stalled": gettext_lazy("nothing has ended for %(seconds)s, or %(steps)s calls brought nothing new"),
    "zombie": gettext_lazy("its worker has been dead for %(seconds)s"),
    "orphan": gettext_lazy("it waits for what cannot come, for %(seconds)s"),
    "forgotten": gettext_lazy("nobody has looked at it for %(days)s days"),
    "overdue": gettext_lazy("it is %(seconds)s past its deadline, or takes %(times)s times as long as 95 of 100 successes, where %(runs)s are known"),
    "burning": gettext_lazy("it spends %(times)s times as much a minute as half of all successes, where %(runs)s are known, and at least %(least_microusd)s"),
    "no_worker": gettext_lazy("no worker has served its queue for %(seconds)s"),
    "runaway": gettext_lazy("it started itself %(generations)s generations deep, or its ends started it %(starts)s times in ten minutes"),
}  # fmt: skip
_THEN: dict[str, Words] = {
    "notify": gettext_lazy("people are told"), "nudge": gettext_lazy("the model gets a note"), "hand_off": gettext_lazy("a fresh session begins"),
    "pause": gettext_lazy("it is paused"), "recall": gettext_lazy("it is cancelled"), "kill": gettext_lazy("it is killed"),
    "pause_agent": gettext_lazy("the agent is paused"),
}  # fmt: skip
# What is shown in another unit than it is stored in, by how many of the stored ones that is.
_UNITS = {"least_microusd": 1_000_000}
SET_HERE = Chip(gettext_lazy("set here"), "move", "changed")
BY_CODE = Chip(gettext_lazy("by its code"), "idle", "document")
DEFAULT = Chip(gettext_lazy("default"), "idle", "check")


@dataclass(frozen=True, slots=True)
class RuleRow:
    """One detector: what it means, what holds, where that comes from, and its part of the form."""

    reason: str
    chip: Chip
    origin: Chip
    words: str
    fields: list[Field]


def watch_form(posted: Mapping[str, Any] | None, rules: Mapping[str, Rule]) -> PlainForm:
    """Return the form as somebody filled it, or a new one that says what holds."""
    properties: dict[str, Any] = {}
    given: dict[str, Any] = {}
    for reason, rule in rules.items():
        properties[f"{reason}_is_on"] = {"type": "boolean", "title": _("Watch for it")}
        given[f"{reason}_is_on"] = rule.is_on
        for name, label in LIMITS[reason].items():
            properties[f"{reason}_{name}"] = {"type": "number", "title": str(label)}
            given[f"{reason}_{name}"] = _shown(name, rule.limits[name])
        told = _("Empty: nothing is done but the flag.")
        properties[f"{reason}_ladder"] = {"type": "string", "title": _("What is done then"), "description": told, "examples": [ladder_text(DEFAULTS[reason].ladder)]}  # fmt: skip
        given[f"{reason}_ladder"] = ladder_text(rule.ladder)
    needed = [name for name in properties if not name.endswith(("_is_on", "_ladder"))]
    return form_of({"properties": properties, "required": needed}, posted, given)


def watch_of(form: PlainForm, declared: JsonObject) -> JsonObject | None:
    """Return the rules that the form says, as far as they differ from what would hold anyway; None when it cannot be read."""
    fields = {one.name: one for one in form.fields}
    for one in form.fields:
        if one.is_required and not one.value:
            one.error = _("Give a number.")
    ladders = {reason: _ladder(fields[f"{reason}_ladder"]) for reason in DEFAULTS}
    values = form.values
    if values is None:
        return None
    base, found = rules_from(declared), JsonObject()
    for reason, default in DEFAULTS.items():
        limits = {name: _stored(name, values[f"{reason}_{name}"]) for name in LIMITS[reason]}
        entry: JsonObject = {name: value for name, value in limits.items() if value != default.limits[name]}
        if not values.get(f"{reason}_is_on"):
            entry["is_on"] = False
        if ladders[reason] != list(default.ladder):
            entry["ladder"] = [one.as_json() for one in ladders[reason]]
        if _differs(reason, entry, base[reason]):
            found[reason] = entry
    return found


def _shown(name: str, stored: float) -> float:
    return stored / _UNITS[name] if name in _UNITS else stored


def _stored(name: str, shown: float) -> float:
    return round(shown * _UNITS[name]) if name in _UNITS else shown


def refuse(form: PlainForm, error: AgentOpsError) -> None:
    """Put each part of the error at its field."""
    for place in error.data.get("errors", ()):
        parts = str(place.get("pointer", "")).strip("/").split("/")
        place["pointer"] = "/" + "_".join(parts[:2])
    form.refuse(error)


def rule_rows(
    form: PlainForm, rules: Mapping[str, Rule], declared: JsonObject, watch: JsonObject
) -> list[RuleRow]:
    """Return the detectors, one by one."""
    return [
        RuleRow(
            reason, reason_chip(reason), SET_HERE if reason in watch else BY_CODE if reason in declared else DEFAULT,
            rule_words(reason, rule), [one for one in form.fields if _belongs(one.name, reason)],
        )
        for reason, rule in rules.items()
    ]  # fmt: skip


def rule_words(reason: str, rule: Rule) -> str:
    """Return in a sentence when a detector speaks up and what is done then."""
    if not rule.is_on:
        return _("Not watched for.")
    when = str(_WHEN[reason]) % {name: _limit_words(name, value) for name, value in rule.limits.items()}
    done = [
        str(_THEN[one.do])
        + (" " + _("after %(time)s") % {"time": seconds_text(one.after_seconds)} if one.after_seconds else "")
        for one in rule.ladder
    ]
    then = ", ".join(done) or _("nothing is done but the flag")
    return _("When %(when)s: %(then)s.") % {"when": when, "then": then}


def change_words(before: Any, now: Any, declared: JsonObject) -> list[tuple[Chip, str]]:
    """Return what differs between two sets of rules, a detector each; those that cannot be read stand for none."""
    old, new = _rules(before, declared), _rules(now, declared)
    return [
        (reason_chip(reason), rule_words(reason, new[reason]))
        for reason in DEFAULTS
        if old[reason] != new[reason]
    ]


def history_rows(entries: list[Entry], declared: JsonObject) -> list[tuple[Entry, list[tuple[Chip, str]]]]:
    """Return who changed the rules when, and to what."""
    details = [(entry, entry.detail if isinstance(entry.detail, dict) else {}) for entry in entries]
    return [
        (entry, change_words(told.get("before", {}), told.get("watch", {}), declared))
        for entry, told in details
    ]


def preview_words(found: WatchPreview) -> list[str]:
    """Return what the rules would do now, in sentences."""
    if not found.n_open:
        return [_("No run of this agent is open now: they hold for those to come.")]
    new = sum(one.is_new for one in found.spoken)
    told = ngettext("%(n)s open run was looked at.", "%(n)s open runs were looked at.", found.n_open)
    lines = [told % {"n": text.number(found.n_open)}]
    if new:
        told = ngettext(
            "They would speak up %(n)s time more than now:",
            "They would speak up %(n)s times more than now:",
            new,
        )
        lines.append(told % {"n": text.number(new)})
    if found.spared:
        told = ngettext("%(n)s episode would be over.", "%(n)s episodes would be over.", len(found.spared))
        lines.append(told % {"n": text.number(len(found.spared))})
    if not new and not found.spared:
        lines.append(_("They find there what the rules in force find."))
    return lines


def shown_runs(found: WatchPreview) -> list[Spoken]:
    """Return the runs that a preview names: the first of those that only the new rules speak up about."""
    return [one for one in found.spoken if one.is_new][:SHOWN]


def _ladder(field: Field) -> list[Remedy]:
    """Return what a field says; nothing where it cannot be read, and is marked."""
    try:
        return ladder_of(field.value)
    except LadderError as error:
        field.error = text.visible(str(error))
        return []


def _belongs(name: str, reason: str) -> bool:
    return name in {f"{reason}_{part}" for part in ("is_on", "ladder", *LIMITS[reason])}


def _differs(reason: str, entry: JsonObject, base: Rule) -> bool:
    """Return whether an entry says other than what holds without it; one that makes no sense does."""
    try:
        return rules_from({reason: entry})[reason] != base
    except WatchError:
        return True


def _rules(watch: Any, declared: JsonObject) -> dict[str, Rule]:
    try:
        return rules_from({**declared, **watch} if isinstance(watch, dict) else {})
    except WatchError:
        return rules_from({})


def _limit_words(name: str, value: float) -> str:
    if name.endswith("seconds"):
        return seconds_text(value)
    return f"${value / 1e6:g}" if name.endswith("microusd") else f"{value:g}"
