"""Following one place of a state back through the operations that made it (pure).

Going back over an operation, the place may have had another index: items were appended behind it or removed before
it. What an operation does to it is told without the states in between, but for one case, see UnclearError.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from runs.engine.updates import resolve, split


class Touch(StrEnum):
    """What an operation did to a place: put it there, put something new there, changed what is in it, or took it away."""

    MADE = "made"
    PUT = "put"
    INSIDE = "inside"
    GONE = "gone"


class UnclearError(Exception):
    """A `set` of a list's last index: only the length of the list before it tells whether it appended.

    `depth` is how many parts of the place lead to that list.
    """

    def __init__(self, depth: int) -> None:
        super().__init__(f"the list at depth {depth} may have grown")
        self.depth = depth


@dataclass(slots=True)
class Trail:
    """A place on its way back: its parts, and how long the lists on the way to it are (by depth)."""

    parts: list[str]
    lengths: dict[int, int] = field(default_factory=dict)

    @property
    def pointer(self) -> str:
        return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in self.parts)

    def copy(self) -> "Trail":
        return Trail([*self.parts], {**self.lengths})

    def back(self, op: str, pointer: str, value: Any) -> Touch | None:
        """Go back over one operation and return what it did to the place; None when it did nothing.

        After MADE and GONE the place was not there, and the trail ends.

        Raises: UnclearError; the trail is then as it was.
        """
        where = split(pointer)
        if op == "remove":
            return self._back_over_remove(where)
        n_shared = _n_shared(where, self.parts)
        if n_shared == len(where) < len(self.parts):
            return self._back_over_parent(op, where, value)
        if n_shared == len(self.parts):
            return self._back_over_set() if op == "set" and len(where) == n_shared else Touch.INSIDE
        if op == "set" and n_shared == len(where) - 1 and n_shared in self.lengths:
            return self._back_over_item(n_shared, where[-1])
        return None

    def settle(self, pointer: str, unclear: UnclearError, length: int) -> Touch | None:
        """Go back over the unclear `set` of `pointer`, now that it is known how long the list was before it."""
        self.lengths[unclear.depth] = length
        if int(self.parts[unclear.depth]) >= length:
            return Touch.MADE
        return Touch.PUT if split(pointer) == self.parts else None

    def _back_over_parent(self, op: str, where: Sequence[str], value: Any) -> Touch | None:
        """Go back over an operation on a container that the place is in."""
        depth = len(where)
        if op == "set":
            return Touch.MADE
        if op == "merge":
            is_here = self.parts[depth] in value
            return (Touch.PUT if depth == len(self.parts) - 1 else Touch.MADE) if is_here else None
        first = self.lengths[depth] - len(value)
        if int(self.parts[depth]) >= first:
            return Touch.MADE
        self.lengths[depth] = first
        return None

    def _back_over_set(self) -> Touch:
        """Go back over a `set` of the place itself."""
        depth = len(self.parts) - 1
        if depth in self.lengths and int(self.parts[depth]) == self.lengths[depth] - 1:
            raise UnclearError(depth)
        return Touch.PUT

    def _back_over_item(self, depth: int, last: str) -> Touch | None:
        """Go back over a `set` of another item of a list on the way, or one behind its end."""
        end = self.lengths[depth] - 1
        if last != "-":
            if int(last) == end:
                raise UnclearError(depth)
            return None
        if int(self.parts[depth]) == end:
            return Touch.MADE
        self.lengths[depth] = end
        return None

    def _back_over_remove(self, where: Sequence[str]) -> Touch | None:
        depth = len(where) - 1
        if [*where[:depth]] == self.parts[:depth] and depth in self.lengths and depth < len(self.parts):
            index = int(self.parts[depth])
            self.parts[depth] = str(index + (index >= int(where[depth])))
            self.lengths[depth] += 1
            return None
        n_shared = _n_shared(where, self.parts)
        if n_shared == len(self.parts) < len(where):
            return Touch.INSIDE
        return Touch.GONE if n_shared == len(where) else None


def trail_of(state: Any, pointer: str) -> Trail:
    """Return the trail that begins at a place of this state.

    Raises: KeyError when nothing stands there.
    """
    resolve(state, pointer)
    trail = Trail(split(pointer))
    here = state
    for depth, part in enumerate(trail.parts):
        if isinstance(here, list):
            trail.lengths[depth] = len(here)
        here = here[int(part)] if isinstance(here, list) else here[part]
    return trail


def _n_shared(left: Sequence[str], right: Sequence[str]) -> int:
    pairs = enumerate(zip(left, right, strict=False))
    return next((n for n, (one, other) in pairs if one != other), min(len(left), len(right)))
