"""Two values are told apart as a person would tell them apart."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runs.checkpoints.compare import compare
from runs.checkpoints.diff import same_json
from runs.engine.updates import resolve
from tests.property.values import KEYS, json_values, states

things = st.fixed_dictionaries(
    {"id": st.integers(0, 6), "n": st.integers(0, 2), "text": st.text("ab", max_size=3)}
)


@given(states)
def test_equal_values_have_no_changes(value: Any) -> None:
    assert compare(value, copy.deepcopy(value)) == []


@given(json_values(keys=st.sampled_from(KEYS)), json_values(keys=st.sampled_from(KEYS)))
def test_different_values_have_some(before: Any, after: Any) -> None:
    assert bool(compare(before, after)) is not same_json(before, after)


@given(
    st.dictionaries(st.sampled_from("ab"), st.lists(things, max_size=6)),
    st.dictionaries(st.sampled_from("ab"), st.lists(things, max_size=6)),
)
def test_each_change_says_what_stands_where_it_says(before: Any, after: Any) -> None:
    for change in compare(before, after):
        if change.kind != "added":
            assert same_json(resolve(before, change.was), change.old), change
        if change.kind != "removed":
            assert same_json(resolve(after, change.path), change.new), change


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({"a": 1}, {"a": 2}, [("changed", "/a", "/a")]),
        ({"a": 1}, {"a": True}, [("changed", "/a", "/a")]),
        ({"a": 1}, {"b": "x"}, [("removed", "/a", "/a"), ("added", "/b", "")]),
        ({"l": [1, 2, 3]}, {"l": [1, 3]}, [("removed", "/l/1", "/l/1")]),
        ({"l": [1, 3]}, {"l": [1, 2, 3]}, [("added", "/l/1", "")]),
        ({"l": ["one", "two", "three"]}, {"l": ["three", "one", "two"]}, [("moved", "/l/0", "/l/2")]),
        ({"l": [{"id": 1, "n": 1}, {"id": 2}, {"id": 3}]}, {"l": [{"id": 2}, {"id": 3}, {"id": 1, "n": 2}]},
         [("moved", "/l/2", "/l/0"), ("changed", "/l/2/n", "/l/0/n")]),
        ({"todo": [{"url": "u1", "tries": 0}, {"url": "u2"}], "done": []},
         {"todo": [{"url": "u2"}], "done": [{"url": "u1", "tries": 1}]},
         [("moved", "/done/0", "/todo/0"), ("changed", "/done/0/tries", "/todo/0/tries")]),
        ({"draft": "the whole text of it"}, {"report": "the whole text of it"}, [("moved", "/report", "/draft")]),
        ({"a": [1], "b": [2]}, {"a": {}, "b": [2]}, [("changed", "/a", "/a")]),
    ],
)  # fmt: skip
def test_changes_are_told_in_few_words(before: Any, after: Any, told: list[tuple[str, str, str]]) -> None:
    assert [(change.kind, change.path, change.was) for change in compare(before, after)] == told


def test_a_conversation_that_grew_is_told_by_what_was_said_since() -> None:
    said: list[Any] = [{"role": "user", "content": f"question {n}"} for n in range(4)]
    changes = compare({"messages": said}, {"messages": [*said, {"role": "assistant", "content": "yes"}]})
    assert [(change.kind, change.path) for change in changes] == [("added", "/messages/4")]


def test_what_was_moved_in_bulk_is_compared_without_squaring() -> None:
    """Many things with ids, of which some moved and some changed: the work must not grow with the square."""
    before: list[Any] = [{"id": n, "text": "x" * 200} for n in range(20_000)]
    after = [
        *before[10_000:],
        *({**item, "text": "y"} if item["id"] % 100 == 0 else item for item in before[:10_000]),
    ]
    changes = compare({"l": before}, {"l": after})
    assert sum(change.kind == "changed" for change in changes) == 100
