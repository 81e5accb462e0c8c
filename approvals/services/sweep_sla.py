"""The clock's jobs beside the timers: clocks that were never started, those that are over, and an alarm when it is late."""

import logging
from datetime import datetime

from agentops.accounts.models import Membership
from agentops.accounts.roles import Role
from agentops.common.transactions import transaction
from agentops.notify.services.notify import Message, notify
from agentops.notify.topics import Topic
from approvals.engine.calendars import CalendarError
from approvals.engine.sla import ClockState, PolicyError, elapsed_at, policy_of
from approvals.models import Request, Sla
from approvals.selectors.sla import late_timers
from runs.journal.fence import query
from runs.selectors.schedules import database_now

BATCH = 500
_OVER = """
SELECT s.request_id FROM approvals_sla s JOIN approvals_request r ON r.id = s.request_id
WHERE s.settled_at IS NULL AND r.status <> 'pending' LIMIT %(limit)s
"""

logger = logging.getLogger(__name__)


def settle_slas() -> int:
    """Note of each request that is closed how long it took, in time that counts, and whether that was in time."""
    ids = [row[0] for row in query(_OVER, {"limit": BATCH})]
    for request_id in ids:
        with transaction():
            sla = (
                Sla.objects.select_for_update().filter(request_id=request_id, settled_at__isnull=True).first()
            )
            if sla is not None:
                _settle(sla, Request.objects.get(pk=request_id))
                sla.save()
    return len(ids)


def alarm_when_late(now: datetime | None = None) -> int:
    """Tell the admins of each team whose timers are late, once an hour; returns how many timers that are.

    A clock that stood still cannot say so itself: this is what it does first when it goes again, and what another does
    meanwhile. `/readyz` tells of one that stands.
    """
    at = now or database_now()
    counts = late_timers(now=at)
    for team_id, n in counts.items():
        logger.error("%s timers of team %s are late", n, team_id)
        admins = Membership.objects.filter(team_id=team_id, role=Role.ADMIN).values_list("user_id", flat=True)
        title = f"The clock is late: {n} reminders and escalations are overdue"
        message = Message(
            Topic.SLA, f"sla-late:{at:%Y-%m-%dT%H}", title, "", "/approvals/sla", is_urgent=True
        )
        with transaction():
            notify(team_id=team_id, message=message, user_ids=set(admins))
    return sum(counts.values())


def _settle(sla: Sla, request: Request) -> None:
    assert request.closed_at, "the condition says so"
    sla.settled_at = request.closed_at
    try:
        policy = policy_of(sla.policy)
    except (PolicyError, CalendarError):  # a time zone that this machine knows no more
        logger.exception("the clocks of request %s cannot be read", request.pk)
        return
    clock = ClockState(sla.elapsed_seconds, sla.since)
    sla.decision_seconds = elapsed_at(policy, clock, max(request.closed_at, sla.since or request.closed_at))
    if policy.decision_seconds is not None:
        sla.decision_late = bool(sla.decision_late) or sla.decision_seconds > policy.decision_seconds
    if request.first_response_at is not None:
        first = ClockState(0.0, sla.opened_at)
        sla.response_seconds = min(elapsed_at(policy, first, request.first_response_at), sla.decision_seconds)
    if policy.first_response_seconds is not None:
        took = sla.decision_seconds if sla.response_seconds is None else sla.response_seconds
        sla.response_late = bool(sla.response_late) or took > policy.first_response_seconds
    sla.since, sla.elapsed_seconds = None, sla.decision_seconds
