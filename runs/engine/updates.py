"""Declared updates: how a node changes the state, and how a stored delta is applied again.

A delta is a list of `[op, pointer, value]`:

- `["set", "/a/b", v]`      put v there; the parent must exist, `-` or the length appends to a list
- `["merge", "/a", {…}]`    put each key of the object into the object at /a, made if missing
- `["append", "/a", [v…]]`  put each item behind the list at /a, made if missing
- `["remove", "/a/b", null]` take it away; it must exist

Pointers are RFC 6901. A name without a leading slash means a key of the top level.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from agentops.common.canonical import Cleaner
from agentops.common.types import JsonValue
from runs.engine.errors import UpdateError
from runs.engine.frozen import FrozenDict, FrozenList, freeze

Delta: TypeAlias = list[Any]


@dataclass(frozen=True, slots=True)
class Updates:
    """What a node declares; applied in the order set, merge, append, extend, remove."""

    set: Mapping[str, Any] | None = None
    merge: Mapping[str, Mapping[str, Any]] | None = None
    append: Mapping[str, Any] | None = None
    extend: Mapping[str, Iterable[Any]] | None = None
    remove: Iterable[str] = ()

    def delta(self, cleaner: Cleaner) -> Delta:
        """Return the stored form, every pointer and value checked and cleaned.

        Raises: NotJsonError for a value that JSON cannot hold; UpdateError for an `extend` or `remove` without a list.
        """
        operations: Delta = [["set", at, cleaner.clean(v, at)] for at, v in _items(self.set, cleaner)]
        operations += [["merge", at, cleaner.clean(v, at)] for at, v in _items(self.merge, cleaner)]
        operations += [["append", at, [cleaner.clean(v, at)]] for at, v in _items(self.append, cleaner)]
        operations += [
            ["append", at, cleaner.clean(_listed("extend", at, v), at)]
            for at, v in _items(self.extend, cleaner)
        ]
        removed = _listed("remove", "", self.remove)
        operations += [["remove", _pointer(name, cleaner), None] for name in removed]
        return operations


def apply_delta(state: Any, delta: Delta) -> None:
    """Change `state` (frozen containers, owned by the caller) in place.

    Raises: UpdateError; the state may then be half changed and must be thrown away.
    """
    for op, pointer, value in delta:
        _APPLY[op](state, pointer, value)


def split(pointer: str) -> list[str]:
    """Return the unescaped parts of a pointer; the empty pointer has none."""
    if not pointer:
        return []
    parts = pointer.split("/")[1:]
    return [part.replace("~1", "/").replace("~0", "~") for part in parts] if "~" in pointer else parts


def resolve(state: Any, pointer: str) -> Any:
    """Return the value at `pointer`.

    Raises: KeyError when there is none.
    """
    for part in split(pointer):
        state = _child(state, part)
    return state


def _child(parent: Any, part: str) -> Any:
    if isinstance(parent, dict):
        return parent[part]
    if isinstance(parent, list) and _is_index(part, len(parent)):
        return parent[int(part)]
    raise KeyError(part)


def _items(values: Mapping[str, Any] | None, cleaner: Cleaner) -> list[tuple[str, Any]]:
    return [(_pointer(name, cleaner), value) for name, value in values.items()] if values else []


def _pointer(name: str, cleaner: Cleaner) -> str:
    pointer = name if name.startswith("/") else "/" + name.replace("~", "~0").replace("/", "~1")
    return str(cleaner.clean(pointer))


def _listed(op: str, pointer: str, values: Any) -> list[Any]:
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise UpdateError(op, pointer, f"it takes a list, not {_kind(values)}")
    return list(values)


def _is_index(part: str, length: int) -> bool:
    """Whether `part` is a list index as RFC 6901 writes it: ASCII digits, no leading zero."""
    is_written_well = part.isascii() and part.isdecimal() and (part == "0" or part[0] != "0")
    return is_written_well and len(part) < 20 and int(part) < length


def _locate(state: Any, op: str, pointer: str) -> tuple[Any, str]:
    """Return the container that holds the last part of `pointer`, and that part."""
    if not pointer:
        raise UpdateError(op, pointer, "the state as a whole cannot be replaced; name a key of it")
    *parents, last = split(pointer)
    here = state
    for depth, part in enumerate(parents, 1):
        try:
            here = _child(here, part)
        except KeyError:
            missing = "/" + "/".join(parents[:depth])
            raise UpdateError(op, pointer, f"{missing!r} does not exist in the state") from None
    if not isinstance(here, dict | list):
        raise UpdateError(op, pointer, f"its parent is {_kind(here)}, not an object or a list")
    return here, last


def _set(state: Any, pointer: str, value: JsonValue) -> None:
    parent, last = _locate(state, "set", pointer)
    if isinstance(parent, dict):
        dict.__setitem__(parent, last, freeze(value))
    elif last in ("-", str(len(parent))):
        list.append(parent, freeze(value))
    else:
        list.__setitem__(parent, _index(parent, last, "set", pointer), freeze(value))


def _merge(state: Any, pointer: str, value: JsonValue) -> None:
    here = _made(state, "merge", pointer, FrozenDict())
    if not isinstance(here, dict) or not isinstance(value, dict):
        raise UpdateError(
            "merge", pointer, f"both must be objects; the state has {_kind(here)}, the update {_kind(value)}"
        )
    dict.update(here, freeze(value))


def _append(state: Any, pointer: str, value: JsonValue) -> None:
    here = _made(state, "append", pointer, FrozenList())
    if not isinstance(here, list):
        raise UpdateError("append", pointer, f"it is {_kind(here)}, not a list")
    list.extend(here, freeze(value))


def _remove(state: Any, pointer: str, _: JsonValue) -> None:
    parent, last = _locate(state, "remove", pointer)
    if isinstance(parent, list):
        list.__delitem__(parent, _index(parent, last, "remove", pointer))
    elif last in parent:
        dict.__delitem__(parent, last)
    else:
        raise UpdateError("remove", pointer, "there is nothing at this pointer")


def _made(state: Any, op: str, pointer: str, empty: Any) -> Any:
    """Return what stands at `pointer`; a missing last key of an object is made as `empty`."""
    if not pointer:
        return state
    parent, last = _locate(state, op, pointer)
    if isinstance(parent, dict):
        return dict.setdefault(parent, last, empty)
    return parent[_index(parent, last, op, pointer)]


def _index(parent: list[Any], last: str, op: str, pointer: str) -> int:
    if _is_index(last, len(parent)):
        return int(last)
    raise UpdateError(op, pointer, f"the list has {len(parent)} items and no index {last!r}")


def _kind(value: Any) -> str:
    names = {
        dict: "an object", list: "a list", str: "text", bool: "a truth value", type(None): "null", int: "a number",
        float: "a number",
    }  # fmt: skip
    return next((name for kind, name in names.items() if isinstance(value, kind)), type(value).__name__)


_APPLY = {"set": _set, "merge": _merge, "append": _append, "remove": _remove}
