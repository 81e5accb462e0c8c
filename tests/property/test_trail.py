"""Going back over operations finds the step that wrote a place, whatever happened to the lists around it."""

from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from runs.checkpoints.trail import Touch, UnclearError, trail_of
from runs.engine.errors import UpdateError
from runs.engine.frozen import freeze, thaw
from runs.engine.updates import apply_delta, resolve, split

# Lists in lists and objects, small enough that operations meet each other often.
LISTS = ["/l", "/m/l", "/l/0", "/l/1/l"]
items = st.sampled_from([0, [], [1, 2], {"l": [3]}, {}])
lists = st.sampled_from(LISTS)
indexes = st.integers(0, 3).map(str)
operations_of = st.one_of(
    st.tuples(st.just("append"), lists, st.lists(items, max_size=2)),
    st.tuples(st.just("set"), st.tuples(lists, indexes | st.just("-")).map("/".join), items),
    st.tuples(st.just("remove"), st.tuples(lists, indexes).map("/".join), st.none()),
    st.tuples(st.just("set"), st.sampled_from(["/l", "/m", "/m/l"]), items | st.just([[0], {"l": []}, 1])),
    st.tuples(
        st.just("merge"), st.sampled_from(["/m", "/l/0", "/l/1"]), st.just({"l": [5]}) | st.just({"n": 1})
    ),
    st.tuples(st.just("remove"), st.just("/m/l"), st.none()),
)


class Mark:
    """A value of the model: who wrote it or anything in it last, and what is in it."""

    def __init__(self, value: Any, who: int) -> None:
        self.who = who
        self.inside: Any = None
        if isinstance(value, dict):
            self.inside = {key: Mark(item, who) for key, item in value.items()}
        elif isinstance(value, list):
            self.inside = [Mark(item, who) for item in value]

    def child(self, part: str) -> "Mark":
        found: Mark = self.inside[int(part) if isinstance(self.inside, list) else part]
        return found


def mark(root: Mark, who: int, op: str, pointer: str, value: Any) -> None:
    """Do to the model what an operation does to the state, and leave `who` on everything it wrote."""
    *parents, last = split(pointer)
    here = root
    here.who = who
    for part in parents:
        here = here.child(part)
        here.who = who
    _MARK[op](here, last, value, who)


def _set(home: Mark, last: str, value: Any, who: int) -> None:
    if isinstance(home.inside, dict):
        home.inside[last] = Mark(value, who)
    elif last in ("-", str(len(home.inside))):
        home.inside.append(Mark(value, who))
    else:
        home.inside[int(last)] = Mark(value, who)


def _add(home: Mark, last: str, value: Any, who: int) -> None:
    if isinstance(home.inside, dict) and last not in home.inside:
        home.inside[last] = Mark(type(value)(), who)
    there = home.child(last)
    there.who = who
    if isinstance(value, dict):
        there.inside.update({key: Mark(item, who) for key, item in value.items()})
    else:
        there.inside += [Mark(item, who) for item in value]


def _remove(home: Mark, last: str, value: Any, who: int) -> None:
    del home.inside[int(last) if isinstance(home.inside, list) else last]


_MARK = {"set": _set, "merge": _add, "append": _add, "remove": _remove}


def places(here: Mark, pointer: str = "") -> Iterator[tuple[str, int]]:
    if pointer:
        yield pointer, here.who
    pairs = here.inside.items() if isinstance(here.inside, dict) else enumerate(here.inside or ())
    for key, item in pairs:
        yield from places(item, f"{pointer}/{str(key).replace('~', '~0').replace('/', '~1')}")


def writer_of(state: Any, states: list[Any], operations: list[Any], pointer: str) -> int:
    """Return which operation wrote the place last, counted from 1; 0 when it stood there from the beginning."""
    trail = trail_of(state, pointer)
    for number in range(len(operations), 0, -1):
        op, where, value = operations[number - 1]
        try:
            touch = trail.back(op, where, value)
        except UnclearError as unclear:
            home = "".join(f"/{part}" for part in trail.parts[: unclear.depth])
            touch = trail.settle(where, unclear, len(resolve(states[number - 1], home)))
        if touch is not None:
            assert touch is not Touch.GONE
            return number
    return 0


@settings(max_examples=400)
@given(st.lists(operations_of, max_size=14))
def test_the_last_writer_of_every_place_is_found(tried: list[Any]) -> None:
    state: Any = {"l": [0, {"l": [1]}, 2], "m": {"l": [[], 3]}}
    model, here, operations, states = Mark(state, 0), freeze(state), [], []
    for operation in tried:
        before, after = freeze(thaw(here)), freeze(thaw(here))
        try:
            apply_delta(after, [operation])
        except UpdateError:
            continue
        here = after
        states.append(before)
        operations.append(operation)
        mark(model, len(operations), *operation)
    for pointer, who in places(model):
        assert writer_of(here, states, operations, pointer) == who, pointer
