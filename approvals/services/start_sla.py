"""Start, pause and resume the clocks of a request."""

import logging
from datetime import datetime
from uuid import UUID

from agentops.accounts.roles import Actor, Scope
from agentops.audit.services.record import record
from agentops.common.errors import ConflictError, NotFoundError
from agentops.common.transactions import transaction_required
from approvals.engine.calendars import CalendarError
from approvals.engine.sla import (
    ClockState,
    End,
    Kind,
    PolicyError,
    due_at,
    marks_of,
    paused,
    policy_data,
    policy_of,
    resumed,
)
from approvals.models import Request, Sla, SlaTimer
from approvals.selectors.sla import policy_for_request
from approvals.services.locked import check_open, locked_request
from runs.selectors.schedules import database_now

logger = logging.getLogger(__name__)


@transaction_required
def start_sla(request: Request) -> Sla | None:
    """Start the clocks of a request that has just been opened, by the policy that fits now; None where none does.

    The policy is kept as it is; the request's own due times are set by it. A policy that cannot be read never holds up a
    request: it goes without. Does nothing for a request that has clocks.
    """
    try:
        policy = policy_for_request(request)
        if policy is None:
            return None
        since = Request.objects.values_list("opened_at", flat=True).get(pk=request.pk)
        clock = ClockState(0.0, since)
        timers = [
            SlaTimer(request=request, kind=mark.kind.value, n=mark.n, at_seconds=mark.at_seconds, due_at=due_at(policy, clock, mark))
            for mark in marks_of(policy)
        ]  # fmt: skip
    except (PolicyError, CalendarError):
        logger.exception("request %s goes without clocks", request.pk)
        return None
    sla = Sla(
        request=request, team_id=request.team_id, queue=request.queue.slug if request.queue else "",
        policy=policy_data(policy), since=since, opened_at=since,
    )  # fmt: skip
    Sla.objects.bulk_create([sla], ignore_conflicts=True)
    SlaTimer.objects.bulk_create(timers, ignore_conflicts=True)
    _show_due(request.pk, sla)
    return sla


def pause_sla(*, actor: Actor, request_id: UUID, reason: str) -> Sla:
    """Return the clocks, which stand from now on; nothing is due until they go on. Standing ones stay as they are.

    Raises: NotAllowedError; NotFoundError where there are none; ConflictError for a closed request.
    Locks: the run row, then the request row. Transaction: opens one.
    """
    return _set(actor, request_id, reason, is_paused=True)


def resume_sla(*, actor: Actor, request_id: UUID) -> Sla:
    """Return the clocks, which go on from now (see pause_sla)."""
    return _set(actor, request_id, "", is_paused=False)


def _set(actor: Actor, request_id: UUID, reason: str, *, is_paused: bool) -> Sla:
    actor.require(Scope.REVIEW)
    with locked_request(actor, request_id) as request:
        check_open(request)
        sla = Sla.objects.select_for_update().filter(request_id=request_id).first()
        if sla is None:
            raise NotFoundError("this request goes by no escalation policy")
        if (sla.since is None) == is_paused:
            return sla
        if len(reason) > 1000:
            raise ConflictError("a reason has at most 1,000 characters")
        _move(sla, database_now(), is_paused=is_paused)
        sla.pause_reason, sla.paused_by = (reason, actor.name[:200]) if is_paused else ("", "")
        sla.save(update_fields=["elapsed_seconds", "since", "pause_reason", "paused_by"])
        verb = "pause" if is_paused else "resume"
        record(
            actor=actor,
            action=f"approval.{verb}_clock",
            subject=f"approval:{request_id}",
            detail={"reason": reason},
        )
    return sla


def _move(sla: Sla, now: datetime, *, is_paused: bool) -> None:
    """Let the clocks stand or go, and the timers that have not fired with them."""
    policy = policy_of(sla.policy)
    clock = ClockState(sla.elapsed_seconds, sla.since)
    clock = paused(policy, clock, now) if is_paused else resumed(clock, now)
    sla.elapsed_seconds, sla.since = clock.elapsed_seconds, clock.since
    due = {(mark.kind.value, mark.n): due_at(policy, clock, mark) for mark in marks_of(policy)}
    for timer in SlaTimer.objects.filter(request_id=sla.request_id, fired_at__isnull=True):
        SlaTimer.objects.filter(pk=timer.pk, fired_at__isnull=True).update(due_at=due[timer.kind, timer.n])
    _show_due(sla.request_id, sla)


def _show_due(request_id: UUID, sla: Sla) -> None:
    """Set the due times that lists sort by and pages show."""
    timers = {
        timer.kind: timer.due_at
        for timer in SlaTimer.objects.filter(request_id=request_id).exclude(kind=Kind.LEVEL)
    }
    found = Request.objects.filter(pk=request_id)
    columns = {}
    if Kind.FIRST_RESPONSE in timers:
        columns["first_response_due_at"] = timers[Kind.FIRST_RESPONSE]
    if Kind.DECISION in timers:
        columns["decision_due_at"] = timers[Kind.DECISION]
    if Kind.END in timers and sla.policy["end"] != End.PAGE_ADMINS:
        columns["expires_at"] = timers[Kind.END]
    if columns:
        found.update(**columns)
