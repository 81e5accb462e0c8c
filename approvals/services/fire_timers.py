"""The clock's job for requests: do what is due because time has passed, each thing once.

Timers are rows. Those of a request fire in a transaction that holds the request, so a timer and a decision never pass each
other, and of two clocks one fires it. What is due for a request that is closed is noted as stale and does nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from agentops.accounts.models import Membership
from agentops.accounts.roles import Role
from agentops.audit.services.record import record_many_of_product
from agentops.common.transactions import transaction, transaction_required
from agentops.common.types import JsonValue
from agentops.notify.services.notify import Message, notify_many
from agentops.notify.topics import Topic
from approvals.engine.sla import LEVEL_STRIDE, Kind
from approvals.engine.stages import NOBODY, stages_of
from approvals.models import Request, Sla
from approvals.selectors.people import seats_of
from approvals.services.end_request import end_request
from runs.journal.fence import query
from runs.selectors.schedules import database_now

BATCH = 500
CLOCK = "the clock"

_NEEDED = (
    "team_id", "run_id", "kind", "agent", "action", "summary", "stages", "stage", "initiator_id", "assignee_ids", "claimed_by_id",
)  # fmt: skip

_DUE = """
SELECT r.id FROM approvals_slatimer t JOIN approvals_request r ON r.id = t.request_id
WHERE t.fired_at IS NULL AND t.due_at <= %(now)s::timestamptz AND t.kind <> 'end'
ORDER BY t.due_at LIMIT %(limit)s FOR NO KEY UPDATE OF r SKIP LOCKED
"""
_ENDS = """
SELECT request_id FROM approvals_slatimer WHERE fired_at IS NULL AND due_at <= %(now)s::timestamptz AND kind = 'end'
ORDER BY due_at LIMIT %(limit)s
"""
_FIRE = """
UPDATE approvals_slatimer t SET fired_at = clock_timestamp(),
    outcome = CASE WHEN r.status <> 'pending' THEN 'stale'
        WHEN t.kind = 'first_response' AND r.first_response_at IS NOT NULL THEN 'met' ELSE 'fired' END
