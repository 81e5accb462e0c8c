from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from agentops.accounts.models import Team
from agentops.common.ids import new_id
from runs.models.run import Run


class Callback(models.Model):
    """The message that one end of a run is told by, to the run's `callback_url`; its id is the `webhook-id`.

    `body` is what is sent, made once, so that every attempt says the same. `state`: `due` at `due_at`; `sending` by
    somebody whose lease ends at `due_at`; `delivered`; `given_up`. `attempts` counts those begun, and fences: only
    the sender of the newest one may settle. `attempts_before` are those from before somebody sent it again.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    run = models.ForeignKey(
        Run, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+"
    )
    team_id = models.UUIDField()
    url = models.CharField(max_length=2000)
    host = models.CharField(max_length=300)
    run_status = models.CharField(max_length=20)
    ended_at = models.DateTimeField()
    body = models.BinaryField()
    state = models.CharField(max_length=10, default="due")
    attempts = models.IntegerField(default=0)
    attempts_before = models.IntegerField(default=0)
    due_at = models.DateTimeField(db_default=Now())
    created_at = models.DateTimeField(db_default=Now())
    settled_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["run", "ended_at"], name="callback_once_an_end"),
            models.CheckConstraint(
                condition=Q(state__in=["due", "sending", "delivered", "given_up"]),
                name="callback_state_known",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["due_at"], name="callback_due", condition=Q(state__in=["due", "sending"])),
        ]

    def __str__(self) -> str:
        return f"{self.run_id} {self.run_status} to {self.host}"


class CallbackAttempt(models.Model):
    """One request of a callback: written before it is sent; without an end, its sender died or is at it."""

    pk = models.CompositePrimaryKey("callback_id", "number")
    callback = models.ForeignKey(
        Callback, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="log"
    )
    number = models.IntegerField()
    team_id = models.UUIDField()
    started_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)
    http_status = models.SmallIntegerField(null=True)
    elapsed_ms = models.IntegerField(null=True)
    error_code = models.CharField(max_length=100, blank=True, db_default="")
    message = models.CharField(max_length=500, blank=True, db_default="")
    answer = models.TextField(blank=True, db_default="")

    def __str__(self) -> str:
        return f"attempt {self.number} of {self.callback_id}"


class CallbackSecret(models.Model):
    """What a team's signing secret is derived from, together with the installation's key.

    The one without `expires_at` is current; those before it sign along until they expire.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="+")
    salt = models.BinaryField(max_length=32)
    created_by = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["team"], name="callback_secret_current_once", condition=Q(expires_at__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"signing secret of {self.team_id}"
