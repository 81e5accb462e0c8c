"""docs/reference/agent-definition.md tells of the schema as it is, and its example is one."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runs.engine.agent_definition import PROPERTIES, SCHEMA, AgentDefinition, filled, told_task
from runs.engine.agent_members import MEMBERS, cells_of
from runs.engine.definition import LlmDefinition
from runs.json_schema import check
from runs.llm.inner import INNER

PAGE = (Path(__file__).resolve().parents[2] / "docs/reference/agent-definition.md").read_text(
    encoding="utf-8"
)


def members(properties: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    for name, part in properties.items():
        if "default" in part:
            yield before + name, part
        else:
            yield from members(part["properties"], f"{name}.")


def rows() -> list[str]:
    """The rows of the table, one a member; where it differs from the schema, put these there."""
    return [f"| `{name}` | {_kind(part)} | {_default(part['default'])} | {part['description']} |" for name, part in members(PROPERTIES)]  # fmt: skip


def _kind(part: Any) -> str:
    kinds = part["type"] if isinstance(part["type"], list) else [part["type"]]
    told = " or ".join("whole number" if kind == "integer" else kind for kind in kinds)
    bounds = [f"{part[key]:,}" for key in ("minimum", "maximum") if key in part]
    return f"{told}, {' to '.join(bounds)}" if bounds else told


def _default(value: Any) -> str:
    return "an object with `task`" if isinstance(value, dict) and value else f"`{json.dumps(value)}`"


def test_the_table_is_that_of_the_schema() -> None:
    section = PAGE.partition("## Members")[2].partition("\n## ")[0]
    told = [line for line in section.splitlines() if re.match(r"\| `[a-z_.]+` \| [a-z]+[ ,|]", line)]
    assert told == rows()


def cell_rows() -> list[str]:
    """The rows of the table of cells; where it differs from the schema, put these there."""
    return [
        f"| `{name}[].{part}` | {_choices(cell)} | {_default(cell['default']) if 'default' in cell else 'needed'} | {cell['description']} |"
        for name in MEMBERS
        for part, cell in cells_of(name).items()
    ]


def _choices(cell: Any) -> str:
    return ", ".join(f"`{word}`" for word in cell["enum"]) if "enum" in cell else _kind(cell)


def test_the_table_of_rows_is_that_of_the_schema() -> None:
    section = PAGE.partition("## Rows")[2].partition("\n## ")[0]
    assert [line for line in section.splitlines() if line.startswith("| `")] == cell_rows()


@pytest.mark.parametrize("name", INNER)
def test_each_tool_that_works_inside_stands_there(name: str) -> None:
    assert f"| `{name}` |" in PAGE


def test_the_example_is_a_definition() -> None:
    [example] = re.findall(r"^```json\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    check(json.loads(example), SCHEMA, what="the example")


def test_what_is_left_out_is_as_the_code_says() -> None:
    made = AgentDefinition.from_json({"instructions": "x"})
    assert made.llm.as_json() == LlmDefinition(instructions="x", models=[""], tools=[], approve=[], agents=[], memory=[], acceptance=[]).as_json()  # fmt: skip
    assert list(filled({"instructions": "x"})) == list(PROPERTIES)
    check(filled({"instructions": "x"}), SCHEMA, what="the whole")


@pytest.mark.parametrize(
    ("template", "given", "told"),
    [
        ("", {"task": "Do it."}, "Do it."),
        ("", {"a": 1, "b": "two"}, "a: 1\nb: two"),
        ("{a.b} {c} {missing}.", {"a": {"b": "x"}, "c": [1]}, "x [\n  1\n] ."),
        ("{task!r} {__class__} {a.__class__}", {"a": "x"}, "{task!r}  "),
    ],
)
def test_the_task_is_made_of_members_alone(template: str, given: dict[str, Any], told: str) -> None:
    assert told_task(template, given) == told
