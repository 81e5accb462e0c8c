from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from agentops.accounts.models import Team
from agentops.common.ids import new_id
from approvals.models.request import Request


class BusinessCalendar(models.Model):
    """Which hours of a team count; `data` as approvals.engine.calendars reads it."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="+", db_index=False)
    name = models.CharField(max_length=100)
    data = models.JSONField()
    version = models.IntegerField(default=1)
    updated_by = models.CharField(max_length=200)
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["team", "name"], name="business_calendar_once")
        ]

    def __str__(self) -> str:
        return self.name


class EscalationPolicy(models.Model):
    """How long people have, and who is told meanwhile; `data` as approvals.engine.sla reads it, without the calendar.

    A request goes by the first that is on and fits it, by `position`: `queues` are slugs, `agents` and `actions` glob patterns, an
    empty list is all. It keeps what it opened with, whatever becomes of the policy.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="+", db_index=False)
    name = models.CharField(max_length=100)
    position = models.IntegerField(default=100)
    is_on = models.BooleanField(default=True)
    queues = ArrayField(models.CharField(max_length=60), default=list)
    agents = ArrayField(models.CharField(max_length=100), default=list)
    actions = ArrayField(models.CharField(max_length=200), default=list)
    calendar = models.ForeignKey(
        BusinessCalendar, on_delete=models.PROTECT, null=True, related_name="policies", db_index=False
    )
    data = models.JSONField()
    version = models.IntegerField(default=1)
    updated_by = models.CharField(max_length=200)
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["team", "name"], name="escalation_policy_once")
        ]

    def __str__(self) -> str:
        return self.name


class Sla(models.Model):
    """The clocks of a request, from its opening to its end.

    `policy` is the policy as it was then, its calendar included. `elapsed_seconds` counted until `since`, which is null while the
    clocks stand. `response_late` and `decision_late` are null until that is known; `response_seconds` and `decision_seconds` are
    what it took, in time that counts. `settled_at`: the request is closed, and nothing is due any more.
    """

    request = models.OneToOneField(Request, on_delete=models.CASCADE, primary_key=True, related_name="sla")
    team_id = models.UUIDField()
    queue = models.CharField(max_length=60, blank=True)
    policy = models.JSONField()
    elapsed_seconds = models.FloatField(default=0.0)
    since = models.DateTimeField(null=True)
    pause_reason = models.CharField(max_length=1000, blank=True)
    paused_by = models.CharField(max_length=200, blank=True)
    response_late = models.BooleanField(null=True)
    decision_late = models.BooleanField(null=True)
    response_seconds = models.FloatField(null=True)
    decision_seconds = models.FloatField(null=True)
    opened_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["team_id", "-settled_at"], name="sla_report"),
            models.Index(fields=["request"], name="sla_open", condition=Q(settled_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"clocks of {self.request_id}"


class SlaTimer(models.Model):
    """Something that happens to a request because time passes, once: `at_seconds` of its decision clock.

    `due_at` is null while the clock stands. `outcome`: what it came to when it fired; `stale` when the request was closed by
    then.
    """

    pk = models.CompositePrimaryKey("request_id", "kind", "n")
    request = models.ForeignKey(Request, on_delete=models.CASCADE, db_index=False, related_name="timers")
    kind = models.CharField(max_length=20)
    n = models.IntegerField()
    at_seconds = models.FloatField()
    due_at = models.DateTimeField(null=True)
    fired_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=20, blank=True, db_default="", default="")

    class Meta:
        indexes: ClassVar = [
            models.Index(
                fields=["due_at", "request"],
                name="sla_timer_due",
                condition=Q(fired_at__isnull=True, due_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.n} of {self.request_id}"
