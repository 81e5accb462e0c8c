"""A request as its page tells it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from agentops.common.canonical import digest
from agentops.common.errors import AgentOpsError
from agentops.common.types import JsonObject
from approvals.engine.digests import changes
from approvals.models import Decision, Request
from approvals.presenters.request_wire import stages_out
from approvals.schemas import StageOut
from approvals.services.open_request import spec_of
from runs.presenters import text
from runs.presenters.premises import PremiseLine, premise_lines
from runs.presenters.schema_form import Field, blank_form, document, filled_form, place_errors, property_order
from runs.presenters.status import Chip, Words
from runs.presenters.times import duration

EFFECTS = {
    "read": Chip(gettext_lazy("Reads"), "idle", "search"),
    "compute": Chip(gettext_lazy("Computes"), "idle", "tool"),
    "write": Chip(gettext_lazy("Writes"), "idle", "tool"),
    "destructive": Chip(gettext_lazy("Destructive"), "need", "shield"),
}
STATUS = {
    "pending": Chip(gettext_lazy("Open"), "need", "person"),
    "approved": Chip(gettext_lazy("Approved"), "good", "check"),
    "rejected": Chip(gettext_lazy("Rejected"), "bad", "cross"),
    "answered": Chip(gettext_lazy("Answered"), "good", "check"),
    "expired": Chip(gettext_lazy("Expired, not done"), "bad", "expired"),
    "cancelled": Chip(gettext_lazy("No longer needed"), "idle", "stop"),
    "voided": Chip(gettext_lazy("Void"), "idle", "cross"),
}
KINDS: dict[str, Words] = {
    "approve": gettext_lazy("the agent asks first"),
    "permission": gettext_lazy("asked before the tool is called"),
    "ask": gettext_lazy("a question"),
    "unknown": gettext_lazy("outcome unknown after a crash"),
}


@dataclass(slots=True)
class Row:
    """A request in the list on the left."""

    request: Request
    title: str
    about: str
    due: Chip | None
    holder: str
    stage: str
    is_here: bool = False


@dataclass(slots=True)
class Case:
    """The whole of a request. `fields` are its arguments, for editing; `form` what somebody typed, with what does not fit."""

    request: Request
    title: str
    chips: list[Chip]
    stages: list[StageOut]
    fields: list[Field]
    effects: list[str]
    checks: list[str]
    premises: list[PremiseLine]
    changes: list[dict[str, str]]
    typed: Mapping[str, str] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    choices: list[str] = field(default_factory=list)
    schema: str = ""
    outcomes: list[tuple[str, Words]] = field(default_factory=list)

    @property
    def is_editable(self) -> bool:
        return self.request.kind in ("approve", "permission")


def row_of(request: Request, *, here: object = None, me: int | None = None) -> Row:
    """Return the line of a request."""
    level = _(" · escalated, level %d") % request.escalation_level if request.escalation_level else ""
    about = f"{request.agent} · {text.line(request.run_title or request.summary, 80)}{level}"
    return Row(
        request, _title(request), about, due_chip(request),
        _holder(request, me), _stage_words(request), is_here=request.pk == here,
    )  # fmt: skip


def case_of(request: Request, posted: Mapping[str, str] | None = None) -> Case:
    """Return the request for its page; with what was `posted` in its fields, if anything."""
    question = request.question or {}
    fields = _fields(request, posted) if request.kind in ("approve", "permission", "unknown") else []
    return Case(
        request, text.line(request.summary, 300), _chips(request), stages_out(request), fields, _effects(request), _checks(request),
        premise_lines(request.evidence.get("premises") or []), change_lines(request.proposed_args, request.args),
        typed=posted or {}, choices=[str(one) for one in question.get("choices") or []],
        schema=json.dumps(question["schema"], indent=2, ensure_ascii=False) if question.get("schema") else "",
        outcomes=_OUTCOMES if request.kind == "unknown" else [],
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class TurnPlace:
    """An action of a turn, by its request."""

    request: Request
    n: int
    title: str
    chip: Chip
    is_here: bool


def turn_places(turn: Sequence[Request], here: Request) -> list[TurnPlace]:
    """Return the actions of a turn in their order; none for the only one of its turn."""
    places = [
        TurnPlace(one, n, _title(one), STATUS[one.status], one.seq == here.seq)
        for n, one in enumerate(turn, start=1)
    ]
    return places if len(places) > 1 else []


def vote_notes(request: Request, seat: int | None, me: int | None, names: Mapping[int, str]) -> list[str]:
    """Return who decides in whose place: the reader, by their `seat`, and those whom others gave their vote."""
    principal = names.get(seat) if seat is not None and seat != me else None
    found = [_("You decide in the place of %s.") % principal] if principal else []
    given = [one for one in request.delegations if one["from"] in names and one["to"] in names]
    told = _("%(from)s has given their vote to %(to)s.")
    return found + [told % {"from": names[one["from"]], "to": names[one["to"]]} for one in given]


def decision_lines(decisions: Sequence[Decision]) -> list[dict[str, Any]]:
    """Return who decided what, with a word for it."""
    return [
        {
            "actor": one.actor, "on_behalf_of": one.on_behalf_of, "type": one.type, "word": _DECIDED.get(one.type, one.type),
            "void_reason": one.void_reason, "message": one.message, "decided_at": one.decided_at,
        }
        for one in decisions
    ]  # fmt: skip


def alike_title(request: Request) -> str:
    """Return what requests of its sort have in common, in words."""
    names = ", ".join(sorted(request.args)) if isinstance(request.args, dict) else ""
    return f"{request.agent} · {request.action}" + (f" ({text.line(names, 120)})" if names else "")


def edited_args(request: Request, posted: Mapping[str, str], case: Case) -> JsonObject | None:
    """Return the arguments that the posted fields make: exactly the request's where nothing was changed.

    None when a field cannot be read, which then bears the error.
    """
    found = document(case.fields)
    if found is None:
        return None
    given = request.args if isinstance(request.args, dict) else {}
    for before, now in zip(_fields(request, None), case.fields, strict=False):
        if before.name == now.name and _plain(before.value) == _plain(now.value):
            found.pop(before.name, None)
            if before.name in given:
                found[before.name] = given[before.name]
    return {**found, **{name: given[name] for name in given if name not in {one.name for one in case.fields}}}


def is_edit(request: Request, args: Any) -> bool:
    return digest(args) != digest(request.args)


def refuse(case: Case, error: AgentOpsError) -> None:
    """Put what does not fit beside the fields."""
    found = [one for one in error.data.get("errors", []) if "pointer" in one]
    case.errors = place_errors(case.fields, found) if case.fields else [one["message"] for one in found]
    if not found:
        case.errors = [error.detail]


def change_lines(before: Any, after: Any) -> list[dict[str, str]]:
    """Return what an edit changes, each with its name and both values in words."""
    return [
        {"name": one["name"], "before": _told(one["before"]) if "before" in one else "–", "after": _told(one["after"]) if "after" in one else "–"}
        for one in changes(before, after)
    ]  # fmt: skip


def due_chip(request: Request) -> Chip | None:
    """Return how long there is to decide: amber under a quarter or an hour, red under half an hour and after."""
    now_at = request.now_at  # type: ignore[attr-defined]  # annotated by the selectors
    if request.status != "pending":
        return STATUS[request.status]
    if request.decision_due_at is None:
        return None
    left = request.decision_due_at - now_at
    words = _short(abs(left))
    if left < timedelta():
        return Chip(f"−{words}", "bad", "expired", _("Overdue"))
    whole = request.decision_due_at - request.opened_at
    tone = (
        "bad"
        if left < min(timedelta(minutes=30), whole / 4)
        else "need"
        if left < min(timedelta(hours=1), whole / 4)
        else "idle"
    )
    return Chip(words, tone, "wait", _("Time left to decide"))


def _chips(request: Request) -> list[Chip]:
    due = due_chip(request) if request.status == "pending" else None
    found = [STATUS[request.status]] if request.status != "pending" else []
    if due is not None:
        told = _("Due in %s") if not str(due.label).startswith("−") else "%s"
        found.append(Chip(told % due.label, due.tone, due.icon, due.title))
    if request.effect in EFFECTS:
        found.append(EFFECTS[request.effect])
    if request.escalation_level:
        found.append(Chip(_("Escalated, level %d") % request.escalation_level, "need", "up"))
    return found


def _title(request: Request) -> str:
    if request.kind == "ask":
        return text.line(request.summary, 80)
    if request.kind == "unknown":
        return _("Ran or not? %s") % request.action
    values = request.args.values() if isinstance(request.args, dict) else ()
    first = next(
        (
            str(value)
            for value in values
            if isinstance(value, str | int | float) and not isinstance(value, bool)
        ),
        "",
    )
    return text.line(f"{request.action} {first}", 60)


def _fields(request: Request, posted: Mapping[str, str] | None) -> list[Field]:
    given = request.args if isinstance(request.args, dict) else {}
    schema = request.args_schema or _schema_like(given)
    if not given and not schema.get("properties"):
        return []
    spec = spec_of(request.action)
    order = property_order(spec.args_schema) if spec else list(given)
    return blank_form(schema, given, order) if posted is None else filled_form(schema, posted, order)


def _schema_like(args: Mapping[str, Any]) -> JsonObject:
    """Return a schema of what the arguments look like, for a form; it refuses nothing."""
    types = {bool: "boolean", int: "integer", float: "number", str: "string"}
    properties: dict[str, Any] = {}
    for name, value in args.items():
        properties[name] = {"type": types[type(value)]} if type(value) in types else {}
        if isinstance(value, str) and (len(value) > 120 or "\n" in value):
            properties[name]["maxLength"] = 100_000
    return {"type": "object", "properties": properties}


def _effects(request: Request) -> list[str]:
    """Return what will happen, as far as we know it ourselves."""
    told = [request.evidence.get("description") or ""]
    told.append({
        "read": _("It changes nothing."),
        "compute": _("It changes nothing."),
        "write": _("It changes something outside. Under the same key it is done once, however often it is tried.") if request.evidence.get("is_idempotent") else _("It changes something outside, and cannot be repeated safely."),
        "destructive": _("It cannot be undone by the agent."),
    }.get(request.effect, ""))  # fmt: skip
    cost = request.evidence.get("cost_microusd") or 0
    n_steps = request.evidence.get("n_steps") or 0
    so_far = ngettext("%(n)s step so far", "%(n)s steps so far", n_steps) % {"n": text.number(n_steps)}
    told.append(f"{so_far} · ${cost / 1_000_000:.2f}" if cost else so_far)
    return [line for line in told if line]


def _checks(request: Request) -> list[str]:
    """Return what is looked at again right before the action."""
    may_come = request.status == "pending" or (request.status == "approved" and request.used_at is None)
    if request.kind not in ("approve", "permission") or not may_come:
        return []
    found = [_("the tool and the arguments are as you see them"), _("no rule has become stricter")]
    n_premises = len(request.evidence.get("premises") or [])
    if n_premises:
        found.insert(0, ngettext("%d premise holds", "%d premises hold", n_premises) % n_premises)
    return found


def _stage_words(request: Request) -> str:
    stages = request.stages
    if len(stages) == 1 and stages[0]["quantifier"] == "any":
        return ""
    stage = stages[request.stage]
    needed = {"any": "1", "all": _("all"), "k_of_n": str(stage["k"])}[stage["quantifier"]]
    return _("stage %(n)d of %(all)d, needs %(needed)s") % {
        "n": request.stage + 1,
        "all": len(stages),
        "needed": needed,
    }


def _holder(request: Request, me: int | None) -> str:
    now_at = request.now_at  # type: ignore[attr-defined]  # annotated by the selectors
    if request.claimed_by is None or request.claimed_until is None or request.claimed_until <= now_at:
        return ""
    who = _("You") if request.claimed_by_id == me else str(request.claimed_by)
    return f"{who}, {_short(request.claimed_until - now_at)}"


def _short(left: timedelta) -> str:
    seconds = left.total_seconds()
    if seconds < 3600:
        return _("%d min") % max(seconds // 60, 0)
    return duration(seconds)


def _told(value: Any) -> str:
    return text.line(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), 300)


def _plain(value: str) -> str:
    return value.replace("\r\n", "\n").strip()


_DECIDED: dict[str, Words] = {
    "approve": gettext_lazy("approved"), "edit": gettext_lazy("approved with changes"), "reject": gettext_lazy("rejected"),
    "respond": gettext_lazy("answered"), "recall": gettext_lazy("took the permission back"),
}  # fmt: skip
_OUTCOMES: list[tuple[str, Words]] = [
    ("ran", gettext_lazy("It ran. Its output was:")),
    ("did_not_run", gettext_lazy("It did not run; tell the agent so")),
    ("run_again", gettext_lazy("Run it again, under the same key")),
]
