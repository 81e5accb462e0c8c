"""The form of an agent's definition, beside its JSON: two editors of one document."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from agentops.common.errors import AgentOpsError
from agentops.common.types import JsonObject
from runs.engine.agent_definition import PROPERTIES, filled
from runs.engine.agent_members import MAX_ROWS, MEMBERS
from runs.llm.inner import START_AGENT
from runs.presenters import text
from runs.presenters.agent_rows import (
    Row,
    flat_pointer,
    laid_flat,
    row_properties,
    rows_of,
    said_rows,
    shown_rows,
    without_dropped,
)
from runs.presenters.event_forms import PlainForm
from runs.presenters.schema_form import PREFIX, Field, blank_form, filled_form, place_errors
from runs.selectors.definitions import OfferedTool

Words = str | Promise
LISTS = ("tools", "approve")
_CODE = re.compile(r"`([^`]*)`")

# What the form shows, part by part; a part that is folded stands below the others' headings.
PARTS: list[tuple[Words, bool, tuple[str, ...]]] = [
    (gettext_lazy("What it is"), False, ("title", "description", "instructions")),
    (gettext_lazy("Models"), False, ("models", "temperature", "max_tokens", "context_tokens")),
    (gettext_lazy("Tools"), False, ("tools", "approve", "approval_mode", "can_ask")),
    (gettext_lazy("Input and result"), False, ("task", "input_schema", "output_schema", "acceptance", "state_schema")),
    (gettext_lazy("Memory and other agents"), False, ("memory", "agents")),
    (gettext_lazy("Budgets"), True, ("budgets",)),
    (gettext_lazy("Approval rules"), True, ("approval_rules",)),
    (gettext_lazy("Schedules"), True, ("schedules",)),
    (gettext_lazy("Events that start it"), True, ("triggers",)),
    (gettext_lazy("Turns, sessions and the length of the talk"), True, (
        "max_turns", "session.active_seconds", "session.tool_calls", "session.window_share", "session.tokens",
        "short_term.strategy", "short_term.at_share", "short_term.keep_share", "short_term.keep_turns",
        "max_malformed", "max_rejections",
    )),
    (gettext_lazy("When it fails, and where it runs"), True, ("recovery", "queue")),
]  # fmt: skip
LABELS: dict[str, Words] = {
    "title": gettext_lazy("Title"), "description": gettext_lazy("What it is for"), "instructions": gettext_lazy("Instructions"),
    "models": gettext_lazy("Models, in their order"), "temperature": gettext_lazy("Temperature"),
    "max_tokens": gettext_lazy("Tokens of an answer, at most"), "context_tokens": gettext_lazy("Context window, tokens"),
    "tools": gettext_lazy("Tools"), "approve": gettext_lazy("Asked each time"),
    "approval_mode": gettext_lazy("Writes that no rule names"), "can_ask": gettext_lazy("It may ask a person (tool ask)"),
    "task": gettext_lazy("Task"), "input_schema": gettext_lazy("Input, JSON Schema"),
    "output_schema": gettext_lazy("Result, JSON Schema"), "acceptance": gettext_lazy("Checks of the result"),
    "state_schema": gettext_lazy("State, JSON Schema"), "memory": gettext_lazy("Spaces of memory in the prompt"),
    "agents": gettext_lazy("Agents that it may start"), "max_turns": gettext_lazy("Turns, at most"),
    "session.active_seconds": gettext_lazy("A session ends after seconds of work"),
    "session.tool_calls": gettext_lazy("… after tool calls"), "session.window_share": gettext_lazy("… at a share of the window"),
    "session.tokens": gettext_lazy("… after tokens"), "short_term.strategy": gettext_lazy("A long talk is kept short by"),
    "short_term.at_share": gettext_lazy("… from a share of the window on"),
    "short_term.keep_share": gettext_lazy("… down to a share of the window"),
    "short_term.keep_turns": gettext_lazy("… keeping the last turns"),
    "max_malformed": gettext_lazy("Calls that do not fit, in a row"), "max_rejections": gettext_lazy("Results handed back, at most"),
    "recovery": gettext_lazy("Recovery policy"), "queue": gettext_lazy("Queue"),
    "budgets": gettext_lazy("Budgets"), "approval_rules": gettext_lazy("Approval rules"), "schedules": gettext_lazy("Schedules"),
    "triggers": gettext_lazy("Event triggers"),
}  # fmt: skip
EXAMPLES: dict[str, Any] = {
    "title": "Desk research", "instructions": "You …", "task": "Find out about {topic}.",
    "agents": ["assistant"], "acceptance": [{"kind": "min_characters", "value": 200, "text": "at least a paragraph"}],
    "recovery": {"rules": [{"on": ["model_*"], "rungs": [{"do": "retry", "times": 2}, {"do": "ask"}]}]},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """A tool in the form: whether the agent has it, and whether a person is asked each time."""

    name: str
    effect: str
    gist: str
    is_chosen: bool
    is_asked: bool
    is_known: bool = True


@dataclass(slots=True)
class Part:
    title: Words
    is_folded: bool
    fields: list[Field]
    rows: list[Row] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        cells = [cell for row in self.rows for cell in row.fields]
        return not self.is_folded or any(one.error for one in self.fields + cells) or len(self.rows) > 1


@dataclass(slots=True)
class AgentForm:
    """Both sides of the editor. `problems` are what is wrong, wherever it belongs; `document` is what the sides say."""

    fields: list[Field]
    json: str
    document: JsonObject | None = None
    problems: list[tuple[str, str]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    json_error: str = ""
    said: dict[str, list[int]] = field(default_factory=dict)

    @property
    def n_errors(self) -> int:
        return len(self.problems) + bool(self.json_error)

    def parts(self) -> list[Part]:
        by_name = {one.name: one for one in self.fields}
        return [
            Part(
                title, is_folded, [by_name[name] for name in names],
                [row for name in names if name in MEMBERS for row in shown_rows(name, by_name, self.said)],
            )
            for title, is_folded, names in PARTS
        ]  # fmt: skip

    def value(self, name: str) -> list[str]:
        """Return the lines of a list."""
        return next(one.value for one in self.fields if one.name == name).splitlines()

    def error(self, name: str) -> str:
        return next(one.error for one in self.fields if one.name == name)

    def refuse(self, error: AgentOpsError) -> None:
        """Put each part of the error where it belongs, and tell it beside the JSON as well."""
        errors = [one for one in error.data.get("errors", ()) if "pointer" in one]
        self.problems = [(one["pointer"], text.visible(one["message"])) for one in errors]
        flat = [{**one, "pointer": _flat_pointer(flat_pointer(one["pointer"], self.said))} for one in errors]
        self.told += place_errors(self.fields, flat) if errors else [error.detail]


def form_of_document(document: Mapping[str, Any]) -> AgentForm:
    """Return the form with what a definition says."""
    whole = filled(document)
    said = _all_rows(whole)
    return AgentForm(_fields(blank_form(_schema(said), _flat(whole))), told_json(whole), whole, said=said)


def form_of_fields(posted: QueryDict) -> AgentForm:
    """Return the form as its fields were filled; `document` is None where one of them cannot be read."""
    # Browsers send the ends of lines as two characters, which would stand in every difference of two versions.
    values = {
        name: str(value).replace("\r\n", "\n") for name, value in without_dropped(posted.dict()).items()
    }
    values |= {PREFIX + name: "\n".join(posted.getlist(PREFIX + name)) for name in LISTS}
    said = said_rows(values)
    fields = _fields(filled_form(_schema(said), values))
    found = _read(fields)
    if found is None:
        problems = [("/" + one.name.replace(".", "/"), one.error) for one in fields if one.error]
        return AgentForm(fields, posted.get("json", ""), problems=problems, said=said)
    document = _nested(found, said)
    return AgentForm(fields, told_json(document), document, said=said)


def form_of_json(given: str) -> AgentForm:
    """Return the form of a JSON text; where that cannot be read, `json_error` says why, and the fields are empty."""
    form = AgentForm(_fields(blank_form(_schema({}), {})), given)
    try:
        document = json.loads(given)
    except json.JSONDecodeError as error:
        form.json_error = _("This is not JSON: line %(line)d, column %(column)d: %(what)s.") % {
            "line": error.lineno, "column": error.colno, "what": error.msg,
        }  # fmt: skip
        return form
    except RecursionError:
        form.json_error = _("This is nested too deeply.")
        return form
    if not isinstance(document, dict):
        form.json_error = _("This must be a JSON object, in braces.")
        return form
    form.document, shaped = document, _shaped(document)
    form.said = _all_rows(shaped)
    form.fields = _fields(blank_form(_schema(form.said), _flat(shaped)))
    return form


def tool_choices(form: AgentForm, tools: Sequence[OfferedTool]) -> list[ToolChoice]:
    """Return the tools that are installed, and those that the agent names though they are not."""
    chosen, asked = set(form.value("tools")), set(form.value("approve"))
    known = {it.name for it in tools}
    found = [
        ToolChoice(it.name, it.effect.value, text.line(it.description.split("\n", 1)[0], 160), it.name in chosen, it.name in asked)
        for it in tools
    ]  # fmt: skip
    gone = [ToolChoice(name, "", "", is_chosen=True, is_asked=name in asked, is_known=False) for name in sorted(chosen - known)]  # fmt: skip
    return gone + found


def told_json(document: Mapping[str, Any]) -> str:
    """Return a definition as people edit it: in the schema's order."""
    ordered = {name: document[name] for name in PROPERTIES if name in document}
    return json.dumps(ordered | {k: v for k, v in document.items() if k not in ordered}, indent=2, ensure_ascii=False)  # fmt: skip


