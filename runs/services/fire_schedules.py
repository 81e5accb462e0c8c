"""The clock's job for schedules: write down the times that have come, then settle each."""

import logging
from datetime import datetime
from uuid import UUID

from django.db.models.functions import Now

from agentops.common.transactions import transaction, transaction_required
from runs.engine.schedules import FireStatus, Missed, MissedSpan, plan
from runs.journal.fence import query
from runs.models import Schedule, ScheduleFire
from runs.selectors.schedules import database_now
from runs.services.settle_fire import settle_next
from runs.timetable import CronError, ZoneError, timetable

GRACE_SECONDS = 60.0
MAX_CATCH_UP = 100
BATCH = 50
MAX_SETTLED = 50

_WORDS = {
    Missed.SKIP: "no clock ran; missed times are skipped",
    Missed.ONCE: "no clock ran; the last time is made up for, and no other",
    Missed.ALL: f"no clock ran; the last {MAX_CATCH_UP} times are made up for, and no others",
}
# A queued time may start once no run of its schedule is open; looked at here, so that those that wait cost no lock.
_READY = """
SELECT schedule_id FROM runs_schedulefire f WHERE status = 'due'
UNION
SELECT f.schedule_id FROM runs_schedulefire f JOIN runs_schedule s ON s.id = f.schedule_id AND NOT s.is_paused
WHERE f.status = 'queued' AND NOT EXISTS (
    SELECT 1 FROM runs_schedulefire o JOIN runs_run r ON r.id = o.run_id
    WHERE o.schedule_id = f.schedule_id AND o.status = 'started' AND NOT o.is_over AND r.ended_at IS NULL)
LIMIT %(limit)s
"""

logger = logging.getLogger(__name__)


def fire_schedules() -> int:
    """Write down every time that has come, and settle what there is to settle; returns how many were settled.

    Any number of clocks may run it. A time becomes a row in the transaction that moves `next_at`, under the
    schedule's lock, and there can be one row a time. Starting its run is a second transaction: whoever dies between
    them leaves a row that is due, which the next look settles.
    """
    while plan_due() == BATCH:
        pass
    n_settled = 0
    for (schedule_id,) in query(_READY, {"limit": MAX_SETTLED}):
        n_settled += _settled(schedule_id, MAX_SETTLED - n_settled)
    return n_settled


def plan_due() -> int:
    """Write down the times of schedules that are due, a batch of them; returns of how many.

    Locks: the schedules, leaving out those that another clock is at. Transaction: opens one.
    """
    with transaction():
        found = Schedule.objects.select_for_update(skip_locked=True).filter(
            is_paused=False, next_at__lte=Now()
        )
        due = list(found.defer("input").order_by("next_at")[:BATCH])
        now = database_now() if due else None
        for schedule in due:
            assert now
            _plan(schedule, now)
    return len(due)


def _settled(schedule_id: UUID, limit: int) -> int:
    n_settled = 0
    while n_settled < limit and settle_next(schedule_id):
        n_settled += 1
    return n_settled


@transaction_required
def _plan(schedule: Schedule, now: datetime) -> None:
    assert schedule.next_at, "an active schedule has a next time"
    rule = Missed(schedule.missed)
    try:
        found = plan(
            timetable(schedule.cron, schedule.time_zone).after, due_at=schedule.next_at, now=now, rule=rule,
            grace_seconds=GRACE_SECONDS, max_catch_up=MAX_CATCH_UP,
        )  # fmt: skip
    except (
        CronError,
        ZoneError,
    ) as error:  # the zones of this machine are older than those it was checked by
        _stop(schedule, str(error))
        return
    rows = [_row(schedule, at) for at in found.fires]
    if found.missed:
        rows.append(_missed_row(schedule, found.missed, _WORDS[rule]))
    ScheduleFire.objects.bulk_create(rows, ignore_conflicts=True)
    Schedule.objects.filter(pk=schedule.pk).update(next_at=found.next_at, is_paused=found.next_at is None)


def _row(schedule: Schedule, at: datetime) -> ScheduleFire:
    return ScheduleFire(schedule=schedule, team_id=schedule.team_id, fire_at=at)


def _missed_row(schedule: Schedule, missed: MissedSpan, reason: str) -> ScheduleFire:
    row = _row(schedule, missed.last_at)
    row.status, row.n_times, row.first_at = FireStatus.MISSED, missed.n_times, missed.first_at
    row.reason = f"at least so many; {reason}" if missed.is_more else reason
    row.settled_at = Now()
    return row


def _stop(schedule: Schedule, reason: str) -> None:
    logger.error("schedule %s is paused: %s", schedule.pk, reason)
    row = _row(schedule, schedule.next_at or database_now())
    row.status, row.reason = FireStatus.FAILED, f"{reason}. The schedule is paused"[:1000]
    ScheduleFire.objects.bulk_create([row], ignore_conflicts=True)
    Schedule.objects.filter(pk=schedule.pk).update(is_paused=True, next_at=None)
