from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from agentops.common.ids import new_id
from memory.models.item import Item


class Revision(models.Model):
    """What an item was from `created_at` on: rows are only added. `write_key` is the idempotency key of an agent's call."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    item = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="revisions", db_index=False)
    version = models.IntegerField()
    text = models.TextField()
    data = models.JSONField(null=True)
    tags = models.JSONField(default=list)
    importance = models.FloatField()
    trust = models.CharField(max_length=10)
    status = models.CharField(max_length=12)
    is_pinned = models.BooleanField()
    expires_at = models.DateTimeField(null=True)
    author = models.CharField(max_length=200)
    run_id = models.UUIDField(null=True)
    seq = models.IntegerField(null=True)
    model = models.CharField(max_length=200, default="")
    reason = models.CharField(max_length=2000, default="")
    write_key = models.CharField(max_length=200, default="")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["item", "version"], name="memory_version_once"),
            models.UniqueConstraint(
                fields=["item", "write_key"], name="memory_write_once", condition=~Q(write_key="")
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["run_id", "id"], name="memory_written_by_run", condition=Q(run_id__isnull=False)
            )
        ]

    def __str__(self) -> str:
        return f"{self.item_id} v{self.version}"
