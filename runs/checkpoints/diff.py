"""The difference of two JSON values as a patch that turns the first into the second.

What stood elsewhere in the same list is told as a move; other items cost one operation each. Source: RFC 6902.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from agentops.common.types import JsonObject, JsonValue
from runs.checkpoints.align import Alignment, align, fingerprint


@dataclass(frozen=True, slots=True)
class Summary:
    """How many values were added, removed, replaced and moved, and below which keys of the top level."""

    n_added: int
    n_removed: int
    n_replaced: int
    n_moved: int
    keys: list[str]


def diff(before: JsonValue, after: JsonValue) -> list[JsonObject]:
    """Return the operations that make `after` of `before`, in the order to apply.

    They are `add`, `remove`, `replace`, and `move` within a list. `1`, `1.0` and `true` are three different values.
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
        n_moved=ops.count("move"),
        keys=sorted(key.replace("~1", "/").replace("~0", "~") for key in keys),
    )


def same_json(left: JsonValue, right: JsonValue) -> bool:
    """Return whether both are the same JSON text but for the order of keys."""
    return left is right or fingerprint(left) == fingerprint(right)


def escape(key: str) -> str:
    """Return a key as a part of a JSON pointer."""
    return key.replace("~", "~0").replace("/", "~1")


def _differences(path: str, before: JsonValue, after: JsonValue) -> Iterator[JsonObject]:
    if same_json(before, after):
        return
    if isinstance(before, dict) and isinstance(after, dict):
        yield from _objects(path, before, after)
    elif isinstance(before, list) and isinstance(after, list):
        yield from _lists(path, before, after)
    else:
        yield {"op": "replace", "path": path, "value": after}


def _objects(path: str, before: JsonObject, after: JsonObject) -> Iterator[JsonObject]:
    for key, value in before.items():
        if key in after:
            yield from _differences(f"{path}/{escape(key)}", value, after[key])
        else:
            yield {"op": "remove", "path": f"{path}/{escape(key)}"}
    for key, value in after.items():
        if key not in before:
            yield {"op": "add", "path": f"{path}/{escape(key)}", "value": value}


def _lists(path: str, before: list[Any], after: list[Any]) -> Iterator[JsonObject]:
    """First the list gets its shape, then each item that stayed or was moved gets its changes."""
    found = align(before, after)
    for index in reversed(found.removed):
        yield {"op": "remove", "path": f"{path}/{index}"}
    yield from _placed(path, found, after)
    for match in found.matches:
        if match.old is not None and not match.is_same:
            yield from _differences(f"{path}/{match.new}", before[match.old], after[match.new])


def _placed(path: str, found: Alignment, after: list[Any]) -> Iterator[JsonObject]:
    """Yield the operations that put each new or moved item right behind the one before it."""
    kept = sorted(match.old for match in found.matches if match.old is not None)
    current: list[int | None] = list(kept)
    last = -1
    for match in found.matches:
        if match.old is not None and not match.is_moved:
            last = current.index(match.old, last + 1)
            continue
        if match.old is None:
            last += 1
            yield {"op": "add", "path": f"{path}/{found.start + last}", "value": after[match.new]}
        else:
            was = current.index(match.old)
            del current[was]
            last += 1 if was > last else 0
            yield {
                "op": "move",
                "from": f"{path}/{found.start + was}",
                "path": f"{path}/{found.start + last}",
            }
        current.insert(last, match.old)
