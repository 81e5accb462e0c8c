"""docs/reference/query-language.md names every key and limit there is, and its examples are read."""

import re
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from agentops.common import query
from agentops.common.query import parser
from runs.search.compiler import compiled
from runs.search.registry import KEYS, SCOPES, Asker
from runs.selectors import found, walk

PAGE = (Path(__file__).resolve().parents[2] / "docs/reference/query-language.md").read_text(encoding="utf-8")
OF_RUNS, _STEPS = PAGE.partition("Inside `step(")[::2]
OF_STEPS, _EPISODES = _STEPS.partition("Inside `stuck(")[::2]
OF_EPISODES, OF_REQUESTS = _EPISODES.partition("Inside `approval(")[::2]
PARTS = {"step": OF_STEPS, "stuck": OF_EPISODES, "approval": OF_REQUESTS}
ROW = re.compile(r"^\| `(\w+)` \| (.*) \| `(.*)` \|$", re.MULTILINE)
ASKER = Asker(UUID(int=1), "ada", datetime(2026, 1, 31, tzinfo=UTC), ZoneInfo("UTC"))


def test_every_key_stands_in_its_table() -> None:
    assert [name for name, _says, _example in ROW.findall(OF_RUNS)] == [*KEYS, "has", "no", "sort"]
    assert {
        scope: [name for name, _says, _example in ROW.findall(part)] for scope, part in PARTS.items()
    } == {name: [*scope.keys] for name, scope in SCOPES.items()}


@pytest.mark.parametrize("example", [row[2] for row in ROW.findall(PAGE)])
def test_every_example_is_read(example: str) -> None:
    compiled(query.parse(example), ASKER)


@pytest.mark.parametrize("line", re.findall(r"^(\S.*?)  +\S.*$", PAGE.split("```")[1], re.MULTILINE))
def test_the_queries_at_the_top_are_read(line: str) -> None:
    compiled(query.parse(line), ASKER)


def test_every_choice_is_named() -> None:
    rows = {name: says for name, says, _example in ROW.findall(OF_RUNS)}
    assert [status for status in KEYS["status"].choices if status not in rows["status"]] == []
    assert [name for name, key in KEYS.items() if key.sort and name not in rows["sort"]] == []
    for scope, part in PARTS.items():
        said = {name: says for name, says, _example in ROW.findall(part)}
        for name, key in SCOPES[scope].keys.items():
            assert [choice for choice in key.choices if choice not in said[name]] == []


def test_the_grammar_is_the_parsers() -> None:
    grammar = re.search(r"```\n(query  = .*?)```", PAGE, re.DOTALL)
    assert grammar
    assert [line.strip() for line in grammar[1].splitlines()] == [
        line.strip() for line in (parser.__doc__ or "").splitlines()[2:] if line.strip()
    ]


def test_the_limits_are_those_of_the_code() -> None:
    for number in (
        query.MAX_CHARACTERS,
        query.MAX_TOKENS,
        walk.LONG_WALK,
        walk.COSTLY_WALK,
        found.SORTED_RUNS,
    ):
        assert f"{number:,}" in PAGE
