from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from agentops.accounts.models import Team, User
from agentops.common.ids import new_id


class Queue(models.Model):
    """A desk of one team: who decides there, and what comes there.

    A request comes to the first queue by `position` whose `agents` and `actions` (glob patterns; an empty list is all)
    fit and that takes its kind, unless a rule names one. `claim_seconds`: how long a claim holds.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="+", db_index=False)
    slug = models.SlugField(max_length=60)
    name = models.CharField(max_length=100)
    position = models.IntegerField(default=100)
    agents = models.JSONField(default=list)
    actions = models.JSONField(default=list)
    kinds = models.JSONField(default=list)
    claim_seconds = models.IntegerField(default=900)
    version = models.IntegerField(default=1)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["team", "slug"], name="queue_slug_once")]

    def __str__(self) -> str:
        return self.name


class QueueMember(models.Model):
    """A person who decides what comes to a queue."""

    queue = models.ForeignKey(Queue, on_delete=models.CASCADE, related_name="members")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["queue", "user"], name="queue_member_once")]

    def __str__(self) -> str:
        return f"{self.user} in {self.queue}"


class Absence(models.Model):
    """A person is away; somebody decides in their place meanwhile."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="+", db_index=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    delegate = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+", db_index=False)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["team", "ends_at"], name="absence_now")]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(ends_at__gt=models.F("starts_at")), name="absence_has_time"
            ),
            models.CheckConstraint(condition=~models.Q(user=models.F("delegate")), name="absence_of_other"),
        ]

    def __str__(self) -> str:
        return f"{self.user} is away until {self.ends_at}; {self.delegate} decides"