def _schema(said: Mapping[str, Sequence[int]]) -> JsonObject:
    """Return the schema of the form: the definition's, its groups and rows laid flat."""
    parts: dict[str, Any] = {}
    for name, part in PROPERTIES.items():
        members: Any = part.get("properties") if "default" not in part else None
        parts |= {f"{name}.{key}": it for key, it in members.items()} if members else {name: part}
    cells, needed = row_properties(said)
    return {
        "properties": {**{name: _told(name, part) for name, part in parts.items()}, **cells},
        "required": ["instructions", *needed],
    }


def _fields(fields: list[Field]) -> list[Field]:
    """Return the fields, a list of rows as what its rows hang under: it is read from them."""
    for one in fields:
        if one.name in MEMBERS:
            one.kind, one.value = "rows", ""
    return fields


def _all_rows(document: Mapping[str, Any]) -> dict[str, list[int]]:
    return {name: list(range(min(len(document.get(name, ())), MAX_ROWS))) for name in MEMBERS}


def _told(name: str, part: Mapping[str, Any]) -> JsonObject:
    more: dict[str, Any] = {
        "title": str(LABELS[name]),
        "description": _CODE.sub(r"“\1”", _(part["description"])),
    }
    if name in EXAMPLES:
        more["examples"] = [EXAMPLES[name]]
    elif name == "models":
        more["examples"] = [_("empty: the team's default")]
        more["type"], more["items"] = "array", {"type": "string"}
    if name in ("memory", "agents"):
        more["items"] = {"type": "string"}
    return {**part, **more}


