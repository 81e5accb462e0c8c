"""The difference of two JSON values as a patch that turns the first into the second.

Lists are compared after taking off what is equal at both ends, so that what was appended, inserted or taken away
in one place costs one operation an item. Source: RFC 6902.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from agentops.common.types import JsonObject, JsonValue


@dataclass(frozen=True, slots=True)
class Summary:
    """How many values were added, removed and replaced, and below which keys of the top level."""

    n_added: int
    n_removed: int
    n_replaced: int
    keys: list[str]


def diff(before: JsonValue, after: JsonValue) -> list[JsonObject]:
    """Return the operations `add`, `remove` and `replace` that make `after` of `before`, in the order to apply.

    `1`, `1.0` and `true` are three different values.
    """
    return list(_differences("", before, after))


def summarise(patch: list[JsonObject]) -> Summary:
    """Return what people want to know of a patch before they read it."""
    ops = [operation["op"] for operation in patch]
    keys = {str(operation["path"]).split("/")[1] for operation in patch if operation["path"]}
    return Summary(
        n_added=ops.count("add"),
        n_removed=ops.count("remove"),
        n_replaced=ops.count("replace"),
        keys=sorted(key.replace("~1", "/").replace("~0", "~") for key in keys),
    )


def same_json(left: JsonValue, right: JsonValue) -> bool:
    """Return whether both are the same JSON text but for the order of keys."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same_json(item, right[key]) for key, item in left.items())
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same_json, left, right))
    return type(left) is type(right) and left == right


def _differences(path: str, before: JsonValue, after: JsonValue) -> Iterator[JsonObject]:
    if isinstance(before, dict) and isinstance(after, dict):
        yield from _objects(path, before, after)
    elif isinstance(before, list) and isinstance(after, list):
        yield from _lists(path, before, after)
    elif not same_json(before, after):
        yield {"op": "replace", "path": path, "value": after}


def _objects(path: str, before: JsonObject, after: JsonObject) -> Iterator[JsonObject]:
    for key, value in before.items():
        if key in after:
            yield from _differences(f"{path}/{_escape(key)}", value, after[key])
        else:
            yield {"op": "remove", "path": f"{path}/{_escape(key)}"}
    for key, value in after.items():
        if key not in before:
            yield {"op": "add", "path": f"{path}/{_escape(key)}", "value": value}


def _lists(path: str, before: list[Any], after: list[Any]) -> Iterator[JsonObject]:
    start = _n_equal(before, after)
    end = _n_equal(before[start:][::-1], after[start:][::-1])
    old, new = before[start : len(before) - end], after[start : len(after) - end]
    n_common = min(len(old), len(new))
    for index in range(n_common):
        yield from _differences(f"{path}/{start + index}", old[index], new[index])
    for index in reversed(range(n_common, len(old))):
        yield {"op": "remove", "path": f"{path}/{start + index}"}
    for index in range(n_common, len(new)):
        yield {"op": "add", "path": f"{path}/{start + index}", "value": new[index]}


def _n_equal(left: list[Any], right: list[Any]) -> int:
    """Return how many items at the beginning are the same."""
    n = 0
    for one, other in zip(left, right, strict=False):
        if not same_json(one, other):
            break
        n += 1
    return n


def _escape(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