FROM approvals_request r
WHERE r.id = t.request_id AND t.request_id = ANY(%(ids)s) AND t.fired_at IS NULL AND t.due_at <= %(now)s::timestamptz AND t.kind <> 'end'
RETURNING t.request_id, t.kind, t.n, t.outcome, t.due_at
"""


def fire_timers(now: datetime | None = None) -> int:
    """Fire what is due; returns how many timers did. Any number of clocks may do it at once.

    `now` is the instant that due times are compared with: the database's, unless told otherwise.
    """
    instant = now or database_now()
    n_fired = 0
    while n := _fire_batch(instant):
        n_fired += n
    return n_fired + sum(end_request(request_id, instant) for request_id in _due(_ENDS, instant))


def _due(sql: str, now: datetime) -> list[UUID]:
    return list(dict.fromkeys(row[0] for row in query(sql, {"now": now.isoformat(), "limit": BATCH})))


def _fire_batch(now: datetime) -> int:
    """Fire some of what is due but for ends, leaving out requests that somebody holds; returns how many timers did."""
    with transaction():
        ids = _due(_DUE, now)
        requests = {one.pk: one for one in Request.objects.only(*_NEEDED).filter(pk__in=ids)}
        fired = query(_FIRE, {"ids": ids, "now": now.isoformat()}) if ids else []
        effects = _Effects(requests)
        for request_id, kind, n, outcome, _ in sorted(fired, key=lambda row: (row[4], row[0])):
            if outcome == "fired":
                effects.add(requests[request_id], Kind(kind), n)
        effects.write()
    return len(fired)


@dataclass
class _Effects:
    """What firing comes to: notices, entries of the audit, and marks on the clocks; written together."""

    requests: dict[UUID, Request]
    told: dict[UUID, list[tuple[Message, set[int]]]] = field(default_factory=dict)
    entries: list[tuple[UUID, str, str, JsonValue]] = field(default_factory=list)
    late: dict[str, list[UUID]] = field(default_factory=dict)
    levels: dict[int, list[UUID]] = field(default_factory=dict)
    _slas: dict[UUID, Sla] = field(default_factory=dict)
    _people: dict[Any, set[int]] = field(default_factory=dict)

    def add(self, request: Request, kind: Kind, n: int) -> None:
        title, action, targets, is_urgent = self._what(request, kind, n)
        key = f"sla:{request.pk}:{kind.value}:{n}"
        message = Message(Topic.SLA, key, title, request.summary, f"/approvals/{request.pk}", is_urgent)
        self.told.setdefault(request.team_id, []).append((message, self._ids(request, targets)))
        subject, detail = f"approval:{request.pk}", {"kind": kind.value, "n": n, "run": str(request.run_id)}
        self.entries.append((request.team_id, action, subject, {**detail}))

    @transaction_required
    def write(self) -> None:
        for team_id, messages in self.told.items():
            notify_many(team_id=team_id, messages=messages)
        record_many_of_product(by=CLOCK, done=self.entries)
        for name, ids in self.late.items():
            Sla.objects.filter(request_id__in=ids).update(**{name: True})
        for level, ids in self.levels.items():
            Request.objects.filter(pk__in=ids, escalation_level__lt=level).update(escalation_level=level)

    def _what(self, request: Request, kind: Kind, n: int) -> tuple[str, str, Iterable[str], bool]:
        """Return title, action of the audit, targets, and whether it is urgent."""
        what = f"{request.agent}: {request.summary if request.kind == 'ask' else request.action}"
        if kind is Kind.REMIND:
            return (
                f"{n} % of the time to decide is over · {what}",
                "approval.remind",
                ("holder", "deciders"),
                False,
            )
        if kind is Kind.FIRST_RESPONSE:
            self.late.setdefault("response_late", []).append(request.pk)
            return f"Nobody has reacted in time · {what}", "approval.response_late", ("deciders",), False
        if kind is Kind.DECISION:
            self.late.setdefault("decision_late", []).append(request.pk)
            return f"Not decided in time · {what}", "approval.decision_late", ("holder", "deciders"), True
        number, again = divmod(n, LEVEL_STRIDE)
        self.levels.setdefault(number + 1, []).append(request.pk)
        level = self._sla(request).policy["levels"][number]
        once_more = f", told again ({again})" if again else ""
        return (
            f"Escalated to level {number + 1}{once_more} · {what}",
            "approval.escalate",
            level["targets"],
            True,
        )

    def _sla(self, request: Request) -> Sla:
        if not self._slas:
            self._slas = {
                one.request_id: one for one in Sla.objects.filter(request_id__in=list(self.requests))
            }
        return self._slas[request.pk]

    def _ids(self, request: Request, targets: Iterable[str]) -> set[int]:
        found: set[int] = set()
        for target in targets:
            found |= self._of(request, target)
        return found

    def _of(self, request: Request, target: str) -> set[int]:
        if target == "holder":
            return {request.claimed_by_id} if request.claimed_by_id else set(request.assignee_ids)
        if target == "initiator":
            return {request.initiator_id} if request.initiator_id else set()
        stage = stages_of(request.stages)[request.stage] if target == "deciders" else None
        key = (request.team_id, target, stage, request.kind)
        if key not in self._people:
            members = Membership.objects.filter(team_id=request.team_id, user__is_active=True)
            found = seats_of(request.team_id, stage, kind=request.kind) if stage else _named(members, target)
            self._people[key] = set(found) - {NOBODY}
        return self._people[key]


def _named(members: QuerySet[Membership], target: str) -> set[int]:
    if target == "admins":
        return set(members.filter(role=Role.ADMIN).values_list("user_id", flat=True))
    return set(members.filter(user__username=target.removeprefix("user:")).values_list("user_id", flat=True))
