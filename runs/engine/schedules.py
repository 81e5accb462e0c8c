"""What a schedule does when its time has come: which of the times that are due start a run, and which are missed.

Pure: the times of the schedule and the present instant are arguments. Instants are in UTC.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

MAX_COUNTED = 10_000

TimesAfter = Callable[[datetime], Iterator[datetime]]


class Missed(StrEnum):
    """What happens to times that passed while no clock ran."""

    SKIP = "skip"
    ONCE = "once"
    ALL = "all"


class Overlap(StrEnum):
    """What happens when a time comes while a run of the schedule is still open."""

    ALLOW = "allow"
    SKIP = "skip"
    QUEUE = "queue"
    REPLACE = "replace"


class FireStatus(StrEnum):
    """What came of a time. Due and queued ones are still to be settled."""

    DUE = "due"
    QUEUED = "queued"
    STARTED = "started"
    SKIPPED = "skipped"
    MISSED = "missed"
    REPLACED = "replaced"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class MissedSpan:
    """Times that start nothing: how many, the first and the last. With `is_more` there are `n_times` at least."""

    first_at: datetime
    last_at: datetime
    n_times: int
    is_more: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """The times that start a run, oldest first; what was missed; and the time that comes next, None for never."""

    fires: list[datetime]
    missed: MissedSpan | None
    next_at: datetime | None


def plan(
    times_after: TimesAfter,
    *,
    due_at: datetime,
    now: datetime,
    rule: Missed,
    grace_seconds: float,
    max_catch_up: int,
) -> Plan:
    """Return what is to be done about the times from `due_at` to `now`.

    A time that is at most `grace_seconds` old is on time. Older ones go by `rule`: none of them (skip), the newest of
    all that are due (once), or each, the newest `max_catch_up` of them (all).

    Args:
        times_after: the times of the schedule behind an instant, ascending.
        due_at: the first time that is due; it counts whatever `times_after` says.
        now: the present instant, not before `due_at`.
        rule: for the times that were missed.
        grace_seconds: how late a time may be.
        max_catch_up: how many missed times may be made up for.
    """
    due = _due(times_after, due_at, now, keep=max_catch_up + 1)
    fires = _chosen(due.newest, rule, now - timedelta(seconds=grace_seconds), max_catch_up)
    n_missed = due.n_times - len(fires)
    missed = None
    if n_missed:
        left_out = [at for at in due.newest if not fires or at < fires[0]]
        missed = MissedSpan(due_at, left_out[-1], n_missed, due.is_more)
    return Plan(fires, missed, next(times_after(now), None))


@dataclass(frozen=True, slots=True)
class _Due:
    newest: list[datetime]
    n_times: int
    is_more: bool


def _due(times_after: TimesAfter, due_at: datetime, now: datetime, *, keep: int) -> _Due:
    newest, n_times = deque([due_at], maxlen=keep), 1
    for at in times_after(due_at):
        if at > now:
            return _Due(list(newest), n_times, is_more=False)
        newest.append(at)
        n_times += 1
        if n_times == MAX_COUNTED:
            return _Due(_last(times_after, now, keep), n_times, is_more=True)
    return _Due(list(newest), n_times, is_more=False)


def _last(times_after: TimesAfter, now: datetime, keep: int) -> list[datetime]:
    """Return the last times up to `now`, looked for in windows that grow; there are more than `keep`."""
    window = timedelta(hours=1)
    while True:
        found = deque[datetime](maxlen=keep)
        for at in times_after(now - window):
            if at > now:
                break
            found.append(at)
        if len(found) == keep:
            return list(found)
        window *= 8


def _chosen(newest: list[datetime], rule: Missed, grace_at: datetime, max_catch_up: int) -> list[datetime]:
    match rule:
        case Missed.SKIP:
            return [at for at in newest if at >= grace_at][-max_catch_up:]
        case Missed.ONCE:
            return newest[-1:]
        case Missed.ALL:
            return newest[-max_catch_up:]
