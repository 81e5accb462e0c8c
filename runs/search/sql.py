"""Conditions of PostgreSQL with their parameters, and what they say about the way to walk the runs."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Hints:
    """What every run that meets a condition has in common, as far as an index can use it.

    `rare` are conditions that an index answers by itself, in no order.
    """

    statuses: frozenset[str] | None = None
    agents: frozenset[str] | None = None
    since: datetime | None = None
    until: datetime | None = None
    rare: "tuple[Condition, ...]" = ()

    def __and__(self, other: "Hints") -> "Hints":
        return Hints(
            _both(self.statuses, other.statuses),
            _both(self.agents, other.agents),
            max(filter(None, (self.since, other.since)), default=None),
            min(filter(None, (self.until, other.until)), default=None),
            self.rare + other.rare,
        )


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on the run `r`.

    `is_exact`: the hints say all of it, so that an index alone answers it.
    `is_costly`: it looks at other rows than the run's own. `is_alone`: an index answers it, but not as one of several.
    """

    text: str = "true"
    params: tuple[Any, ...] = ()
    hints: Hints = field(default=Hints(), compare=False)
    is_exact: bool = field(default=False, compare=False)
    is_costly: bool = field(default=False, compare=False)
    is_alone: bool = field(default=False, compare=False)

    def negated(self) -> "Condition":
        return Condition(
            f"NOT coalesce(({self.text}), false)", self.params, is_costly=self.is_costly or self.is_alone
        )

    def as_rare(self) -> "Condition":
        """Return the condition, known to be answered by an index of its own."""
        return replace(self, hints=replace(self.hints, rare=(Condition(self.text, self.params),)))


def all_of(parts: list[Condition]) -> Condition:
    """Return one condition for all of the parts."""
    hints = Hints()
    for part in parts:
        hints &= part.hints
    text = " AND ".join(f"({part.text})" for part in parts) or "true"
    is_exact = all(part.is_exact for part in parts)
    return Condition(text, _params(parts), hints, is_exact, any(part.is_costly for part in parts))


def any_of(parts: list[Condition]) -> Condition:
    """Return one condition for any of the parts; an index answers it when one answers each part."""
    if len(parts) == 1:
        return parts[0]
    found = Condition(
        " OR ".join(f"({part.text})" for part in parts) or "false",
        _params(parts),
        is_costly=any(part.is_costly for part in parts),
    )
    return (
        found.as_rare() if parts and all(part.hints.rare and not part.is_alone for part in parts) else found
    )


def _params(parts: list[Condition]) -> tuple[Any, ...]:
    return tuple(param for part in parts for param in part.params)


def _both(ours: frozenset[str] | None, theirs: frozenset[str] | None) -> frozenset[str] | None:
    if ours is None or theirs is None:
        return theirs if ours is None else ours
    return ours & theirs
