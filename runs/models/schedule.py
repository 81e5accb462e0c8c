from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from agentops.accounts.models import Team
from agentops.common.ids import new_id
from runs.engine.schedules import FireStatus, Missed, Overlap
from runs.models.agent import Agent, AgentVersion
from runs.models.run import Run


class Schedule(models.Model):
    """Runs that are to be started at the times of a cron expression.

    `next_at` is the fire that comes next, null while paused. `agent_version` null stands for the newest published one
    at each fire. `fire_at_property` names the property of the input that is to hold the fire's time. `version` counts
    edits; a form sends it back to say what it saw. `defined_by` is the agent whose definition says so (ADR 0027).
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="+", db_index=False)
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="schedules")
    agent_version = models.ForeignKey(
        AgentVersion, on_delete=models.CASCADE, null=True, related_name="+", db_index=False
    )
    title = models.CharField(max_length=200)
    cron = models.CharField(max_length=200)
    time_zone = models.CharField(max_length=64)
    input = models.BinaryField()
    input_codec = models.SmallIntegerField(default=0)
    fire_at_property = models.CharField(max_length=100, blank=True)
    priority = models.SmallIntegerField(default=0)
    tags = ArrayField(models.CharField(max_length=100), default=list)
    missed = models.CharField(max_length=10, default=Missed.ONCE.value)
    overlap = models.CharField(max_length=10, default=Overlap.SKIP.value)
    is_paused = models.BooleanField(default=False)
    defined_by = models.ForeignKey(Agent, on_delete=models.CASCADE, null=True, related_name="+")
    next_at = models.DateTimeField(null=True)
    version = models.IntegerField(default=1)
    idempotency_key = models.CharField(max_length=200, null=True)  # noqa: DJ001 -- NULL is no key, '' would be one
    request_hash = models.BinaryField(max_length=32, null=True)
    created_by = models.CharField(max_length=200)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_by = models.CharField(max_length=200)
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(missed__in=[rule.value for rule in Missed]), name="schedule_missed_known"
            ),
            models.CheckConstraint(
                condition=Q(overlap__in=[rule.value for rule in Overlap]), name="schedule_overlap_known"
            ),
            models.CheckConstraint(
                condition=Q(is_paused=True) | Q(next_at__isnull=False), name="schedule_active_has_next"
            ),
            models.UniqueConstraint(
                fields=["team", "idempotency_key"],
                name="schedule_idempotency_key_once",
                condition=Q(idempotency_key__isnull=False),
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["next_at"], name="schedule_due", condition=Q(is_paused=False)),
            models.Index(fields=["team", "-id"], name="schedule_list"),
        ]

    def __str__(self) -> str:
        return f"{self.title} ({self.cron} {self.time_zone})"


class ScheduleFire(models.Model):
    """What came of one time of a schedule; there is one row a time, however many clocks look.

    `fired_by` is the person who fired it by hand, empty for the clock. A `missed` row stands for `n_times` times, from
    `first_at` to `fire_at`. `is_over`: its run has ended, and holds up no other.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="fires", db_index=False)
    team_id = models.UUIDField()
    fire_at = models.DateTimeField()
    fired_by = models.CharField(max_length=200, blank=True)
    idempotency_key = models.CharField(max_length=200, null=True)  # noqa: DJ001 -- NULL is no key, '' would be one
    status = models.CharField(max_length=10, default=FireStatus.DUE.value)
    reason = models.CharField(max_length=1000, blank=True)
    run = models.ForeignKey(
        Run, on_delete=models.SET_NULL, null=True, related_name="+", db_constraint=False, db_index=False
    )
    is_over = models.BooleanField(default=False)
    n_times = models.IntegerField(default=1)
    first_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    settled_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["schedule", "fire_at"], name="schedule_fire_once"),
            models.UniqueConstraint(
                fields=["schedule", "idempotency_key"],
                name="schedule_fire_key_once",
                condition=Q(idempotency_key__isnull=False),
            ),
            models.CheckConstraint(
                condition=Q(status__in=[status.value for status in FireStatus]), name="schedule_fire_status"
            ),
            models.CheckConstraint(
                condition=~Q(status="missed") | Q(first_at__isnull=False), name="schedule_fire_missed_span"
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["schedule", "fire_at"],
                name="schedule_fire_open",
                condition=Q(status__in=["due", "queued"]),
            ),
            models.Index(
                fields=["schedule"], name="schedule_fire_busy", condition=Q(status="started", is_over=False)
            ),
            models.Index(fields=["run"], name="schedule_fire_of_run", condition=Q(run__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.schedule_id} at {self.fire_at}: {self.status}"
