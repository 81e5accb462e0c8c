"""Reading policies of escalation, calendars, and how the clocks of requests went."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from uuid import UUID

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import NotFoundError
from approvals.engine.sla import SlaPolicy, policy_of
from approvals.models import BusinessCalendar, EscalationPolicy, Request, Sla, SlaTimer
from runs.selectors.schedules import database_now

MAX_REPORTED = 50_000
LATE_SECONDS = 60.0


def policies_for(actor: Actor) -> list[EscalationPolicy]:
    """Return the team's policies in the order in which they are tried."""
    actor.require(Scope.READ)
    found = EscalationPolicy.objects.filter(team_id=actor.team_id).select_related("calendar")
    return list(found.order_by("position", "name"))


def escalation_for(actor: Actor, policy_id: UUID) -> EscalationPolicy:
    """Return one policy of the team. Raises: NotFoundError, NotAllowedError."""
    actor.require(Scope.READ)
    found = (
        EscalationPolicy.objects.filter(team_id=actor.team_id, pk=policy_id)
        .select_related("calendar")
        .first()
    )
    if found is None:
        raise NotFoundError(f"there is no escalation policy {policy_id}")
    return found


def calendars_for(actor: Actor) -> list[BusinessCalendar]:
    """Return the team's calendars by name."""
    actor.require(Scope.READ)
    return list(BusinessCalendar.objects.filter(team_id=actor.team_id).order_by("name"))


def calendar_for(actor: Actor, calendar_id: UUID) -> BusinessCalendar:
    """Return one calendar of the team. Raises: NotFoundError, NotAllowedError."""
    actor.require(Scope.READ)
    found = BusinessCalendar.objects.filter(team_id=actor.team_id, pk=calendar_id).first()
    if found is None:
        raise NotFoundError(f"there is no calendar {calendar_id}")
    return found


def policy_for_request(request: Request) -> SlaPolicy | None:
    """Return the policy that the request goes by when it opens; None where none fits."""
    found = EscalationPolicy.objects.filter(team_id=request.team_id, is_on=True).select_related("calendar")
    slug = request.queue.slug if request.queue else ""
    for row in found.order_by("position", "name"):
        if (
            (not row.queues or slug in row.queues)
            and _fits(row.agents, request.agent)
            and _fits(row.actions, request.action)
        ):
            return as_policy(row)
    return None


def as_policy(row: EscalationPolicy) -> SlaPolicy:
    """Return the policy in a row, with its calendar."""
    calendar = row.calendar.data if row.calendar else None
    return policy_of({**row.data, "name": row.name, "calendar": calendar})


def sla_for(actor: Actor, request_id: UUID) -> tuple[Sla, list[SlaTimer]] | None:
    """Return the clocks of a request and all that happens by them, in order; None where it has none."""
    actor.require(Scope.READ)
    found = Sla.objects.filter(request_id=request_id, team_id=actor.team_id).first()
    if found is None:
        return None
    return found, list(SlaTimer.objects.filter(request_id=request_id).order_by("at_seconds", "kind", "n"))


@dataclass(slots=True)
class QueueReport:
    """How requests of a queue went: seconds are time that counts, in order."""

    queue: str
    n: int = 0
    response_met: int = 0
    response_late: int = 0
    decision_met: int = 0
    decision_late: int = 0
    response_seconds: list[float] = field(default_factory=list)
    decision_seconds: list[float] = field(default_factory=list)


def report_for(actor: Actor, *, days: int = 30) -> list[QueueReport]:
    """Return how the requests went that were settled in the last days, by queue; at most MAX_REPORTED of the newest."""
    actor.require(Scope.READ)
    since = database_now() - timedelta(days=days)
    rows = Sla.objects.filter(team_id=actor.team_id, settled_at__gte=since).order_by("-settled_at")
    found: dict[str, QueueReport] = {}
    for row in rows.only(*_REPORTED)[:MAX_REPORTED]:
        _count(found.setdefault(row.queue, QueueReport(row.queue)), row)
    for report in found.values():
        report.response_seconds.sort()
        report.decision_seconds.sort()
    return [found[name] for name in sorted(found)]


def late_timers(team_id: UUID | None = None, *, now: datetime | None = None) -> dict[UUID, int]:
    """Return how many timers of each team are due for more than LATE_SECONDS and have not fired."""
    before = (now or database_now()) - timedelta(seconds=LATE_SECONDS)
    found = SlaTimer.objects.filter(fired_at__isnull=True, due_at__lt=before, request__status="pending")
    if team_id:
        found = found.filter(request__team_id=team_id)
    counts: dict[UUID, int] = defaultdict(int)
    for of_team in found.values_list("request__team_id", flat=True)[:MAX_REPORTED]:
        counts[of_team] += 1
    return counts


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """Return the value that `share` of them do not exceed; None of nothing."""
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else None


_REPORTED = ("queue", "response_late", "decision_late", "response_seconds", "decision_seconds", "settled_at")


def _count(report: QueueReport, row: Sla) -> None:
    report.n += 1
    for name in ("response", "decision"):
        is_late, seconds = getattr(row, f"{name}_late"), getattr(row, f"{name}_seconds")
        if is_late is not None:
            key = f"{name}_late" if is_late else f"{name}_met"
            setattr(report, key, getattr(report, key) + 1)
        if seconds is not None:
            getattr(report, f"{name}_seconds").append(seconds)


def _fits(patterns: Sequence[str], name: str) -> bool:
    return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)
