"""An agent as a document: what is made in the browser, checked, kept as a version, compared and carried elsewhere (pure).

`SCHEMA` says what it may hold; its descriptions are the reference, the form's hints and what the API tells.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from agentops.common.types import JsonObject, JsonValue
from runs.engine.acceptance import KINDS
from runs.engine.agent_members import MEMBERS, filled_rows
from runs.engine.chat import Strategy
from runs.engine.definition import LlmDefinition
from runs.engine.frozen import thaw

MAX_BYTES = 256 * 1024
FORMAT = "agentops.agent/1"

_NAMED = re.compile(r"\{([A-Za-z0-9_.-]+)\}")
_LLM = frozenset(item.name for item in fields(LlmDefinition))


class ApprovalMode(StrEnum):
    """What becomes of a write of the agent that no rule of the team names."""

    GATE = "gate"
    SUGGEST = "suggest"
    MONITOR = "monitor"


def _text(description: str, most: int, **more: Any) -> JsonObject:
    return {"type": "string", "maxLength": most, "default": "", "description": description, **more}


def _names(description: str, most: int = 50, **more: Any) -> JsonObject:
    items: JsonObject = {"type": "string", "minLength": 1, "maxLength": 200}
    return {
        "type": "array", "items": items, "maxItems": most, "uniqueItems": True, "default": [], "description": description, **more,
    }  # fmt: skip


def _whole(description: str, least: int, most: int, default: int | None) -> JsonObject:
    kind: JsonValue = "integer" if default is not None else ["integer", "null"]
    return {"type": kind, "minimum": least, "maximum": most, "default": default, "description": description}


def _share(description: str, default: float, *, can_be_none: bool = False) -> JsonObject:
    kind: JsonValue = ["number", "null"] if can_be_none else "number"
    return {"type": kind, "minimum": 0.05, "maximum": 1, "default": default, "description": description}


def _group(description: str, **properties: JsonObject) -> JsonObject:
    members: JsonObject = dict(properties)
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": members,
        "description": description,
    }


TASK_INPUT: JsonObject = {
    "type": "object",
    "properties": {"task": {"type": "string", "title": "Task", "minLength": 1, "maxLength": 100_000}},
    "required": ["task"],
}

PROPERTIES: dict[str, JsonObject] = {
    "title": _text("What people call the agent.", 200),
    "description": _text("What it is for, in a sentence or two.", 2000),
    "instructions": _text("What the model is told before everything else: who it is, how it works, what it must not do.", 100_000),
    "task": _text(
        "What the model is told at the start of a run; `{name}` stands for that member of the input. Empty: the member `task`,"
        " else the whole input.", 20_000,
    ),
    "models": _names(
        "Models in the order in which they are asked, `provider/model` or only `provider`; an empty one is the team's default.", 8,
        items={"type": "string", "maxLength": 200}, minItems=1, default=[""],
    ),
    "tools": _names("Tools that the model may call, by name."),
    "approve": _names("Tools that a person must allow each time, whatever the team's rules say."),
    "can_ask": {
        "type": "boolean", "default": True, "description": "Whether the model may ask a person a question, by the tool `ask`.",
    },
    "approval_mode": {
        "type": "string", "enum": [mode.value for mode in ApprovalMode], "default": ApprovalMode.GATE.value,
        "description": "What becomes of a write that no approval rule of the team names: `gate` asks a person, `suggest` lets it"
        " through, `monitor` lets everything through and notes what the rules would have said. The stricter of this and the team's mode"
        " counts; a mode that is set for the agent under Approvals comes before both.",
    },
    "agents": _names("Agents that it may start as child runs, by the tool `start_agent`."),
    "memory": _names("Spaces of memory whose items stand in the prompt, as they are when a session begins.", 20),
    "input_schema": {
        "type": "object", "default": TASK_INPUT, "description": "JSON Schema of the input that a run needs.",
    },
    "state_schema": {
        "type": ["object", "null"], "default": None,
        "description": "JSON Schema that the state must fit at every commit; null for none.",
    },
    "output_schema": {
        "type": ["object", "null"], "default": None,
        "description": "JSON Schema of the result that the model hands over when it finishes; null for text.",
    },
    "acceptance": {
        "type": "array", "maxItems": 20, "default": [],
        "items": {
            "type": "object", "required": ["kind"],
            "properties": {"kind": {"enum": [*KINDS]}, "text": {"type": "string", "maxLength": 1000}},
        },
        "description": f"Checks that the result must pass before the run counts as done; kinds: {', '.join(KINDS)}.",
    },
    "recovery": {
        "type": "object", "default": {},
        "description": "Recovery policy: which rungs are climbed when a node has failed for good; `{}` for none.",
    },
    "short_term": _group(
        "How the talk is kept short.",
        strategy={
            "type": "string", "default": Strategy.CLEAR_TOOL_RESULTS.value,
            "enum": [it.value for it in Strategy if it is not Strategy.CUSTOM],
            "description": "What is no longer shown to the model when the talk grows long.",
        },
        at_share=_share("Share of the context window at which that happens.", 0.5),
        keep_share=_share("Share of the window that is left afterwards.", 0.2),
        keep_turns=_whole("How many of the last turns stay whole.", 0, 100, 6),
    ),
    "session": _group(
        "When a session ends, at the first of these; the next begins from a hand-off. Null for no limit.",
        active_seconds={
            "type": ["number", "null"], "minimum": 1, "maximum": 86_400, "default": 1800.0, "description": "Seconds of work.",
        },
        tool_calls={"type": ["integer", "null"], "minimum": 1, "maximum": 10_000, "default": 30, "description": "Tool calls."},
        window_share=_share("Share of the context window.", 0.7, can_be_none=True),
        tokens=_whole("Tokens.", 1000, 10**9, None),
    ),
    "context_tokens": _whole("Size of the smallest context window among its models, in tokens.", 1000, 10_000_000, 128_000),
    "max_turns": _whole("Turns after which the run fails.", 1, 10_000, 100),
    "max_malformed": _whole("How often in a row calls that do not fit are answered with what is wrong.", 0, 100, 3),
    "max_rejections": _whole("How often a result that does not pass is handed back.", 0, 100, 5),
    "max_tokens": _whole("Tokens that one answer may take; null for the model's own limit.", 1, 1_000_000, None),
    "temperature": {
        "type": ["number", "null"], "minimum": 0, "maximum": 2, "default": None,
        "description": "Randomness of the answers; null for the model's own.",
    },
    "queue": _text("Queue of the workers that execute its runs.", 100, default="default"),
    **MEMBERS,
}  # fmt: skip

SCHEMA: JsonObject = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "An agent of a language model",
    "type": "object",
    "additionalProperties": False,
    "required": ["instructions"],
    "properties": {**PROPERTIES},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentDefinition:
    """A definition that fits the schema, its parts where the product needs them."""

    title: str
    description: str
    task: str
    approval_mode: ApprovalMode
    input_schema: JsonObject
    state_schema: JsonObject | None
    recovery: JsonObject
    queue: str
    llm: LlmDefinition

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> "AgentDefinition":
        """Return what a document stands for that fits SCHEMA; what it leaves out is as the schema says."""
        whole = filled(given)
        own = {item.name: whole[item.name] for item in fields(cls) if item.name != "llm"}
        own["approval_mode"] = ApprovalMode(own["approval_mode"])
        return cls(**own, llm=LlmDefinition.from_json({name: whole[name] for name in whole if name in _LLM}))


def filled(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document with every member, in the order of the schema, so that later defaults never change it."""
    return {name: _filled(part, given, name) for name, part in PROPERTIES.items()}


def told_task(template: str, given: Any) -> str:
    """Return what the model is told of an input at the start; see `task` in the schema."""
    if template:
        return _NAMED.sub(lambda found: _words(_member(given, found[1].split("."))), template)
    if "task" in given:
        return _words(given["task"])
    return "\n".join(f"{name}: {_words(value)}" for name, value in given.items())


def _filled(part: Any, given: Mapping[str, Any], name: str) -> Any:
    if name in MEMBERS:
        return filled_rows(name, given.get(name, ()))
    if "default" in part:
        return given.get(name, part["default"])
    return {member: _filled(it, given.get(name, {}), member) for member, it in part["properties"].items()}


def _member(value: Any, path: list[str]) -> Any:
    for name in path:
        value = value.get(name, "") if isinstance(value, Mapping) else ""
    return value


def _words(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(thaw(value), ensure_ascii=False, indent=2)
