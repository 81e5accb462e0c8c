"""Schedules in words: rows of the list, the times that come next, and what came of those that have been."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from uuid import UUID

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from runs.engine.schedules import FireStatus, Missed, Overlap
from runs.engine.states import RunStatus
from runs.models import Schedule, ScheduleFire
from runs.presenters import text, times
from runs.presenters.status import RUN, Chip
from runs.timetable import Timetable, timetable

_RUN_ID = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
ACTIVE = Chip(gettext_lazy("Active"), "good", "wait")
PAUSED = Chip(gettext_lazy("Paused"), "need", "pause")
FIRES: dict[str, Chip] = {
    FireStatus.DUE: Chip(gettext_lazy("Due"), "idle", "queue"),
    FireStatus.QUEUED: Chip(gettext_lazy("Queued"), "wait", "queue"),
    FireStatus.STARTED: Chip(gettext_lazy("Started"), "good", "play"),
    FireStatus.SKIPPED: Chip(gettext_lazy("Skipped"), "idle", "stop"),
    FireStatus.MISSED: Chip(gettext_lazy("Missed"), "need", "warning"),
    FireStatus.REPLACED: Chip(gettext_lazy("Replaced"), "idle", "retry"),
    FireStatus.FAILED: Chip(gettext_lazy("Not started"), "bad", "cross"),
}


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that a person may choose: its word, what it is called, and what it does."""

    value: str
    label: str | Promise
    meaning: str | Promise


MISSED = (
    Rule(Missed.ONCE, gettext_lazy("Once"), gettext_lazy("one run makes up for all of them")),
    Rule(Missed.ALL, gettext_lazy("Each"), gettext_lazy("one run for each, of the last 100")),
    Rule(Missed.SKIP, gettext_lazy("Skip"), gettext_lazy("the next time is the next one")),
)
OVERLAP = (
    Rule(Overlap.SKIP, gettext_lazy("Skip"), gettext_lazy("that time starts nothing")),
    Rule(Overlap.QUEUE, gettext_lazy("Queue"), gettext_lazy("one after the other; at most 100 wait")),
    Rule(Overlap.REPLACE, gettext_lazy("Replace"), gettext_lazy("the open run is cancelled, then the new one starts")),
    Rule(Overlap.ALLOW, gettext_lazy("Allow"), gettext_lazy("both run")),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class TimeWords:
    """A time: in the schedule's zone, in the viewer's (empty when it is the same), and how far away."""

    at: datetime
    there: str
    here: str
    away: str
    is_shifted: bool


@dataclass(frozen=True, slots=True)
class ScheduleRow:
    schedule: Schedule
    chip: Chip
    words: str
    last: Chip | None
    last_at: datetime | None
    trouble: str


@dataclass(frozen=True, slots=True)
class FireRow:
    """One line of the history.

    `run_chip` tells how its run is now; `told` names the run `named` at its end, and goes on in `told_after`.
    """

    fire: ScheduleFire
    chip: Chip
    run_chip: Chip | None
    run_title: str
    title: str
    told: str
    named: UUID | None
    told_after: str


def schedule_row(schedule: Schedule) -> ScheduleRow:
    """Return a row of the list; `schedule` bears what schedules_for annotates."""
    told = schedule.__dict__
    is_well = told["last_status"] in (None, FireStatus.STARTED)
    return ScheduleRow(
        schedule=schedule,
        chip=chip_of(schedule),
        words=timetable(schedule.cron, schedule.time_zone).explain(),
        last=FIRES[told["last_status"]] if told["last_status"] else None,
        last_at=told["last_at"],
        trouble="" if is_well else text.line(told["last_reason"] or "", 200),
    )


def chip_of(schedule: Schedule) -> Chip:
    return PAUSED if schedule.is_paused else ACTIVE


def rule_of(rules: Sequence[Rule], value: str) -> Rule:
    return next(rule for rule in rules if rule.value == value)


def time_words(table: Timetable, found: Sequence[datetime], now: datetime) -> list[TimeWords]:
    """Return the times for a table; `is_shifted` marks those before which the clocks there have changed."""
    zones = [at.astimezone(table.zone) for at in found]
    offsets = [now.astimezone(table.zone).utcoffset(), *(at.utcoffset() for at in zones)]
    return [
        TimeWords(at, _wall(at.astimezone(table.zone)), _here(at, table), _away(at, now), before != behind)
        for at, (before, behind) in zip(found, pairwise(offsets), strict=True)
    ]


def fire_row(fire: ScheduleFire) -> FireRow:
    """Return a line of the history; `fire` bears what fires_for annotates."""
    status, told = fire.__dict__["run_status"], _told(fire)
    parts = _RUN_ID.split(told, maxsplit=1)
    return FireRow(
        fire=fire,
        chip=FIRES[fire.status],
        run_chip=RUN[RunStatus(status)] if status else None,
        run_title=text.line(fire.__dict__["run_title"] or "", 80),
        title=told,
        told=parts[0],
        named=UUID(parts[1]) if len(parts) > 1 else None,
        told_after="".join(parts[2:]),
    )


def outcome_words(fire: ScheduleFire) -> str:
    """Return what to tell somebody who has just fired a schedule."""
    reason = text.line(fire.reason, 300)
    return f"{FIRES[fire.status].label}: {reason}" if reason else str(FIRES[fire.status].label)


def _told(fire: ScheduleFire) -> str:
    told = [text.line(fire.reason, 400)]
    if fire.fired_by:
        told.insert(0, _("fired by %(who)s") % {"who": text.line(fire.fired_by, 80)})
    if fire.status == FireStatus.MISSED and fire.n_times > 1 and fire.first_at:
        since = date_format(timezone.localtime(fire.first_at), "M j, H:i")
        told.insert(0, _("%(n)s times since %(at)s") % {"n": f"{fire.n_times:,}", "at": since})
    return "; ".join(part for part in told if part)


def _wall(local: datetime) -> str:
    return f"{date_format(local, 'D j M Y, H:i')} {local.tzname()}"


def _here(at: datetime, table: Timetable) -> str:
    """Return the time in the viewer's zone, where the wall clock there shows another."""
    local = timezone.localtime(at)
    return "" if local.utcoffset() == at.astimezone(table.zone).utcoffset() else _wall(local)


def _away(at: datetime, now: datetime) -> str:
    return _("in %(time)s") % {"time": times.age(max(0.0, (at - now).total_seconds()))}
