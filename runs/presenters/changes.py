"""What a node changed in the state, as lines with + and −, grouped by the place in the state."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from runs.engine.updates import Delta, resolve
from runs.presenters import text

MAX_LINES = 60
MAX_ITEMS = 6
MAX_CHARACTERS = 180
_MISSING = object()


@dataclass(frozen=True, slots=True)
class Line:
    """`sign`: h (the place), a (added), d (taken away), more."""

    sign: str
    text: str


def change_lines(delta: Delta, before: Any) -> list[Line]:
    """Return the lines of a delta against the state before it; without that (None) only what was added."""
    lines: list[Line] = []
    place = None
    for op in delta:
        for line in _lines(op, before):
            if line.sign == "h":
                if line.text == place:
                    continue
                place = line.text
            lines.append(line)
    if len(lines) > MAX_LINES:
        left = len(lines) - MAX_LINES
        told = ngettext("%(n)s more line", "%(n)s more lines", left) % {"n": text.number(left)}
        return [*lines[:MAX_LINES], Line("more", f"… {told}")]
    return lines


def _lines(op: Sequence[Any], before: Any) -> Iterator[Line]:
    verb, pointer, value = op
    if verb == "append":
        yield from _added(pointer, value)
    elif verb == "merge":
        yield Line("h", _shown(pointer))
        old = _old(before, pointer)
        yield from _keys(value, old if isinstance(old, dict) else {})
    elif verb == "remove":
        yield from _removed(pointer, before)
    else:
        yield from _set(pointer, value, _old(before, pointer))


def _set(pointer: str, new: Any, old: Any) -> Iterator[Line]:
    if isinstance(new, dict) and isinstance(old, dict):
        yield Line("h", _shown(pointer))
        yield from _keys(new, old)
        yield from (Line("d", _pair(key, value)) for key, value in old.items() if key not in new)
        return
    if isinstance(new, list) and isinstance(old, list) and old and new[: len(old)] == old:
        yield from _added(pointer, new[len(old) :])
        return
    parent, key = pointer.rpartition("/")[::2]
    yield Line("h", _shown(parent))
    yield from _keys({_unescaped(key): new}, {} if old is _MISSING else {_unescaped(key): old})


def _keys(new: dict[str, Any], old: dict[str, Any]) -> Iterator[Line]:
    for key, value in new.items():
        if key in old and old[key] == value and type(old[key]) is type(value):
            continue
        if key in old:
            yield Line("d", _pair(key, old[key]))
        yield Line("a", _pair(key, value))


def _added(pointer: str, items: Sequence[Any]) -> Iterator[Line]:
    told = ngettext("%(n)s added", "%(n)s added", len(items)) % {"n": text.number(len(items))}
    yield Line("h", f"{_shown(pointer)} · {told}")
    yield from (Line("a", _value(item)) for item in items[:MAX_ITEMS])
    if len(items) > MAX_ITEMS:
        left = len(items) - MAX_ITEMS
        yield Line("more", "… " + ngettext("%(n)s more", "%(n)s more", left) % {"n": text.number(left)})


def _removed(pointer: str, before: Any) -> Iterator[Line]:
    parent, key = pointer.rpartition("/")[::2]
    old, home = _old(before, pointer), _old(before, parent)
    yield Line("h", _shown(parent))
    if old is _MISSING:
        yield Line("d", f"{_unescaped(key)} {_('removed')}")
    else:
        yield Line("d", _value(old) if isinstance(home, list) else _pair(_unescaped(key), old))


def _old(before: Any, pointer: str) -> Any:
    if before is None:
        return _MISSING
    try:
        return resolve(before, pointer)
    except KeyError:
        return _MISSING


def _shown(pointer: str) -> str:
    return text.line(pointer or "/", 120)


def _unescaped(key: str) -> str:
    return key.replace("~1", "/").replace("~0", "~")


def _pair(key: str, value: Any) -> str:
    return f"{text.line(json.dumps(key, ensure_ascii=False), 80)}: {_value(value)}"


def _value(value: Any) -> str:
    if isinstance(value, str):
        return text.line(json.dumps(value[:MAX_CHARACTERS], ensure_ascii=False), MAX_CHARACTERS)
    return text.line(json.dumps(_cut(value), ensure_ascii=False), MAX_CHARACTERS)


def _cut(value: Any, depth: int = 0) -> Any:
    """Return a value whose text is not much longer than what is shown of it."""
    if depth > 3:
        return "…"
    if isinstance(value, dict):
        return {key: _cut(item, depth + 1) for key, item in list(value.items())[:12]}
    if isinstance(value, list):
        return [_cut(item, depth + 1) for item in value[:12]]
    return value[:MAX_CHARACTERS] if isinstance(value, str) else value
