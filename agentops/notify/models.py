"""Notices, whom they go to, and what came of it."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from agentops.accounts.models import Team, User
from agentops.common.ids import new_id
from agentops.notify.topics import Channel, Topic

STATES = ("due", "sending", "delivered", "given_up")


class Notice(models.Model):
    """Something that people are told of, once: `key` is its identity in the team. `path` leads to it in the console."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="+", db_index=False)
    topic = models.CharField(max_length=20)
    key = models.CharField(max_length=200)
    title = models.CharField(max_length=200)
    text = models.TextField(blank=True)
    path = models.CharField(max_length=300, blank=True)
    is_urgent = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["team", "key"], name="notice_once"),
            models.CheckConstraint(
                condition=Q(topic__in=[topic.value for topic in Topic]), name="notice_topic"
            ),
        ]

    def __str__(self) -> str:
        return self.title


class Endpoint(models.Model):
    """A place outside that a team's notices go to: a Slack-compatible webhook, or one that checks our signature.

    `url` is sealed: whoever knows the address of an incoming webhook may write there. `host` is its public part.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="+", db_index=False)
    name = models.CharField(max_length=100)
    kind = models.CharField(max_length=10)
    url = models.BinaryField()
    host = models.CharField(max_length=300)
    topics = ArrayField(models.CharField(max_length=20), default=list)
    is_on = models.BooleanField(default=True)
    created_by = models.CharField(max_length=200)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["team", "name"], name="endpoint_name_once"),
            models.CheckConstraint(condition=Q(kind__in=["slack", "webhook"]), name="endpoint_kind"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.kind})"


class Preference(models.Model):
    """What a person wants to be told of in a team: topic → channels; a topic that is missing has its default.

    `quiet_from_minute` and `quiet_until_minute` are minutes of the person's day in which no mail is sent.
    """

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="+")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    channels = models.JSONField(default=dict)
    quiet_from_minute = models.SmallIntegerField(default=0)
    quiet_until_minute = models.SmallIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["team", "user"], name="preference_once")]

    def __str__(self) -> str:
        return f"{self.user} in {self.team}"


class Delivery(models.Model):
    """A notice on its way over one channel to one person or endpoint. Its id is the message's, at every attempt.

    `state`: `due` at `due_at`; `sending` by somebody whose lease ends at `due_at`; `delivered`; `given_up`. `attempts`
    counts those begun and fences. `read_at`: the person has seen it in the bell.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="+", db_index=False)
    notice = models.ForeignKey(Notice, on_delete=models.CASCADE, related_name="deliveries", db_index=False)
    channel = models.CharField(max_length=10)
    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="+", db_index=False)
    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE, null=True, related_name="+")
    host = models.CharField(max_length=300)
    state = models.CharField(max_length=10, default="due")
    attempts = models.IntegerField(default=0)
    attempts_before = models.IntegerField(default=0)
    due_at = models.DateTimeField(db_default=Now())
    created_at = models.DateTimeField(db_default=Now())
    settled_at = models.DateTimeField(null=True)
    read_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["notice", "channel", "user", "endpoint"], name="delivery_once", nulls_distinct=False
            ),
            models.CheckConstraint(condition=Q(state__in=STATES), name="delivery_state"),
            models.CheckConstraint(
                condition=Q(channel__in=[channel.value for channel in Channel]), name="delivery_channel"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["due_at"], name="delivery_due", condition=Q(state__in=["due", "sending"])),
            models.Index(fields=["team", "-id"], name="delivery_log", condition=~Q(channel="app")),
            models.Index(fields=["team", "user", "-id"], name="delivery_bell", condition=Q(channel="app")),
            models.Index(
                fields=["team", "user"],
                name="delivery_unread",
                condition=Q(channel="app", read_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.notice_id} by {self.channel}: {self.state}"


class DeliveryAttempt(models.Model):
    """One try at a delivery: written before it is sent; without an end, its sender died or is at it."""

    pk = models.CompositePrimaryKey("delivery_id", "number")
    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, db_index=False, related_name="log")
    number = models.IntegerField()
    started_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)
    status = models.SmallIntegerField(null=True)
    error_code = models.CharField(max_length=100, blank=True, db_default="")
    message = models.CharField(max_length=500, blank=True, db_default="")

    def __str__(self) -> str:
        return f"attempt {self.number} of {self.delivery_id}"


class Mark(models.Model):
    """Up to when something was looked for; the next look begins a little before."""

    name = models.CharField(max_length=40, primary_key=True)
    looked_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} up to {self.looked_at}"
