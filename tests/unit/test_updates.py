"""Declared updates: what they become, what they do, and what they refuse."""

from typing import Any

import pytest

from agentops.common.canonical import Cleaner, NotJsonError
from runs.engine.commands import Goto
from runs.engine.errors import UpdateError
from runs.engine.frozen import FrozenDict, FrozenList, freeze, thaw
from runs.engine.updates import Updates, apply_delta, resolve, split


def applied(state: Any, **updates: Any) -> Any:
    frozen = freeze(state)
    apply_delta(frozen, Updates(**updates).delta(Cleaner()))
    return thaw(frozen)


def test_set_puts_a_value_where_it_belongs() -> None:
    assert applied({"a": 1}, set={"a": 2, "b": [3]}) == {"a": 2, "b": [3]}
    assert applied({"a": {"b": [1, 2]}}, set={"/a/b/1": "x"}) == {"a": {"b": [1, "x"]}}


@pytest.mark.parametrize("behind", ["-", "2"])
def test_set_behind_the_end_of_a_list_appends(behind: str) -> None:
    assert applied({"a": [1, 2]}, set={f"/a/{behind}": 3}) == {"a": [1, 2, 3]}


def test_merge_makes_its_object() -> None:
    assert applied({}, merge={"seen": {"x": 1}}) == {"seen": {"x": 1}}
    assert applied({"seen": {"x": 1, "y": 2}}, merge={"seen": {"x": 3}}) == {"seen": {"x": 3, "y": 2}}


def test_append_and_extend_make_their_list() -> None:
    assert applied({}, append={"log": [1, 2]}) == {"log": [[1, 2]]}
    assert applied({}, extend={"log": (1, 2)}) == {"log": [1, 2]}
    assert applied({"log": [0]}, append={"log": 1}, extend={"log": [2]}) == {"log": [0, 1, 2]}


def test_remove_takes_away() -> None:
    assert applied({"a": 1, "b": [1, 2, 3]}, remove=["a", "/b/1"]) == {"b": [1, 3]}


def test_updates_apply_in_the_order_that_is_documented() -> None:
    done = applied(
        {}, remove=["gone"], extend={"log": [3]}, append={"log": 2}, merge={"m": {"k": 1}},
        set={"gone": 1, "log": [1], "m": {}},
    )  # fmt: skip
    assert done == {"log": [1, 2, 3], "m": {"k": 1}}


def test_a_name_without_a_slash_is_one_key_whatever_it_holds() -> None:
    assert applied({}, set={"a/b~c": 1, "": 2}) == {"a/b~c": 1, "": 2}


def test_a_pointer_is_cleaned_like_a_value() -> None:
    delta = Updates(set={"/pages/\ud800": 1, "nul\0": 2}).delta(cleaner := Cleaner())
    assert [pointer for _, pointer, _ in delta] == ["/pages/\ufffd", "/nul\ufffd"]
    assert cleaner.replaced == 2


@pytest.mark.parametrize(
    ("updates", "pointer", "words"),
    [
        ({"set": {"/x/y": 1}}, "/x/y", "'/x' does not exist in the state"),
        ({"set": {"/n/y": 1}}, "/n/y", "its parent is a number"),
        ({"set": {"/list/7": 1}}, "/list/7", "the list has 2 items and no index '7'"),
        ({"set": {"/list/01": 1}}, "/list/01", "no index '01'"),
        ({"set": {"/list/\u0661": 1}}, "/list/\u0661", "no index"),
        ({"set": {"/list/" + "9" * 5000: 1}}, "/list/" + "9" * 5000, "no index"),
        ({"merge": {"list": {"a": 1}}}, "/list", "the state has a list"),
        ({"merge": {"map": 5}}, "/map", "the update a number"),
        ({"append": {"map": 5}}, "/map", "it is an object, not a list"),
        ({"append": {"/x/y": 5}}, "/x/y", "'/x' does not exist"),
        ({"remove": ["missing"]}, "/missing", "there is nothing at this pointer"),
        ({"remove": ["/list/-"]}, "/list/-", "no index '-'"),
        ({"extend": {"list": "abc"}}, "/list", "it takes a list, not text"),
        ({"extend": {"list": 5}}, "/list", "it takes a list, not a number"),
        ({"remove": "list"}, "", "it takes a list, not text"),
    ],
)
def test_an_update_that_does_not_fit_says_where_and_why(
    updates: dict[str, Any], pointer: str, words: str
) -> None:
    with pytest.raises(UpdateError) as caught:
        applied({"n": 1, "list": [1, 2], "map": {}}, **updates)
    assert caught.value.pointer == pointer
    assert words in str(caught.value)


@pytest.mark.parametrize("op", ["set", "append", "merge", "remove"])
def test_the_state_as_a_whole_cannot_be_replaced(op: str) -> None:
    with pytest.raises(UpdateError):
        apply_delta(freeze({"a": 1}), [[op, "", [{}]]])


def test_a_value_that_json_cannot_hold_is_named_by_its_pointer() -> None:
    with pytest.raises(NotJsonError) as caught:
        Updates(set={"/a": {"b": [1, {2}]}}).delta(Cleaner())
    assert caught.value.pointer == "/a/b/1"


def test_what_was_declared_and_the_state_share_nothing() -> None:
    items = [{"x": 1}]
    delta = Updates(set={"items": items}).delta(Cleaner())
    state = freeze({})
    apply_delta(state, delta)
    items[0]["x"] = 2
    delta[0][2][0]["x"] = 3
    assert thaw(state) == {"items": [{"x": 1}]}


def test_the_state_stays_frozen() -> None:
    state = freeze({})
    apply_delta(state, Updates(set={"a": {}}, merge={"b": {"c": [1]}}, append={"l": {}}).delta(Cleaner()))
    kinds = {type(state["a"]), type(state["b"]), type(state["l"][0])}
    assert kinds == {FrozenDict}
    assert {type(state["l"]), type(state["b"]["c"])} == {FrozenList}


def test_a_command_carries_its_updates() -> None:
    command = Goto("next", set={"a": 1}, merge={"b": {}}, append={"c": 2}, extend={"d": [3]}, remove=["e"])
    assert command.updates == Updates({"a": 1}, {"b": {}}, {"c": 2}, {"d": [3]}, ["e"])


def test_pointers_are_split_and_resolved_as_rfc_6901_says() -> None:
    document = {"foo": ["bar", "baz"], "": 0, "a/b": 1, "m~n": 8}
    told = {"": document, "/foo": ["bar", "baz"], "/foo/0": "bar", "/": 0, "/a~1b": 1, "/m~0n": 8}
    assert {pointer: resolve(document, pointer) for pointer in told} == told
    assert split("/a~01") == ["a~1"]
    for missing in ("/foo/2", "/foo/-", "/foo/00", "/bar", "/foo/0/x"):
        with pytest.raises(KeyError):
            resolve(document, missing)
