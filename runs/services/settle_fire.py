"""Settle the times of a schedule that have come: start a run, or say why not, by the overlap rule."""

import logging
from typing import Any
from uuid import UUID

from django.db import DataError
from django.db.models.functions import Now

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import AgentOpsError, ConflictError, IdempotencyConflictError
from agentops.common.transactions import transaction, transaction_required
from runs.checkpoints.codec import decode
from runs.engine.schedules import FireStatus, Overlap
from runs.engine.states import OPEN
from runs.models import Run, Schedule, ScheduleFire
from runs.services.cancel_run import cancel_run
from runs.services.schedule_columns import input_at
from runs.services.start_run import start_run
from runs.timetable import parse_zone

MAX_QUEUED = 100
_UNSETTLED = (FireStatus.DUE, FireStatus.QUEUED)

logger = logging.getLogger(__name__)


def settle_next(schedule_id: UUID, *, is_patient: bool = False) -> bool:
    """Settle one time of the schedule: the oldest that is due, else the oldest that is queued, if it may start now.

    The lock on the schedule makes the look at its open runs and what follows from it one thing. A time whose run
    was started, and then the process died, finds that run again by its key.

    Args:
        schedule_id: whose.
        is_patient: wait while another process is at this schedule; otherwise leave it to that one.

    Returns: whether there was one to settle.
    Locks: the schedule, then runs that are cancelled. Transaction: opens one.
    """
    with transaction():
        schedule = _locked(schedule_id, is_patient=is_patient)
        if schedule is None:
            return False
        busy = _open_runs(schedule)
        fire = _oldest(schedule, FireStatus.DUE)
        if fire is not None:
            _settle(schedule, fire, busy)
            return True
        fire = None if busy or schedule.is_paused else _oldest(schedule, FireStatus.QUEUED)
        if fire is not None:
            _start(schedule, fire)
        return fire is not None


def _locked(schedule_id: UUID, *, is_patient: bool) -> Schedule | None:
    found = Schedule.objects.select_for_update(skip_locked=not is_patient, of=("self",))
    return found.select_related("agent", "agent_version").filter(pk=schedule_id).first()


def _open_runs(schedule: Schedule) -> list[Run]:
    """Return the schedule's runs that have not ended; those that have are not looked at again."""
    started = ScheduleFire.objects.filter(schedule=schedule, status=FireStatus.STARTED, is_over=False)
    is_open = {"run__status__in": OPEN}
    started.exclude(pk__in=started.filter(**is_open).values("pk")).update(is_over=True)
    return list(Run.objects.filter(id__in=started.values("run_id"), status__in=OPEN).order_by("id"))


def _oldest(schedule: Schedule, status: FireStatus) -> ScheduleFire | None:
    return ScheduleFire.objects.filter(schedule=schedule, status=status).order_by("fire_at").first()


@transaction_required
def _settle(schedule: Schedule, fire: ScheduleFire, busy: list[Run]) -> None:
    queued = ScheduleFire.objects.filter(schedule=schedule, status=FireStatus.QUEUED)
    match Overlap(schedule.overlap):
        case Overlap.SKIP if busy:
            _record(fire, FireStatus.SKIPPED, reason=_because(busy))
        case Overlap.QUEUE if busy or queued.exists():
            _queue(fire, queued.count(), busy)
        case Overlap.REPLACE:
            queued.update(
                status=FireStatus.REPLACED, reason="a later time came before its turn", settled_at=Now()
            )
            _replace(schedule, fire, busy)
        case _:
            _start(schedule, fire)


def _queue(fire: ScheduleFire, n_queued: int, busy: list[Run]) -> None:
    if n_queued >= MAX_QUEUED:
        _record(fire, FireStatus.SKIPPED, reason=f"{n_queued} times are queued before it already")
    else:
        _record(fire, FireStatus.QUEUED, reason=_because(busy))


def _replace(schedule: Schedule, fire: ScheduleFire, busy: list[Run]) -> None:
    """Start the run once those before it have ended, which a run that is executed now does at its next commit."""
    for run in busy:
        _cancel(schedule, run)
    left = [run for run in busy if Run.objects.filter(pk=run.pk, status__in=OPEN).exists()]
    if left:
        _record(
            fire, FireStatus.QUEUED, reason=f"run {left[0].pk} was cancelled for it and has not ended yet"
        )
    else:
        _start(schedule, fire, reason=f"run {busy[0].pk} was cancelled for it" if busy else "")


def _cancel(schedule: Schedule, run: Run) -> None:
    try:
        cancel_run(actor=actor_of(schedule), run_id=run.pk, reason="the next time of its schedule came")
    except ConflictError:
        logger.debug("run %s ended by itself", run.pk)


def _start(schedule: Schedule, fire: ScheduleFire, *, reason: str = "") -> None:
    try:
        with transaction():
            run_id = _started(schedule, fire)
    except AgentOpsError as error:
        _record(fire, FireStatus.FAILED, reason=error.detail)
    except DataError as error:
        _record(fire, FireStatus.FAILED, reason=f"a value cannot be stored: {error}")
    else:
        _record(fire, FireStatus.STARTED, reason=reason or fire.reason, run_id=run_id)


def _started(schedule: Schedule, fire: ScheduleFire) -> UUID:
    """Return the run of this time. Its key stands for the time, so that it is started once whatever happens."""
    given = decode(schedule.input_codec, schedule.input)
    zone = parse_zone(schedule.time_zone)
    try:
        run, _is_new = start_run(
            actor=actor_of(schedule),
            agent=schedule.agent.slug,
            input=input_at(given, schedule.fire_at_property, fire.fire_at, zone),
            version=schedule.agent_version.number if schedule.agent_version else None,
            idempotency_key=f"schedule:{schedule.pk}:{fire.fire_at.isoformat()}",
            priority=schedule.priority,
            tags=schedule.tags,
            title=schedule.title,
        )
    except IdempotencyConflictError as error:  # started before the schedule was changed, and not recorded
        return UUID(error.data["run_id"])
    return run.pk


def actor_of(schedule: Schedule) -> Actor:
    """Return on whose behalf a schedule starts runs: its team's, whatever has become of the person who made it."""
    name = f"schedule {schedule.title} of {schedule.created_by}"
    return Actor(schedule.team_id, None, name[:200], frozenset({Scope.READ, Scope.RUN}))


def _because(busy: list[Run]) -> str:
    if not busy:
        return "earlier times are queued"
    more = f" and {len(busy) - 1} more" if len(busy) > 1 else ""
    return f"run {busy[0].pk}{more} has not ended: it is {busy[0].status}"


def _record(fire: ScheduleFire, status: FireStatus, **columns: Any) -> None:
    columns["reason"] = columns["reason"][:1000]
    settled_at = None if status == FireStatus.QUEUED else Now()
    found = ScheduleFire.objects.filter(pk=fire.pk, status__in=_UNSETTLED)
    if not found.update(status=status, settled_at=settled_at, **columns):
        logger.warning("%s was settled by another process, in spite of the lock", fire)
