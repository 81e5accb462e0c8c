"""Members of a definition that hold outside of its runs: budgets, approval rules, schedules, triggers (pure).

They are lists of small objects. When the version that has them starts runs, they are rows of the team's; see ADR 0027.
"""

from collections.abc import Mapping
from typing import Any

from agentops.common.types import JsonObject, JsonValue
from runs.engine.budgets import MAX_AMOUNT, BudgetScope, Period, Unit
from runs.engine.schedules import Missed, Overlap

MAX_ROWS = 20
STRICT_VERDICTS = ("ask", "deny")


def _rows(description: str, required: tuple[str, ...], **cells: JsonObject) -> JsonObject:
    items: JsonObject = {
        "type": "object", "additionalProperties": False, "required": [*required], "properties": {**cells},
    }  # fmt: skip
    return {"type": "array", "items": items, "maxItems": MAX_ROWS, "default": [], "description": description}


def _cell(kind: JsonValue, description: str, **more: JsonValue) -> JsonObject:
    return {"type": kind, "description": description, **more}


def _text(description: str, most: int, **more: JsonValue) -> JsonObject:
    return _cell("string", description, maxLength=most, **more)


def _one_of(description: str, words: tuple[str, ...], **more: JsonValue) -> JsonObject:
    return _cell("string", description, enum=[*words], **more)


def _amount(description: str) -> JsonObject:
    return _cell(["integer", "null"], description, minimum=1, maximum=MAX_AMOUNT, default=None)


_PRIORITY = _cell("integer", "Priority of the runs.", minimum=-100, maximum=100, default=0)
_ANYTHING: JsonValue = ["object", "array", "string", "number", "boolean", "null"]

MEMBERS: dict[str, JsonObject] = {
    "budgets": _rows(
        "What its runs may spend: one limit a row.", ("unit",),
        scope=_one_of(
            "Whose spending is counted: each run's with its children, or the agent's as a whole.",
            (BudgetScope.EACH_RUN.value, BudgetScope.AGENT.value), default=BudgetScope.EACH_RUN.value,
        ),
        period=_one_of(
            "When counting begins anew, by UTC; `forever` for each run.", tuple(it.value for it in Period),
            default=Period.FOREVER.value,
        ),
        unit=_one_of(
            "What is counted; money in millionths of a dollar (5000000 is $5).", tuple(it.value for it in Unit)
        ),
        soft=_amount("Beyond this a person is asked; null for never."),
        hard=_amount("Beyond this a run is paused; null for never."),
    ),
    "approval_rules": _rows(
        "Rules about what it does, stricter than the team's: they may ask or deny, not allow.", ("name",),
        name=_text("What the rule is called; the team sees it behind the agent's name.", 60, minLength=1),
        verdict=_one_of("What becomes of an action that fits.", STRICT_VERDICTS, default="ask"),
        when=_cell("object", "Conditions that must all hold; `{}` fits every write.", default={}),
        stages=_cell(
            "array", "Who must decide, one stage after the other; `[]` for any one reviewer.", maxItems=5, default=[],
            items={"type": "object"},
        ),
    ),
    "schedules": _rows(
        "Times at which a run is started.", ("title", "cron"),
        title=_text("What it is for; no two schedules of the agent have the same title.", 200, minLength=1),
        cron=_text("Five fields, or a nickname such as `@daily`.", 200, minLength=1),
        time_zone=_text("Time zone in which the times are read, an IANA name.", 64, minLength=1, default="UTC"),
        input=_cell("object", "The input of its runs.", default={}),
        fire_at_property=_text("Member of the input that gets the time; empty for none.", 100, default=""),
        priority=_PRIORITY,
        tags=_cell("array", "Tags of its runs.", items={"type": "string", "maxLength": 100}, maxItems=20, default=[]),
        missed=_one_of("What becomes of times that passed while no clock ran.", tuple(Missed), default=Missed.ONCE.value),
        overlap=_one_of("What happens while a run of it is still open.", tuple(Overlap), default=Overlap.SKIP.value),
    ),
    "triggers": _rows(
        "Events that start a run.", ("event_name",),
        event_name=_text("Name of the event, as the publisher calls it.", 200, minLength=1),
        key=_text("What the event must be about; empty for anything.", 200, default=""),
        match=_cell(["object", "null"], "What the payload must contain; null for anything.", default=None),
        input_template=_cell(
            _ANYTHING, "The input, in which `{\"$\": \"/payload/…\"}` stands for a part of the event; null takes the payload.",
            default=None,
        ),
        priority=_PRIORITY,
    ),
}  # fmt: skip


def cells_of(name: str) -> dict[str, Any]:
    """Return the schema of each part of a row of the member."""
    part: Any = MEMBERS[name]
    cells: dict[str, Any] = part["items"]["properties"]
    return cells


def filled_rows(name: str, rows: Any) -> list[JsonObject]:
    """Return the rows of a member that fits its schema, each with every part, in the schema's order."""
    return [_filled_row(cells_of(name), row) for row in rows]


def _filled_row(cells: Mapping[str, Any], row: Mapping[str, Any]) -> JsonObject:
    return {name: row[name] if name in row else cell["default"] for name, cell in cells.items()}
