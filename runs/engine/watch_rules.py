"""What each detector looks for, and what is done about it: data that an agent may have of its own (pure).

A ladder is climbed while the run stays stuck: each rung when so many seconds have passed since it began.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from agentops.common.types import JsonObject

REMEDIES = ("notify", "nudge", "hand_off", "pause", "recall", "kill", "pause_agent")
MAX_RUNGS = 10
MAX_SECONDS = 365 * 86_400
DAY = 86_400


class WatchError(ValueError):
    """Rules that make no sense: `pointer` names the place."""

    def __init__(self, pointer: str, reason: str) -> None:
        super().__init__(f"{pointer or '/'}: {reason}")
        self.pointer, self.reason = pointer, reason


@dataclass(frozen=True, slots=True)
class Remedy:
    """One rung: what is done, and how many seconds after the run got stuck."""

    do: str
    after_seconds: float = 0.0

    def as_json(self) -> JsonObject:
        return {"do": self.do, "after_seconds": self.after_seconds}


@dataclass(frozen=True, slots=True)
class Rule:
    """When one detector speaks up (`limits`, by name), and what is done then."""

    limits: Mapping[str, float] = field(default_factory=dict)
    ladder: Sequence[Remedy] = ()
    is_on: bool = True


def _rule(*ladder: tuple[str, float], **limits: float) -> Rule:
    return Rule(limits, tuple(Remedy(do, after) for do, after in ladder))


DEFAULTS: dict[str, Rule] = {
    "looping": _rule(("notify", 0), ("nudge", 0), ("hand_off", 30), ("pause", 60), identical=5, cycles=3),
    "stuck": _rule(("notify", 0), ("nudge", 0), ("pause", 3600), failures=3, late_seconds=300),
    "stalled": _rule(("notify", 0), ("nudge", 0), ("hand_off", 600), ("pause", 1800), seconds=1800, steps=20),
    "zombie": _rule(("notify", 0), seconds=30),
    "orphan": _rule(("notify", 0), ("pause", DAY), seconds=60),
    "forgotten": _rule(("notify", 0), ("pause", 3 * DAY), days=14),
    "overdue": _rule(("notify", 0), seconds=60, times=3, runs=20),
    "burning": _rule(("notify", 0), ("pause", 900), times=3, runs=10, least_microusd=50_000),
    "no_worker": _rule(("notify", 300), seconds=60),
    "runaway": _rule(("notify", 0), ("pause_agent", 0), generations=8, starts=25),
}
REASONS = tuple(DEFAULTS)


def rules_from(given: Any) -> dict[str, Rule]:
    """Return the rules of an agent: `given` over the defaults, `{}` for these alone.

    Raises: WatchError naming the place.
    """
    members = _members("", given, REASONS)
    return {
        reason: _rule_from(f"/{reason}", members.get(reason, {}), rule) for reason, rule in DEFAULTS.items()
    }


def next_remedy(rule: Rule, n_taken: int, stuck_seconds: float) -> Remedy | None:
    """Return the next rung, if its time has come."""
    if n_taken >= len(rule.ladder):
        return None
    remedy = rule.ladder[n_taken]
    return remedy if stuck_seconds >= remedy.after_seconds else None


def _rule_from(at: str, given: Any, default: Rule) -> Rule:
    members = _members(at, given, ("is_on", "ladder", *default.limits))
    is_on = members.get("is_on", True)
    if not isinstance(is_on, bool):
        raise WatchError(f"{at}/is_on", "must be true or false")
    limits = {
        name: _number(f"{at}/{name}", members.get(name, value), 1) for name, value in default.limits.items()
    }
    ladder = _ladder(f"{at}/ladder", members["ladder"]) if "ladder" in members else default.ladder
    return Rule(limits, ladder, is_on)


def _ladder(at: str, given: Any) -> tuple[Remedy, ...]:
    if not isinstance(given, list) or len(given) > MAX_RUNGS:
        raise WatchError(at, f"must be a list of at most {MAX_RUNGS} remedies")
    found = tuple(_remedy(f"{at}/{n}", item) for n, item in enumerate(given))
    for n, (before, after) in enumerate(pairwise(found), 1):
        if after.after_seconds < before.after_seconds:
            raise WatchError(f"{at}/{n}/after_seconds", "is earlier than that of the remedy before it")
    return found


def _remedy(at: str, given: Any) -> Remedy:
    members = _members(at, given, ("do", "after_seconds"))
    if members.get("do") not in REMEDIES:
        raise WatchError(f"{at}/do", f"must be one of {', '.join(REMEDIES)}, not {members.get('do')!r}")
    return Remedy(str(members["do"]), _number(f"{at}/after_seconds", members.get("after_seconds", 0), 0))


def _members(at: str, given: Any, known: Sequence[str]) -> Mapping[str, Any]:
    if not isinstance(given, dict):
        raise WatchError(at, f"must be an object, not {type(given).__name__}")
    if unknown := sorted(set(given) - set(known)):
        raise WatchError(f"{at}/{unknown[0]}", f"is not known here; there are {', '.join(known)}")
    return given


def _number(at: str, value: Any, least: float) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= MAX_SECONDS:
        raise WatchError(at, f"must be a number from {least:g} to {MAX_SECONDS:,}, not {value!r}")
    return value
