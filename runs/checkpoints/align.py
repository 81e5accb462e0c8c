"""Which items of two lists belong together: the same, moved, changed inside, or on one side only.

Items are compared by the bytes of their canonical JSON, so `1`, `1.0` and `true` are three different values. Of those
that are in both lists the longest sequence in one order stays; the others were moved. What is left is paired by a
telling member (an id, a key, a URL), then by its place between what stayed.
"""

import json
from bisect import bisect_left
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from agentops.common.types import JsonValue

# Members that tell which thing an object is about, the most telling first.
TELLING = ("id", "uuid", "key", "tool_call_id", "url", "path", "name", "slug")
MAX_MOVED = 500
LOOK_AHEAD = 20
_LIKENESS = 0.4


@dataclass(frozen=True, slots=True)
class Match:
    """What stands at `new`: the item from `old`, or one that was not there before (None)."""

    new: int
    old: int | None
    is_moved: bool = False
    is_same: bool = False


@dataclass(frozen=True, slots=True)
class Alignment:
    """`start` items at the beginning, and all behind the `matches`, are the same; `removed` are places in the old list."""

    start: int
    removed: list[int]
    matches: list[Match]


def fingerprint(value: JsonValue) -> bytes:
    """Return bytes that are the same for the same JSON value, whatever the order of its keys."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:  # nested deeper than it can follow
        return json.dumps(value, sort_keys=True).encode()


def telling(value: JsonValue) -> tuple[str, str | int] | None:
    """Return the member that tells which thing an object is about; None when it has none."""
    if isinstance(value, dict):
        for name in TELLING:
            found = value.get(name)
            if isinstance(found, str | int) and not isinstance(found, bool) and found != "":
                return name, found
    return None


def align(old: Sequence[Any], new: Sequence[Any]) -> Alignment:
    """Return how the items of two lists belong together; its matches are in the order of `new`."""
    before, after = [fingerprint(item) for item in old], [fingerprint(item) for item in new]
    start = _n_equal(before, after)
    end = _n_equal(before[start:][::-1], after[start:][::-1])
    olds, news = range(start, len(old) - end), range(start, len(new) - end)
    pairs = _same(before, after, olds, news)
    pairs |= _told(old, new, _without(olds, pairs.values()), _without(news, pairs))
    stays = _in_order(pairs)
    moved = pairs.keys() - stays
    for at in moved if len(moved) > MAX_MOVED else [at for at in moved if not _can_move(new[at])]:
        del pairs[at]
    pairs |= _beside(old, new, olds, news, pairs, stays)
    matches = [
        Match(at, pairs[at], at in moved, before[pairs[at]] == after[at]) if at in pairs else Match(at, None)
        for at in news
    ]
    return Alignment(start, _without(olds, pairs.values()), matches)


def _n_equal(left: Sequence[bytes], right: Sequence[bytes]) -> int:
    """Return how many items at the beginning are the same."""
    pairs = enumerate(zip(left, right, strict=False))
    return next((n for n, (one, other) in pairs if one != other), min(len(left), len(right)))


def _without(places: Iterable[int], taken: Iterable[int]) -> list[int]:
    gone = set(taken)
    return [place for place in places if place not in gone]


def _can_move(item: Any) -> bool:
    """Numbers and truth values are too alike to say that one of them was moved."""
    return isinstance(item, dict | list | str)


def _same(
    before: Sequence[bytes], after: Sequence[bytes], olds: Sequence[int], news: Sequence[int]
) -> dict[int, int]:
    """Return new → old of the items that are the same, the first with the first."""
    free: dict[bytes, deque[int]] = defaultdict(deque)
    for at in olds:
        free[before[at]].append(at)
    return {at: free[after[at]].popleft() for at in news if free.get(after[at])}


def _told(old: Sequence[Any], new: Sequence[Any], olds: list[int], news: list[int]) -> dict[int, int]:
    """Return new → old of the objects that are about the same thing, where both lists have it once."""
    of_old = [(told, at) for at in olds if (told := telling(old[at]))]
    of_new = [(told, at) for at in news if (told := telling(new[at]))]
    counts = Counter(told for told, _ in of_old), Counter(told for told, _ in of_new)
    once = {told: at for told, at in of_old if counts[0][told] == 1 == counts[1][told]}
    return {at: once[told] for told, at in of_new if told in once}


def _in_order(pairs: dict[int, int]) -> set[int]:
    """Return the new places of the longest sequence of pairs that kept its order."""
    news = sorted(pairs)
    tails: list[int] = []
    ends: list[int] = []
    before: dict[int, int] = {}
    for at in news:
        place = bisect_left(tails, pairs[at])
        if place:
            before[at] = ends[place - 1]
        tails[place : place + 1], ends[place : place + 1] = [pairs[at]], [at]
    found: set[int] = set()
    here = ends[-1] if ends else None
    while here is not None:
        found.add(here)
        here = before.get(here)
    return found


def _beside(
    old: Sequence[Any], new: Sequence[Any], olds: range, news: range, pairs: dict[int, int], stays: set[int]
) -> dict[int, int]:
    """Return new → old of what stands between the same neighbours and is alike."""
    taken = set(pairs.values())
    anchors = [(pairs[at], at) for at in sorted(stays)]
    found: dict[int, int] = {}
    was = (olds.start - 1, news.start - 1)
    for anchor in [*anchors, (olds.stop, news.stop)]:
        left = [at for at in range(was[0] + 1, anchor[0]) if at not in taken]
        right = [at for at in range(was[1] + 1, anchor[1]) if at not in pairs]
        found.update(_likened(old, new, left, right))
        was = anchor
    return found


def _likened(
    old: Sequence[Any], new: Sequence[Any], olds: list[int], news: list[int]
) -> Iterator[tuple[int, int]]:
    if len(olds) == len(news):
        yield from ((at, was) for was, at in zip(olds, news, strict=True) if _alike(old[was], new[at]))
        return
    first = 0
    for at in news:
        for n in range(first, min(first + LOOK_AHEAD, len(olds))):
            if _can_move(new[at]) and _alike(old[olds[n]], new[at]):
                yield at, olds[n]
                first = n + 1
                break


def _alike(old: Any, new: Any) -> bool:
    """Return whether the one can be told as the other with changes."""
    if isinstance(old, dict) and isinstance(new, dict):
        is_other = telling(old) != telling(new) or old.get("role") != new.get("role")
        n_common = len(old.keys() & new.keys())
        return not is_other and n_common >= _LIKENESS * max(len(old), len(new), 1)
    if isinstance(old, str) and isinstance(new, str):
        return _common_ends(old, new) >= _LIKENESS * max(len(old), len(new))
    is_container = isinstance(old, dict | list), isinstance(new, dict | list)
    return isinstance(old, list) and isinstance(new, list) if any(is_container) else True


def _common_ends(old: str, new: str) -> int:
    """Return how many characters are the same at both ends together."""
    shorter = min(len(old), len(new))
    head = bisect_left(range(1, shorter + 1), 1, key=lambda n: int(old[:n] != new[:n]))
    rest = shorter - head
    return head + bisect_left(range(1, rest + 1), 1, key=lambda n: int(old[-n:] != new[-n:]))
