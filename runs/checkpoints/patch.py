"""Applying a JSON Patch that a person or a program has written to a state.

Source: RFC 6902 with RFC 6901 pointers. The document is never changed in place; a patch that fails half-way leaves
nothing behind.
"""

from collections.abc import Callable, Sequence
from typing import Any

from agentops.common.types import JsonObject, JsonValue
from runs.engine.frozen import thaw

MAX_OPERATIONS = 1000
MAX_COPIED_VALUES = 200_000


class PatchError(ValueError):
    """An operation that cannot be applied: the `index`-th of the patch, for the `reason`."""

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(f"operation {index} of the patch: {reason}")
        self.index = index
        self.reason = reason


class _BadOperationError(ValueError):
    pass


def apply_patch(document: JsonValue, patch: Sequence[JsonValue]) -> Any:
    """Return a copy of `document` with the operations applied, in their order.

    Raises: PatchError for the first operation that does not fit.
    """
    if len(patch) > MAX_OPERATIONS:
        raise PatchError(MAX_OPERATIONS, f"a patch may have {MAX_OPERATIONS:,} operations")
    return _Patching(thaw(document)).done(patch)


class _Patching:
    """One application of a patch; the document may be replaced as a whole."""

    def __init__(self, document: Any) -> None:
        self.document, self.n_copied = document, 0

    def done(self, patch: Sequence[JsonValue]) -> Any:
        for index, operation in enumerate(patch):
            try:
                self._apply(operation)
            except _BadOperationError as error:
                raise PatchError(index, str(error)) from error
        return self.document

    def _apply(self, operation: JsonValue) -> None:
        if not isinstance(operation, dict):
            raise _BadOperationError("it must be an object with `op` and `path`")
        op = operation.get("op")
        act = self._operations().get(op) if isinstance(op, str) else None
        if act is None:
            raise _BadOperationError(f"`op` must be one of {', '.join(self._operations())}, not {op!r}")
        act(_parts(operation, "path"), operation)

    def _operations(self) -> dict[str, Callable[[list[str], JsonObject], None]]:
        return {
            "add": lambda path, it: self._add(path, _value(it)),
            "remove": lambda path, it: self._remove(path),
            "replace": lambda path, it: self._replace(path, _value(it)),
            "move": self._move,
            "copy": lambda path, it: self._add(path, self._copied(self._at(_parts(it, "from")))),
            "test": self._test,
        }

    def _at(self, path: list[str]) -> Any:
        here = self.document
        for depth, part in enumerate(path, 1):
            if isinstance(here, dict) and part in here:
                here = here[part]
            elif isinstance(here, list):
                here = here[_index(part, len(here) - 1)]
            else:
                raise _BadOperationError(f"there is nothing at {_pointer(path[:depth])!r}")
        return here

    def _add(self, path: list[str], value: Any) -> None:
        if not path:
            self.document = value
            return
        parent, last = self._at(path[:-1]), path[-1]
        if isinstance(parent, dict):
            parent[last] = value
        elif isinstance(parent, list):
            parent.insert(len(parent) if last == "-" else _index(last, len(parent)), value)
        else:
            raise _BadOperationError(f"what holds {_pointer(path)!r} is neither an object nor a list")

    def _remove(self, path: list[str]) -> Any:
        found = self._at(path)
        if not path:
            raise _BadOperationError("the document as a whole cannot be removed")
        parent, last = self._at(path[:-1]), path[-1]
        del parent[last if isinstance(parent, dict) else int(last)]
        return found

    def _replace(self, path: list[str], value: Any) -> None:
        self._at(path)
        if not path:
            self.document = value
            return
        parent, last = self._at(path[:-1]), path[-1]
        parent[last if isinstance(parent, dict) else int(last)] = value

    def _move(self, path: list[str], operation: JsonObject) -> None:
        origin = _parts(operation, "from")
        if len(path) > len(origin) and path[: len(origin)] == origin:
            raise _BadOperationError("a value cannot be moved into itself")
        self._at(origin)
        if path != origin:
            self._add(path, self._remove(origin))

    def _test(self, path: list[str], operation: JsonObject) -> None:
        if not _equal(self._at(path), _value(operation)):
            raise _BadOperationError(f"the value at {_pointer(path)!r} is another one")

    def _copied(self, value: Any) -> Any:
        """Return a copy; copies of copies grow without end, so they are counted."""
        self.n_copied += _size(value)
        if self.n_copied > MAX_COPIED_VALUES:
            raise _BadOperationError(f"the patch copies more than {MAX_COPIED_VALUES:,} values")
        return thaw(value)


def _value(operation: JsonObject) -> Any:
    if "value" not in operation:
        raise _BadOperationError("`value` is missing")
    return thaw(operation["value"])


def _parts(operation: JsonObject, name: str) -> list[str]:
    pointer = operation.get(name)
    if not isinstance(pointer, str) or (pointer and not pointer.startswith("/")):
        raise _BadOperationError(f"`{name}` must be a JSON pointer such as /a/b, not {pointer!r}")
    if "~" in pointer.replace("~0", "").replace("~1", ""):
        raise _BadOperationError(f"`{name}` has a ~ that is neither ~0 nor ~1")
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def _index(part: str, last: int) -> int:
    is_written_well = part.isascii() and part.isdecimal() and (part == "0" or part[0] != "0")
    if not is_written_well or len(part) > 18 or int(part) > last:
        raise _BadOperationError(f"the list has no index {part!r}")
    return int(part)


def _pointer(path: list[str]) -> str:
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in path)


def _equal(left: Any, right: Any) -> bool:
    """Return whether two values are equal as RFC 6902 says: numbers by what they are worth."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_equal(item, right[key]) for key, item in left.items())
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_equal, left, right))
    return bool(left == right)


def _size(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + sum(map(_size, value.values()))
    return 1 + sum(map(_size, value)) if isinstance(value, list) else 1
