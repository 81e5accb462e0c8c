"""The difference of two JSON values as a person would tell it: what is new, gone, changed, and what was moved."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from agentops.common.types import JsonObject, JsonValue
from runs.checkpoints.align import align, fingerprint, telling
from runs.checkpoints.diff import escape, same_json

# Shorter JSON, such as a number or a word, is in many places by chance.
_MIN_MOVED_BYTES = 16


@dataclass(frozen=True, slots=True)
class Change:
    """One change. `kind`: added, removed, changed, moved.

    `path` is the pointer in the second value (of what was removed: in the first), `was` that in the first.
    """

    kind: str
    path: str
    was: str
    old: Any = None
    new: Any = None


def compare(before: JsonValue, after: JsonValue) -> list[Change]:
    """Return the changes from `before` to `after`, in the order of the document.

    What is gone in one place and new in another is told as moved, with what changed in it right behind.
    """
    return _with_moves(list(_changes("", "", before, after)))


def _changes(was: str, path: str, before: JsonValue, after: JsonValue) -> Iterator[Change]:
    if same_json(before, after):
        return
    if isinstance(before, dict) and isinstance(after, dict):
        yield from _in_objects(was, path, before, after)
    elif isinstance(before, list) and isinstance(after, list):
        yield from _in_lists(was, path, before, after)
    else:
        yield Change("changed", path, was, before, after)


def _in_objects(was: str, path: str, before: JsonObject, after: JsonObject) -> Iterator[Change]:
    for key, value in before.items():
        part = escape(key)
        if key in after:
            yield from _changes(f"{was}/{part}", f"{path}/{part}", value, after[key])
        else:
            yield Change("removed", f"{was}/{part}", f"{was}/{part}", old=value)
    for key, value in after.items():
        if key not in before:
            yield Change("added", f"{path}/{escape(key)}", "", new=value)


def _in_lists(was: str, path: str, before: list[Any], after: list[Any]) -> Iterator[Change]:
    found = align(before, after)
    for old in found.removed:
        yield Change("removed", f"{was}/{old}", f"{was}/{old}", old=before[old])
    for match in found.matches:
        here, there = f"{path}/{match.new}", f"{was}/{match.old}"
        new = after[match.new]
        if match.old is None:
            yield Change("added", here, "", new=new)
            continue
        if match.is_moved:
            yield Change("moved", here, there, before[match.old], new)
        if not match.is_same:
            yield from _changes(there, here, before[match.old], new)


def _with_moves(changes: list[Change]) -> list[Change]:
    """Join what is gone in one place with what is new in another, when it is the same or about the same thing."""
    gone = _by_mark([change for change in changes if change.kind == "removed"], "old")
    new = _by_mark([change for change in changes if change.kind == "added"], "new")
    moves = {id(new[mark]): gone[mark] for mark in new.keys() & gone.keys()}
    taken = {id(change) for change in moves.values()}
    found: list[Change] = []
    for change in changes:
        if id(change) in taken:
            continue
        origin = moves.get(id(change))
        found += [change] if origin is None else _moved(origin, change)
    return found


def _by_mark(changes: list[Change], side: str) -> dict[Any, Change]:
    """Return by what it would be recognised elsewhere; what two have in common tells nothing."""
    marks = [(mark, change) for change in changes if (mark := _mark(getattr(change, side))) is not None]
    counts = Counter(mark for mark, _change in marks)
    return {mark: change for mark, change in marks if counts[mark] == 1}


def _mark(value: JsonValue) -> Any:
    told = telling(value)
    if told is not None and told[0] != "name":
        return told
    found = fingerprint(value)
    return found if len(found) >= _MIN_MOVED_BYTES else None


def _moved(origin: Change, change: Change) -> list[Change]:
    move = replace(change, kind="moved", was=origin.path, old=origin.old)
    return [move, *_changes(origin.path, change.path, origin.old, change.new)]
