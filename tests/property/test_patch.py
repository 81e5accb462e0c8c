"""A patch does what RFC 6902 says, leaves what it was given alone, and stops at the first operation that does not fit."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentops.common.types import JsonObject
from runs.checkpoints.diff import diff
from runs.checkpoints.patch import MAX_OPERATIONS, PatchError, apply_patch
from tests.property.values import KEYS, json_values, states

documents = json_values(keys=st.sampled_from(KEYS))
parts = st.sampled_from([part.replace("~", "~0").replace("/", "~1") for part in KEYS])
pointers = st.lists(parts, max_size=3).map(lambda names: "".join("/" + name for name in names))
operations = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test"]), "path": pointers},
    optional={"value": documents, "from": pointers},
)


def text(value: Any) -> str:
    """Return a text that tells 1, 1.0 and true apart, as == does not."""
    return json.dumps(value, sort_keys=True)


@given(documents, documents)
def test_the_difference_of_two_values_applied_to_the_first_gives_the_second(before: Any, after: Any) -> None:
    assert text(apply_patch(before, diff(before, after))) == text(after)


@given(states, st.lists(operations, max_size=6))
def test_a_patch_applies_or_fails_and_never_touches_what_it_was_given(before: Any, patch: list[Any]) -> None:
    given_document, given_patch = text(before), text(patch)
    failed_at = 0
    try:
        json.dumps(apply_patch(before, patch))
    except PatchError as error:
        failed_at = error.index
    assert failed_at in range(max(len(patch), 1))
    assert (text(before), text(patch)) == (given_document, given_patch)


@given(states, st.lists(operations, min_size=1, max_size=4))
def test_operations_apply_one_after_the_other(before: Any, patch: list[Any]) -> None:
    one_by_one: Any = copy.deepcopy(before)
    try:
        for operation in patch:
            one_by_one = apply_patch(one_by_one, [operation])
    except PatchError:
        with pytest.raises(PatchError):
            apply_patch(before, patch)
    else:
        assert text(apply_patch(before, patch)) == text(one_by_one)


@given(documents, pointers)
def test_a_copy_is_no_alias(before: Any, path: str) -> None:
    document = {"here": before}
    after = apply_patch(document, [{"op": "copy", "from": "/here", "path": "/there"}])
    assert text(after) == text({"here": before, "there": before})
    if isinstance(before, dict):
        changed = apply_patch(after, [{"op": "add", "path": "/there/new", "value": 1}])
        assert "new" not in changed["here"] or "new" in before


# Source: RFC 6902, appendix A, and the usual corner cases of its test suites.
@pytest.mark.parametrize(
    ("document", "patch", "after"),
    [
        ({"foo": "bar"}, [{"op": "add", "path": "/baz", "value": "qux"}], {"baz": "qux", "foo": "bar"}),
        (
            {"foo": ["bar", "baz"]},
            [{"op": "add", "path": "/foo/1", "value": "qux"}],
            {"foo": ["bar", "qux", "baz"]},
        ),
        ({"foo": ["bar"]}, [{"op": "add", "path": "/foo/-", "value": ["abc"]}], {"foo": ["bar", ["abc"]]}),
        ({"foo": ["bar", "qux", "baz"]}, [{"op": "remove", "path": "/foo/1"}], {"foo": ["bar", "baz"]}),
        (
            {"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}},
            [{"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}],
            {"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}},
        ),
        (
            {"foo": ["all", "grass", "cows"]},
            [{"op": "move", "from": "/foo/1", "path": "/foo/2"}],
            {"foo": ["all", "cows", "grass"]},
        ),
        ({"/": 9, "~1": 10}, [{"op": "test", "path": "/~01", "value": 10}], {"/": 9, "~1": 10}),
        ({"foo": None}, [{"op": "test", "path": "/foo", "value": None}], {"foo": None}),
        ({"n": 1}, [{"op": "test", "path": "/n", "value": 1.0}], {"n": 1}),
        ({"foo": 1}, [{"op": "add", "path": "", "value": [1]}], [1]),
        ({"foo": 1}, [{"op": "replace", "path": "", "value": {}}], {}),
        ({"": 1}, [{"op": "add", "path": "/", "value": 2}], {"": 2}),
        ({"a": [1]}, [{"op": "move", "from": "/a", "path": "/a"}], {"a": [1]}),
    ],
)
def test_examples(document: Any, patch: list[Any], after: Any) -> None:
    assert apply_patch(document, patch) == after


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "add", "path": "/baz/bat", "value": 1},
        {"op": "add", "path": "/list/2", "value": 1},
        {"op": "add", "path": "/list/01", "value": 1},
        {"op": "add", "path": "/list/\u0661", "value": 1},
        {"op": "add", "path": "/list/1e0", "value": 1},
        {"op": "add", "path": "/foo/bar", "value": 1},
        {"op": "add", "path": "/x"},
        {"op": "add", "path": "x", "value": 1},
        {"op": "add", "path": "/a~2b", "value": 1},
        {"op": "add", "path": 1, "value": 1},
        {"op": "remove", "path": "/list/-"},
        {"op": "remove", "path": ""},
        {"op": "replace", "path": "/nothing", "value": 1},
        {"op": "move", "from": "/obj", "path": "/obj/in"},
        {"op": "move", "path": "/x"},
        {"op": "copy", "from": "/nothing", "path": "/x"},
        {"op": "test", "path": "/foo", "value": "other"},
        {"op": "test", "path": "/yes", "value": 1},
        {"op": "spam", "path": "/foo"},
        {"op": ["add"], "path": "/foo", "value": 1},
        {"path": "/foo"},
        ["add", "/foo", 1],
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(operation: Any) -> None:
    document: JsonObject = {"foo": "bar", "list": [1], "obj": {}, "yes": True}
    with pytest.raises(PatchError) as refused:
        apply_patch(document, [{"op": "test", "path": "/foo", "value": "bar"}, operation])
    assert refused.value.index == 1


def test_a_patch_cannot_grow_without_end() -> None:
    with pytest.raises(PatchError, match="copies more than"):
        apply_patch({"a": [1, 2]}, [{"op": "copy", "from": "", "path": f"/{n}"} for n in range(40)])
    with pytest.raises(PatchError, match="1,000 operations"):
        apply_patch({}, [{"op": "add", "path": "/a", "value": 1}] * (MAX_OPERATIONS + 1))
