from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from agentops.accounts.models import User
from agentops.common.ids import new_id
from approvals.models.request import Request


class Decision(models.Model):
    """What one person decided about a request, at one stage. Rows are added, never changed but to void them.

    `digest_seen` and `version_seen` say what they decided about; a later edit voids it (`void_reason`). `on_behalf_of`:
    whom they stood in for.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    request = models.ForeignKey(Request, on_delete=models.CASCADE, related_name="decisions", db_index=False)
    stage = models.SmallIntegerField(default=0)
    type = models.CharField(max_length=10)
    user = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+", db_index=False)
    on_behalf_of = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", db_index=False
    )
    actor = models.CharField(max_length=200)
    channel = models.CharField(max_length=10, db_default="web")
    args = models.JSONField(null=True)
    answer = models.JSONField(null=True)
    message = models.TextField(blank=True)
    digest_seen = models.CharField(max_length=64)
    version_seen = models.IntegerField()
    void_reason = models.CharField(max_length=200, blank=True, db_default="", default="")
    decided_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["request", "stage", "user"], name="decision_once", condition=Q(void_reason="")
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["request", "decided_at"], name="decision_order")]

    def __str__(self) -> str:
        return f"{self.actor}: {self.type}"


class Comment(models.Model):
    """What somebody said about a request."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    request = models.ForeignKey(Request, on_delete=models.CASCADE, related_name="comments", db_index=False)
    user = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+", db_index=False)
    actor = models.CharField(max_length=200)
    text = models.TextField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes: ClassVar = [models.Index(fields=["request", "created_at"], name="comment_order")]

    def __str__(self) -> str:
        return f"{self.actor}: {self.text[:60]}"
