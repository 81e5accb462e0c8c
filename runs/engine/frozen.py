"""JSON containers that agents can read but not change.

The state a node receives is the runtime's own copy: a change to it would be lost at the next checkpoint, or
worse, half kept. These subclasses of dict and list refuse to be changed and say what to do instead; the engine
itself changes them through the methods of the base classes.
"""

from typing import Any, NoReturn

from agentops.common.types import JsonValue

_CONTAINERS = (dict, list)
_HELP = "state is read-only: return Goto(..., set={...}, append={...}) to change it, or copy it with thaw()"


def _refuse(*_: Any, **__: Any) -> NoReturn:
    raise TypeError(_HELP)


class FrozenDict(dict[str, Any]):
    __slots__ = ()
    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return thaw(self)


class FrozenList(list[Any]):
    __slots__ = ()
    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse
    append = clear = extend = insert = pop = remove = reverse = sort = _refuse

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return thaw(self)


def freeze(value: JsonValue) -> Any:
    """Return a read-only copy of a JSON value."""
    # Most values are scalars, and every rebuilt state comes through here: only containers cost a call.
    if isinstance(value, dict):
        frozen = FrozenDict(value)
        for key, item in value.items():
            if isinstance(item, _CONTAINERS):
                dict.__setitem__(frozen, key, freeze(item))
        return frozen
    if isinstance(value, list):
        return FrozenList([freeze(item) if isinstance(item, _CONTAINERS) else item for item in value])
    return value


def thaw(value: JsonValue) -> Any:
    """Return an ordinary, changeable copy of a JSON value."""
    if isinstance(value, dict):
        return {key: thaw(item) for key, item in value.items()}
    if isinstance(value, list):
        return [thaw(item) for item in value]
    return value
