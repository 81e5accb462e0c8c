from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from agentops.accounts.models import Team
from agentops.common.ids import new_id
from runs.models.run import Run


class Event(models.Model):
    """Something that happened outside: data with a name, never an instruction (DESIGN 7).

    `delivery_id` is the sender's own number of it, taken once per team and source. `matched_at` is null until every run that
    waited for it was told, so that a clock can go on where the publisher broke off.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="+", db_index=False)
    name = models.CharField(max_length=200)
    key = models.CharField(max_length=200, blank=True, db_default="")
    payload = models.JSONField()
    source = models.CharField(max_length=100, db_default="api")
    delivery_id = models.CharField(max_length=200, blank=True, db_default="")
    digest = models.BinaryField(max_length=32)
    received_at = models.DateTimeField(db_default=Now())
    matched_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["team", "source", "delivery_id"],
                name="event_delivered_once",
                condition=~Q(delivery_id=""),
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["team", "name", "received_at"], name="event_named"),
            models.Index(fields=["team", "-received_at", "-id"], name="event_list"),
            models.Index(fields=["received_at"], name="event_to_match", condition=Q(matched_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.id})"


class Signal(models.Model):
    """A message to one run. It waits for the run to ask for it, in the order of arrival, and is taken once.

    It is taken when a wait refers to it (`Wait.ref_id`).
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    run = models.ForeignKey(
        Run, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+"
    )
    team_id = models.UUIDField()
    name = models.CharField(max_length=200)
    payload = models.JSONField()
    sender = models.CharField(max_length=200, blank=True)
    delivery_id = models.CharField(max_length=200, blank=True, db_default="")
    digest = models.BinaryField(max_length=32)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["run", "delivery_id"], name="signal_delivered_once", condition=~Q(delivery_id="")
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["run", "name", "created_at", "id"], name="signal_order")]

    def __str__(self) -> str:
        return f"{self.name} to {self.run_id}"


class Wait(models.Model):
    """One thing that an open step waits for: an event, a signal, a child's end or a person's answer.

    A step may wait for several (`n`), for the first or for all of them. `closed_as` says what ended the wait: `event`,
    `signal`, `child`, `person`, `timeout`, `cancelled` or `dropped`; `ref_id` names the row that did. `settled_at` is when the run
    took note of it: the wait of a step that has its outcome is history. `looked_at` is null until the run looked for
    what came before the wait stood. Source: PROTOCOL 16; ADR 0008.
    """

    pk = models.CompositePrimaryKey("run_id", "seq", "n")
    run = models.ForeignKey(
        Run, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+"
    )
    seq = models.BigIntegerField()
    n = models.SmallIntegerField(default=0)
    team_id = models.UUIDField()
    kind = models.CharField(max_length=10)
    is_all = models.BooleanField(db_default=False)
    name = models.CharField(max_length=200, blank=True)
    key = models.CharField(max_length=200, blank=True)
    match = models.JSONField(null=True)
    child_id = models.UUIDField(null=True)
    details = models.JSONField(null=True)
    created_at = models.DateTimeField(db_default=Now())
    since_at = models.DateTimeField(db_default=Now())
    timeout_at = models.DateTimeField()
    looked_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    closed_as = models.CharField(max_length=10, blank=True, db_default="")
    closed_by = models.CharField(max_length=200, blank=True, db_default="")
    ref_id = models.UUIDField(null=True)
    reply = models.JSONField(null=True)
    settled_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["run", "ref_id"], name="wait_takes_a_signal_once", condition=Q(closed_as="signal")
            ),
            models.CheckConstraint(
                condition=Q(closed_at__isnull=True, closed_as="")
                | (Q(closed_at__isnull=False) & ~Q(closed_as="")),
                name="wait_closed_says_how",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["team_id", "name", "key"],
                name="wait_for_event",
                condition=Q(kind="event", closed_at__isnull=True),
            ),
            models.Index(
                fields=["child_id"], name="wait_for_child", condition=Q(kind="child", closed_at__isnull=True)
            ),
            models.Index(
                fields=["team_id", "since_at"],
                name="wait_for_person",
                condition=Q(kind="person", closed_at__isnull=True),
            ),
            models.Index(fields=["run", "seq"], name="wait_unsettled", condition=Q(settled_at__isnull=True)),
            models.Index(
                fields=["closed_at"],
                name="wait_to_wake",
                condition=Q(closed_at__isnull=False, settled_at__isnull=True),
            ),
            models.Index(fields=["created_at"], name="wait_to_look", condition=Q(looked_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"{self.run_id} step {self.seq} waits for {self.kind} {self.name}"
