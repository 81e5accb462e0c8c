"""The lists of a definition in its form: budgets, rules, schedules and triggers, each row a group of fields, one blank row more."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from agentops.common.types import JsonObject
from runs.engine.agent_members import MAX_ROWS, MEMBERS, cells_of
from runs.engine.budgets import Unit
from runs.presenters.budgets import shown_amount, stored_amount
from runs.presenters.schema_form import PREFIX, Field

Words = str | Promise
DROP = "drop-"
_CELL = re.compile(rf"{PREFIX}({'|'.join(MEMBERS)})\.([0-9]{{1,2}})\.([a-z_]+)")

ROW_WORDS: dict[str, Words] = {
    "budgets": _("Budget"), "approval_rules": _("Rule"), "schedules": _("Schedule"), "triggers": _("Trigger"),
}  # fmt: skip
# In a form in dollars, where the definition has millionths of them.
AMOUNTS = ("soft", "hard")
CELLS: dict[str, Words] = {
    "budgets.scope": _("Of what"), "budgets.period": _("Counted anew each"), "budgets.unit": _("What is counted"),
    "budgets.soft": _("A person is asked beyond"), "budgets.hard": _("A run is paused beyond"),
    "approval_rules.name": _("Called"), "approval_rules.verdict": _("What becomes of the action"),
    "approval_rules.when": _("When all of these hold, JSON"), "approval_rules.stages": _("Who decides, JSON"),
    "schedules.title": _("Called"), "schedules.cron": _("When, cron"), "schedules.time_zone": _("Time zone"),
    "schedules.input": _("Input, JSON"), "schedules.fire_at_property": _("The time goes to"), "schedules.priority": _("Priority"),
    "schedules.tags": _("Tags, one a line"), "schedules.missed": _("Missed times"), "schedules.overlap": _("Overlap"),
    "triggers.event_name": _("Event"), "triggers.key": _("About"), "triggers.match": _("The payload contains, JSON"),
    "triggers.input_template": _("Input, JSON with pointers into the event"), "triggers.priority": _("Priority"),
}  # fmt: skip
_HINTS: dict[str, Words] = {
    "budgets.unit": _("What is counted."),
    "budgets.soft": _("In dollars where money is counted; empty for never."),
    "budgets.hard": _("In dollars where money is counted; empty for never."),
}
_EXAMPLES: dict[str, Any] = {
    "budgets.hard": 5, "approval_rules.name": "large sums",
    "approval_rules.when": {"tools": ["payment.*"], "args": [{"pointer": "/amount", "op": ">", "value": 100}]},
    "approval_rules.stages": [{"quantifier": "k_of_n", "k": 2}], "schedules.title": "Every morning", "schedules.cron": "0 7 * * 1-5",
    "schedules.fire_at_property": "at", "triggers.event_name": "mail.came", "triggers.match": {"to": "desk"},
    "triggers.input_template": {"task": {"$": "/payload/subject"}},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a list. `number` is None for the blank one that makes another."""

    name: str
    position: int
    number: int | None
    fields: list[Field]

    @property
    def title(self) -> Words:
        return ROW_WORDS[self.name]

    @property
    def drop_name(self) -> str:
        return f"{DROP}{self.name}.{self.position}"


def standing(fields: Sequence[Field], posted: Mapping[str, Any]) -> list[Field]:
    """Return the fields without cells of rows that the page does not show yet: it has posted none of theirs."""
    return [one for one in fields if not _CELL.fullmatch(one.html_name) or one.html_name in posted]


