"""Clocks, reminders and escalation of a request: what is due when, from a policy as data (pure).

Two clocks run from the opening: until somebody reacts (`first_response`), and until it is decided (`decision`). Both stand
while the request is paused. Everything that happens because time passes is a mark on the decision clock; what nobody
decides in the end expires, ends its run, or is put before the admins. Time never approves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from approvals.engine.calendars import (
    ALWAYS,
    Calendar,
    add_business_seconds,
    business_seconds_between,
    calendar_data,
    calendar_of,
)

MAX_SECONDS = 90 * 86400
MIN_SECONDS = 60
MAX_LEVELS = 10
MAX_REPEATS = 20
GROUPS = ("deciders", "holder", "admins", "initiator")
LEVEL_STRIDE = 100


class PolicyError(ValueError):
    """A policy that cannot be; the sentence says why."""


class End(StrEnum):
    """What becomes of a request that nobody decides: never a yes."""

    EXPIRE = "expire"
    CANCEL_RUN = "cancel_run"
    PAGE_ADMINS = "page_admins"


class Kind(StrEnum):
    """What a timer does when it is due."""

    REMIND = "remind"
    FIRST_RESPONSE = "first_response"
    DECISION = "decision"
    LEVEL = "level"
    END = "end"


@dataclass(frozen=True, slots=True)
class Level:
    """After so many seconds of the decision clock the `targets` are told, and `repeats` times again.

    Targets are GROUPS, or `user:<name>`.
    """

    after_seconds: int
    targets: tuple[str, ...]
    repeats: int = 0
    every_seconds: int = 0


@dataclass(frozen=True, slots=True)
class SlaPolicy:
    """`reminders` are per cent of the decision clock. `end_seconds`: when `end` comes; None for never."""

    name: str
    first_response_seconds: int | None = None
    decision_seconds: int | None = None
    reminders: tuple[int, ...] = ()
    levels: tuple[Level, ...] = ()
    end_seconds: int | None = None
    end: End = End.EXPIRE
    calendar: Calendar = field(default=ALWAYS)


@dataclass(frozen=True, slots=True)
class ClockState:
    """The seconds that counted until `since`; `since` is None while it stands."""

    elapsed_seconds: float
    since: datetime | None


@dataclass(frozen=True, slots=True)
class Mark:
    """A timer: its kind, its number among its kind, and the seconds of the decision clock at which it is due."""

    kind: Kind
    n: int
    at_seconds: float


def marks_of(policy: SlaPolicy) -> list[Mark]:
    """Return all that the policy makes happen, in order."""
    marks = []
    if policy.first_response_seconds is not None:
        marks.append(Mark(Kind.FIRST_RESPONSE, 0, policy.first_response_seconds))
    if policy.decision_seconds is not None:
        goal = policy.decision_seconds
        marks += [Mark(Kind.REMIND, percent, goal * percent / 100) for percent in policy.reminders]
        marks.append(Mark(Kind.DECISION, 0, goal))
    for number, level in enumerate(policy.levels):
        for again in range(level.repeats + 1):
            at = level.after_seconds + again * level.every_seconds
            marks.append(Mark(Kind.LEVEL, number * LEVEL_STRIDE + again, at))
    if policy.end_seconds is not None:
        marks.append(Mark(Kind.END, 0, policy.end_seconds))
    return sorted(marks, key=lambda mark: (mark.at_seconds, list(Kind).index(mark.kind), mark.n))


def due_at(policy: SlaPolicy, clock: ClockState, mark: Mark) -> datetime | None:
    """Return when the mark is reached; None while the clock stands."""
    if clock.since is None:
        return None
    return add_business_seconds(policy.calendar, clock.since, mark.at_seconds - clock.elapsed_seconds)


def paused(policy: SlaPolicy, clock: ClockState, at: datetime) -> ClockState:
    """Return the clock, standing from `at` on."""
    return ClockState(elapsed_at(policy, clock, at), None)


def resumed(clock: ClockState, at: datetime) -> ClockState:
    """Return the clock, going on from `at`; one that goes is as it was."""
    return ClockState(clock.elapsed_seconds, at) if clock.since is None else clock


def elapsed_at(policy: SlaPolicy, clock: ClockState, at: datetime) -> float:
    """Return the seconds that have counted by `at`."""
    if clock.since is None:
        return clock.elapsed_seconds
    return clock.elapsed_seconds + business_seconds_between(policy.calendar, clock.since, at)


def policy_of(data: Mapping[str, Any]) -> SlaPolicy:
    """Return the policy in a snapshot or a form, its calendar included.

    Raises: PolicyError, CalendarError
    """
    decision = _seconds(data, "decision_seconds")
    policy = SlaPolicy(
        name=str(data.get("name", ""))[:100],
        first_response_seconds=_seconds(data, "first_response_seconds"),
        decision_seconds=decision,
        reminders=_reminders(data.get("reminders", ()), decision),
        levels=_levels(data.get("levels", ())),
        end_seconds=_seconds(data, "end_seconds"),
        end=_end(data.get("end", End.EXPIRE)),
        calendar=calendar_of(data["calendar"]) if data.get("calendar") else ALWAYS,
    )
    _check_order(policy)
    return policy


def policy_data(policy: SlaPolicy) -> dict[str, Any]:
    """Return the policy as plain JSON; see policy_of."""
    return {
        "name": policy.name, "first_response_seconds": policy.first_response_seconds,
        "decision_seconds": policy.decision_seconds, "reminders": list(policy.reminders),
        "levels": [
            {"after_seconds": it.after_seconds, "targets": list(it.targets), "repeats": it.repeats,
             "every_seconds": it.every_seconds} for it in policy.levels
        ],
        "end_seconds": policy.end_seconds, "end": policy.end.value, "calendar": calendar_data(policy.calendar),
    }  # fmt: skip


def _check_order(policy: SlaPolicy) -> None:
    if policy.end_seconds is None:
        return
    for name, seconds in (
        ("first response", policy.first_response_seconds),
        ("decision", policy.decision_seconds),
    ):
        if seconds is not None and seconds > policy.end_seconds:
            raise PolicyError(f"the end comes before the {name} is due")
    for mark in marks_of(policy):
        if mark.at_seconds > policy.end_seconds:
            raise PolicyError("a level or one of its repetitions comes after the end")


def _seconds(data: Mapping[str, Any], name: str, *, least: int = MIN_SECONDS) -> int | None:
    value = data.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= MAX_SECONDS:
        raise PolicyError(f"{name} must be a whole number from {least} to {MAX_SECONDS:,}")
    return value


def _reminders(given: Any, decision: int | None) -> tuple[int, ...]:
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise PolicyError("reminders are a list of per cents, such as [50, 75, 90]")
    if any(isinstance(one, bool) or not isinstance(one, int) or not 1 <= one <= 99 for one in given):
        raise PolicyError("a reminder is a whole number from 1 to 99, per cent of the time to decide")
    if given and decision is None:
        raise PolicyError("reminders need a time to decide")
    return tuple(sorted(set(given)))


def _levels(given: Any) -> tuple[Level, ...]:
    if not isinstance(given, Sequence) or isinstance(given, str) or len(given) > MAX_LEVELS:
        raise PolicyError(f"levels are a list of at most {MAX_LEVELS}")
    return tuple(_level(one) for one in given)


def _level(given: Any) -> Level:
    if not isinstance(given, Mapping):
        raise PolicyError("a level is an object with after_seconds and targets")
    targets = given.get("targets")
    if not isinstance(targets, Sequence) or isinstance(targets, str) or not 1 <= len(targets) <= 20:
        raise PolicyError("a level has 1 to 20 targets")
    for target in targets:
        if target not in GROUPS and not (str(target).startswith("user:") and len(str(target)) > len("user:")):
            raise PolicyError(
                f"{str(target)[:40]!r} is no target; there are {', '.join(GROUPS)} and user:<name>"
            )
    repeats = given.get("repeats", 0)
    if isinstance(repeats, bool) or not isinstance(repeats, int) or not 0 <= repeats <= MAX_REPEATS:
        raise PolicyError(f"repeats is a whole number from 0 to {MAX_REPEATS}")
    every = _seconds(given, "every_seconds", least=0) or 0
    if repeats and every < MIN_SECONDS:
        raise PolicyError(f"a level that repeats needs every_seconds of at least {MIN_SECONDS}")
    after = _seconds(given, "after_seconds", least=0)
    if after is None:
        raise PolicyError("a level needs after_seconds")
    return Level(after, tuple(str(target) for target in targets), repeats, every)


def _end(given: Any) -> End:
    try:
        return End(given)
    except ValueError:
        raise PolicyError(f"the end is one of {', '.join(End)}; nothing approves by itself") from None