def _read(fields: Sequence[Field]) -> JsonObject | None:
    return PlainForm(list(fields)).values


def _flat(document: Mapping[str, Any]) -> JsonObject:
    found: JsonObject = laid_flat(document)
    for name, part in PROPERTIES.items():
        if "default" in part:
            found |= {name: document[name]} if name in document else {}
        else:
            found |= {
                f"{name}.{key}": value
                for key, value in document.get(name, {}).items()
                if f"{name}.{key}" in LABELS
            }
    return found  # fmt: skip


def _nested(flat: Mapping[str, Any], said: Mapping[str, Sequence[int]]) -> JsonObject:
    """Return the definition that the fields say; a number that was emptied means none, where none is possible."""
    document: dict[str, Any] = {}
    for name, part in PROPERTIES.items():
        if "default" in part:
            value = flat.get(name, _empty(part))
            document[name] = value or [""] if name == "models" else value
        else:
            members: Any = part["properties"]
            document[name] = {key: flat.get(f"{name}.{key}", _empty(it)) for key, it in members.items()}
    document |= rows_of(flat, said)
    own = {*document["tools"], START_AGENT}
    document["approve"] = [name for name in document["approve"] if name in own]
    return document


def _empty(part: Mapping[str, Any]) -> Any:
    """Return what an empty field stands for."""
    kinds = part["type"]
    return None if isinstance(kinds, list) and "null" in kinds else part["default"]


def _shaped(document: Mapping[str, Any]) -> JsonObject:
    """Return the members that the form can show: of the right kind, whatever the checks say of them later."""
    return {name: value for name, value in document.items() if name in PROPERTIES and _is_kind(PROPERTIES[name], value)}  # fmt: skip


def _is_kind(part: Mapping[str, Any], value: Any) -> bool:
    kinds = part["type"] if isinstance(part["type"], list) else [part["type"]]
    real = {"string": str, "array": list, "object": dict, "boolean": bool, "null": type(None)}
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return any(number if kind in ("integer", "number") else isinstance(value, real[kind]) for kind in kinds)


def _flat_pointer(pointer: str) -> str:
    """Return the pointer with a group's member as the form names it: `/session/tokens` is `/session.tokens`."""
    _root, *names = pointer.split("/")
    if len(names) > 1 and f"{names[0]}.{names[1]}" in LABELS:
        return "/" + "/".join([f"{names[0]}.{names[1]}", *names[2:]])
    return pointer
