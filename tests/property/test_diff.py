"""A patch turns the one value into the other, exactly, whatever they are."""

import copy
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from runs.checkpoints.diff import diff, summarise
from runs.engine.updates import split

keys = st.text(alphabet="ab/~0 é", max_size=3)
scalars = st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-2, 2) | st.text("ab", max_size=2)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(keys, inner, max_size=4)
)


def apply(patch: list[dict[str, Any]], value: Any) -> Any:
    """Apply RFC 6902 operations by the letter, independently of the code under test."""
    document = {"": copy.deepcopy(value)}
    for operation in patch:
        if operation["op"] == "move":
            taken = copy.deepcopy(_at(document, operation["from"]))
            _apply(document, {"op": "remove", "path": operation["from"]})
            _apply(document, {"op": "add", "path": operation["path"], "value": taken})
        else:
            _apply(document, operation)
    return document[""]


def _at(here: Any, pointer: str) -> Any:
    for part in ["", *split(pointer)]:
        here = here[int(part)] if isinstance(here, list) else here[part]
    return here


def _apply(document: dict[str, Any], operation: dict[str, Any]) -> None:
    parent: Any = document
    parts = ["", *split(operation["path"])]
    for part in parts[:-1]:
        parent = parent[int(part)] if isinstance(parent, list) else parent[part]
    _change(parent, parts[-1], operation)


def _change(parent: Any, last: str, operation: dict[str, Any]) -> None:
    where: Any = int(last) if isinstance(parent, list) else last
    match operation["op"]:
        case "remove":
            del parent[where]
        case "replace":
            assert where in (range(len(parent)) if isinstance(parent, list) else parent)
            parent[where] = operation["value"]
        case "add" if isinstance(parent, list):
            assert where <= len(parent)
            parent.insert(where, operation["value"])
        case "add":
            assert where not in parent
            parent[where] = operation["value"]
        case other:
            raise AssertionError(other)


def text(value: Any) -> str:
    """Return a text that tells 1, 1.0 and true apart, as == does not."""
    return json.dumps(value, sort_keys=True)


@given(values, values)
def test_the_patch_makes_the_second_of_the_first(before: Any, after: Any) -> None:
    assert text(apply(diff(before, after), before)) == text(after)


@given(values)
def test_equal_values_have_no_difference(value: Any) -> None:
    assert diff(value, copy.deepcopy(value)) == []


@given(st.lists(scalars, max_size=8), st.lists(scalars, max_size=3), st.integers(0, 8))
def test_what_is_inserted_in_one_place_costs_one_operation_an_item(
    items: list[Any], inserted: list[Any], at: int
) -> None:
    changed = [*items[:at], *inserted, *items[at:]]
    assert len(diff(items, changed)) == len(inserted)


@given(st.lists(st.sampled_from(["fetch", "parse", "store", "report"]), unique=True, min_size=2), st.data())
def test_what_was_moved_in_its_list_is_told_as_one_move(items: list[Any], data: st.DataObject) -> None:
    was, now = data.draw(
        st.tuples(*[st.integers(0, len(items) - 1)] * 2).filter(lambda pair: pair[0] != pair[1])
    )
    moved = [*items]
    moved.insert(now, moved.pop(was))
    assert [operation["op"] for operation in diff(items, moved)] == ["move"]


@given(
    st.lists(st.fixed_dictionaries({"id": st.integers(0, 6), "n": st.integers(0, 2)}), max_size=8),
    st.lists(st.fixed_dictionaries({"id": st.integers(0, 6), "n": st.integers(0, 2)}), max_size=8),
)
def test_lists_of_things_with_ids_are_turned_into_each_other(before: Any, after: Any) -> None:
    assert text(apply(diff(before, after), before)) == text(after)


def test_the_summary_counts_and_names_the_keys_of_the_top_level() -> None:
    before: Any = {"a": 1, "b": [1], "c/d": 1, "f": ["x", "y", "z"]}
    patch = diff(before, {"a": 2, "b": [1, 2], "e": {}, "f": ["y", "z", "x"]})
    found = summarise(patch)
    assert (found.n_added, found.n_removed, found.n_replaced, found.n_moved) == (2, 1, 1, 1)
    assert found.keys == ["a", "b", "c/d", "e", "f"]
