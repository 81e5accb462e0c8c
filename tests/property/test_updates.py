"""Declared updates do what a plain model does to plain dicts and lists, for whatever state and operations."""

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agentops.common.canonical import Cleaner, canonical_bytes
from runs.checkpoints.codec import decode, encode
from runs.engine.errors import UpdateError
from runs.engine.frozen import FrozenDict, FrozenList, freeze, thaw
from runs.engine.updates import Updates, apply_delta, resolve, split
from tests.property.values import KEYS, json_values, states

paths = st.lists(st.sampled_from(KEYS), min_size=1, max_size=3).map(tuple)
small_values = json_values(keys=st.sampled_from(KEYS))
objects = st.dictionaries(st.sampled_from(KEYS), small_values, max_size=3)
Declared = dict[str, Any]
declarations = st.fixed_dictionaries(
    {},
    optional={
        "set": st.dictionaries(paths, small_values, max_size=3),
        "merge": st.dictionaries(paths, objects | small_values, max_size=2),
        "append": st.dictionaries(paths, small_values, max_size=2),
        "extend": st.dictionaries(paths, st.lists(small_values, max_size=3), max_size=2),
        "remove": st.lists(paths, max_size=2),
    },
)


class DoesNotFitError(Exception):
    """What the model says where the engine must raise UpdateError."""


def walk(document: Any, path: tuple[str, ...]) -> Any:
    for part in path:
        document = child(document, part)
    return document


def child(container: Any, part: str) -> Any:
    if isinstance(container, dict) and part in container:
        return container[part]
    if isinstance(container, list) and part in map(str, range(len(container))):
        return container[int(part)]
    raise DoesNotFitError(part)


def model_set(document: Any, path: tuple[str, ...], value: Any) -> None:
    parent, last = walk(document, path[:-1]), path[-1]
    if isinstance(parent, dict):
        parent[last] = value
    elif isinstance(parent, list) and last in ("-", str(len(parent))):
        parent.append(value)
    elif isinstance(parent, list):
        child(parent, last)
        parent[int(last)] = value
    else:
        raise DoesNotFitError(path)


def model_add(document: Any, path: tuple[str, ...], value: Any) -> None:
    """Merge an object or extend a list, which is made when it is missing from an object."""
    parent = walk(document, path[:-1])
    if isinstance(parent, dict) and path[-1] not in parent:
        parent[path[-1]] = type(value)() if isinstance(value, list) else {}
    there = child(parent, path[-1])
    if isinstance(there, dict) and isinstance(value, dict):
        there.update(value)
    elif isinstance(there, list) and isinstance(value, list):
        there += value
    else:
        raise DoesNotFitError(path)


def model_merge(document: Any, path: tuple[str, ...], value: Any) -> None:
    model_add(document, path, value if isinstance(value, dict) else None)


def model_remove(document: Any, path: tuple[str, ...]) -> None:
    parent, last = walk(document, path[:-1]), path[-1]
    child(parent, last)
    del parent[last if isinstance(parent, dict) else int(last)]


def model(state: Any, declared: Declared) -> Any:
    document, declared = copy.deepcopy((state, declared))
    for path, value in declared.get("set", {}).items():
        model_set(document, path, value)
    for path, value in declared.get("merge", {}).items():
        model_merge(document, path, value)
    for path, value in declared.get("append", {}).items():
        model_add(document, path, [value])
    for path, values in declared.get("extend", {}).items():
        model_add(document, path, values)
    for path in declared.get("remove", ()):
        model_remove(document, path)
    return document


def pointer(path: tuple[str, ...]) -> str:
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in path)


def updates_of(declared: Declared) -> Updates:
    given: Declared = {
        name: {pointer(path): value for path, value in there.items()}
        for name, there in declared.items()
        if name != "remove"
    }
    return Updates(**given, remove=[pointer(path) for path in declared.get("remove", ())])


@given(states, declarations)
def test_updates_do_what_the_model_does(state: Any, declared: Declared) -> None:
    frozen, delta = freeze(state), updates_of(declared).delta(Cleaner())
    try:
        expected = model(state, declared)
    except DoesNotFitError:
        expected = None
    refusal = applied(frozen, delta)
    if refusal is None:
        assert expected is not None
        assert canonical_bytes(thaw(frozen)) == canonical_bytes(expected)
    else:
        assert expected is None
        assert refusal.pointer in {at for _, at, _ in delta}


@given(states, declarations)
def test_a_stored_delta_does_the_same_again(state: Any, declared: Declared) -> None:
    delta = updates_of(declared).delta(Cleaner())
    here, there = freeze(state), freeze(state)
    refusals = [str(applied(here, delta)), str(applied(there, decode(*encode(delta)[:2])))]
    assert refusals[0] == refusals[1]
    assert canonical_bytes(thaw(here)) == canonical_bytes(thaw(there))


@given(states, declarations)
def test_whatever_happens_every_container_stays_frozen(state: Any, declared: Declared) -> None:
    frozen = freeze(state)
    applied(frozen, updates_of(declared).delta(Cleaner()))
    assert all_frozen(frozen)


def applied(state: Any, delta: Any) -> UpdateError | None:
    """Apply the delta, and return why it was refused."""
    try:
        apply_delta(state, delta)
    except UpdateError as error:
        return error
    return None


def all_frozen(value: Any) -> bool:
    if isinstance(value, dict):
        return type(value) is FrozenDict and all(map(all_frozen, value.values()))
    if isinstance(value, list):
        return type(value) is FrozenList and all(map(all_frozen, value))
    return True


@given(small_values)
def test_freezing_and_thawing_change_nothing(value: Any) -> None:
    assert all_frozen(freeze(value))
    assert canonical_bytes(thaw(freeze(value))) == canonical_bytes(value)


@given(states, paths)
def test_a_pointer_leads_where_its_parts_lead(state: Any, path: tuple[str, ...]) -> None:
    assert tuple(split(pointer(path))) == path
    try:
        expected = walk(state, path)
    except DoesNotFitError:
        expected = KeyError
    try:
        found = resolve(freeze(state), pointer(path))
    except KeyError:
        found = KeyError
    assert found == expected
