"""State that agents can read but not change."""

import copy
import json
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import pytest

from runs.engine.frozen import FrozenDict, FrozenList, freeze, thaw

STATE: dict[str, Any] = {"a": [1, {"b": [2]}], "c": None}
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "__setitem__": (0, 1), "__delitem__": (0,), "__iadd__": ([1],), "__imul__": (2,), "__ior__": ({"x": 1},),
    "append": (1,), "extend": ([1],), "insert": (0, 1), "remove": (1,), "setdefault": ("x", 1), "update": ({"x": 1},),
}  # fmt: skip


def mutators(changeable: type, readable: type, more: set[str]) -> list[str]:
    own = {name for name in {*dir(changeable)} - {*dir(readable)} if not name.startswith("_Mutable")}
    return sorted(own | more)


@pytest.mark.parametrize("name", mutators(MutableMapping, Mapping, {"__ior__"}))
def test_an_object_refuses_to_be_changed(name: str) -> None:
    refuses(freeze({"0": 1}), name)


@pytest.mark.parametrize("name", mutators(MutableSequence, Sequence, {"__imul__", "sort"}))
def test_a_list_refuses_to_be_changed(name: str) -> None:
    refuses(freeze([1, 2]), name)


def refuses(value: Any, name: str) -> None:
    before = thaw(value)
    with pytest.raises(TypeError, match=r"read-only: return Goto\(.*thaw\(\)"):
        getattr(value, name)(*ARGUMENTS.get(name, ()))
    assert value == before


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state["a"][1]["b"].append(3),
        lambda state: state["a"].__setitem__(slice(0, 1), []),
        lambda state: state["a"].sort(key=str),
    ],
)
def test_it_is_frozen_all_the_way_down(change: Callable[[Any], None]) -> None:
    with pytest.raises(TypeError, match="read-only"):
        change(freeze(STATE))


def test_it_reads_like_the_value_it_holds() -> None:
    state = freeze(STATE)
    assert state == STATE
    assert json.dumps(state) == json.dumps(STATE)
    assert [*state["a"]] == [1, {"b": [2]}]
    assert {**state, "d": 1} == {**STATE, "d": 1}
    assert state["a"] + [5] == [1, {"b": [2]}, 5]


def test_freezing_copies() -> None:
    mine = copy.deepcopy(STATE)
    state = freeze(mine)
    mine["a"][1]["b"].append(3)
    assert state == STATE


@pytest.mark.parametrize("make", [thaw, copy.deepcopy])
def test_a_thawed_copy_may_be_changed(make: Callable[[Any], Any]) -> None:
    state = freeze(STATE)
    mine = make(state)
    mine["a"][1]["b"].append(3)
    assert (type(mine), type(mine["a"])) == (dict, list)
    assert state == STATE
    assert isinstance(state, FrozenDict)
    assert isinstance(state["a"], FrozenList)
