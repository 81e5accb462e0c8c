from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from agentops.accounts.models import Team
from agentops.common.ids import new_id
from runs.engine.sources import SourceKind
from runs.models.agent import Agent, AgentVersion
from runs.models.run import Run


class Source(models.Model):
    """A place that events come from: a webhook that others call, or something that a worker looks at now and then.

    `slug` is unique over all teams, for it stands in the address of a webhook. `secret` is sealed. `position` says how far a
    source was read, and is committed after the events were. `taken_until` is the lease of the process that reads it.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="+", db_index=False)
    slug = models.CharField(max_length=60, unique=True)
    kind = models.CharField(max_length=12)
    settings = models.JSONField(default=dict)
    secret = models.BinaryField(null=True)
    is_paused = models.BooleanField(default=False)
    position = models.JSONField(null=True)
    look_at = models.DateTimeField(null=True)
    taken_until = models.DateTimeField(null=True)
    taken_by = models.UUIDField(null=True)
    last_event_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=500, blank=True, db_default="")
    last_error_at = models.DateTimeField(null=True)
    n_events = models.BigIntegerField(db_default=0)
    n_refused = models.BigIntegerField(db_default=0)
    version = models.IntegerField(default=1)
    created_by = models.CharField(max_length=200)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(kind__in=[kind.value for kind in SourceKind]), name="source_kind_known"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["team", "-id"], name="source_list"),
            models.Index(
                fields=["look_at"], name="source_due", condition=Q(is_paused=False, look_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.slug} ({self.kind})"


class Trigger(models.Model):
    """Events that start runs of an agent, each event once.

    `input_template` makes the input of the event; null takes its payload as it is. An event starts a run when it has the name,
    the key if one is given, and a payload that contains `match`. `defined_by` is the agent whose definition says so (ADR 0027).
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="+", db_index=False)
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="triggers")
    agent_version = models.ForeignKey(
        AgentVersion, on_delete=models.CASCADE, null=True, related_name="+", db_index=False
    )
    event_name = models.CharField(max_length=200)
    key = models.CharField(max_length=200, blank=True)
    match = models.JSONField(null=True)
    input_template = models.JSONField(null=True)
    priority = models.SmallIntegerField(default=0)
    is_paused = models.BooleanField(default=False)
    defined_by = models.ForeignKey(Agent, on_delete=models.CASCADE, null=True, related_name="+")
    version = models.IntegerField(default=1)
    created_by = models.CharField(max_length=200)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        indexes: ClassVar = [
            models.Index(
                fields=["team", "event_name"], name="trigger_of_event", condition=Q(is_paused=False)
            ),
            models.Index(fields=["team", "-id"], name="trigger_list"),
        ]

    def __str__(self) -> str:
        return f"{self.event_name} starts {self.agent_id}"


class TriggerStart(models.Model):
    """What came of one event at one trigger: the run that it started, or why none."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    trigger = models.ForeignKey(Trigger, on_delete=models.CASCADE, related_name="starts", db_index=False)
    event_id = models.UUIDField()
    run = models.ForeignKey(
        Run, on_delete=models.SET_NULL, null=True, related_name="+", db_constraint=False, db_index=False
    )
    problem = models.CharField(max_length=500, blank=True)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["trigger", "event_id"], name="trigger_starts_once"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["trigger", "-id"], name="trigger_start_list"),
            models.Index(fields=["run"], name="trigger_start_of_run", condition=models.Q(run__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.trigger_id} at {self.event_id}"