def without_dropped(posted: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was posted without the cells of rows that are to go."""
    return {
        name: value
        for name, value in posted.items()
        if not ((cell := _CELL.fullmatch(name)) and f"{DROP}{cell[1]}.{cell[2]}" in posted)
    }


def said_rows(posted: Mapping[str, Any]) -> dict[str, list[int]]:
    """Return for each list the positions of the rows in which somebody has written something."""
    found: dict[str, set[int]] = {name: set() for name in MEMBERS}
    for name, value in posted.items():
        cell = _CELL.fullmatch(name)
        if cell and int(cell[2]) < MAX_ROWS and _says(cell[1], cell[3], str(value)):
            found[cell[1]].add(int(cell[2]))
    return {name: sorted(positions) for name, positions in found.items()}


def row_properties(said: Mapping[str, Sequence[int]]) -> tuple[JsonObject, list[str]]:
    """Return the schema of each cell, of the rows that say something and a blank one behind them, and which are needed."""
    properties: JsonObject = {}
    for name in MEMBERS:
        for position in range(min(_count(said, name), MAX_ROWS)):
            for part, cell in cells_of(name).items():
                properties[f"{name}.{position}.{part}"] = _told(f"{name}.{part}", cell)
    needed = [
        f"{name}.{position}.{part}"
        for name, positions in said.items()
        for position in positions
        for part, cell in cells_of(name).items()
        if "default" not in cell and "enum" not in cell
    ]
    return properties, needed


def laid_flat(document: Mapping[str, Any]) -> JsonObject:
    """Return the cells of a document's rows; what is no row has none."""
    return {
        f"{name}.{position}.{part}": _as_shown(row, part) if name == "budgets" else row[part]
        for name in MEMBERS
        for position, row in enumerate(document.get(name, ()))
        if isinstance(row, dict)
        for part in cells_of(name)
        if part in row
    }


def rows_of(flat: Mapping[str, Any], said: Mapping[str, Sequence[int]]) -> dict[str, list[JsonObject]]:
    """Return the rows that the fields make; an emptied cell is as the schema says."""
    found: dict[str, list[JsonObject]] = {
        name: [
            {part: flat.get(f"{name}.{position}.{part}", cell.get("default")) for part, cell in cells_of(name).items()}
            for position in said.get(name, ())
        ]
        for name in MEMBERS
    }  # fmt: skip
    return found | {"budgets": [_as_stored(row) for row in found["budgets"]]}


def _as_shown(row: Mapping[str, Any], part: str) -> Any:
    """Return a part of a budget as the form shows it."""
    value = row[part]
    return shown_amount(str(row.get("unit")), value) if part in AMOUNTS and isinstance(value, int) else value


def _as_stored(row: JsonObject) -> JsonObject:
    """Return a budget that was written as the form shows it; half a token stays one, and is refused as such."""
    unit = str(row["unit"])
    amounts = {part: value for part in AMOUNTS if isinstance(value := row[part], float)}
    return row | {
        part: stored_amount(unit, value)
        for part, value in amounts.items()
        if unit == Unit.COST or not math.isfinite(value) or value.is_integer()
    }


def shown_rows(name: str, fields: Mapping[str, Field], said: Mapping[str, Sequence[int]]) -> list[Row]:
    """Return the rows of a list as the form shows them, the blank one last."""
    found: list[Row] = []
    for position in range(min(_count(said, name), MAX_ROWS)):
        cells = [fields[f"{name}.{position}.{part}"] for part in cells_of(name)]
        number = list(said[name]).index(position) + 1 if position in said.get(name, ()) else None
        found.append(Row(name, position, number, cells))
    return found


def flat_pointer(pointer: str, said: Mapping[str, Sequence[int]]) -> str:
    """Return the pointer with a cell as the form names it: `/schedules/0/cron` is `/schedules.0.cron`, where row 0 stands."""
    _root, *names = pointer.split("/")
    if len(names) < 3 or names[0] not in MEMBERS or names[2] not in cells_of(names[0]):
        return pointer
    positions = said.get(names[0], ())
    n = int(names[1]) if names[1].isdecimal() and len(names[1]) < 4 else len(positions)
    if n >= len(positions):
        return pointer
    return "/" + "/".join([f"{names[0]}.{positions[n]}.{names[2]}", *names[3:]])


def _count(said: Mapping[str, Sequence[int]], name: str) -> int:
    return max(said.get(name, ()), default=-1) + 2


def _says(name: str, part: str, value: str) -> bool:
    """Return whether somebody has written in the cell; a choice that nobody can leave out says nothing by itself."""
    cell = cells_of(name).get(part)
    if cell is None or "enum" in cell or not value.strip():
        return False
    default = cell.get("default")
    return value.strip() not in ("{}", "[]") and value.strip() != str(default)


def _told(name: str, cell: Mapping[str, Any]) -> JsonObject:
    more: dict[str, Any] = {
        "title": str(CELLS[name]),
        "description": str(cell["description"]).replace("`", ""),
    }
    if name in _HINTS:
        more["description"] = str(_HINTS[name])
    if name in ("budgets.soft", "budgets.hard"):
        more["type"] = "number"
    if name in _EXAMPLES:
        more["examples"] = [_EXAMPLES[name]]
    if "enum" in cell and "default" not in cell:
        more["default"] = cell["enum"][0]
    return {**cell, **more}
