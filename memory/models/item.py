from typing import ClassVar

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector, SearchVectorField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from agentops.accounts.models import Team
from agentops.common.ids import new_id
from memory.engine.kinds import ItemStatus, Trust
from memory.models.space import Space


class Item(models.Model):
    """One thing that is remembered, as it is now; its revisions tell what it was.

    Nobody sees it in a search whose `expires_at` has passed, from that instant, or whose status is not `active`.
    `version` counts revisions; 0 for the moment before the first. `label` is the tags as words, for the search.
    `run_id`, `seq`: the step that wrote the current revision; null when a person did.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="+", db_index=False)
    space = models.ForeignKey(Space, on_delete=models.CASCADE, related_name="items", db_index=False)
    key = models.CharField(max_length=200, db_collation="C")
    text = models.TextField(default="")
    data = models.JSONField(null=True)
    tags = models.JSONField(default=list)
    label = models.TextField(default="")
    importance = models.FloatField(default=0.5)
    trust = models.CharField(max_length=10)
    status = models.CharField(max_length=12, default=ItemStatus.ACTIVE)
    is_pinned = models.BooleanField(default=False)
    expires_at = models.DateTimeField(null=True)
    superseded_by = models.ForeignKey(
        "self", null=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    version = models.IntegerField(default=0)
    run_id = models.UUIDField(null=True)
    seq = models.IntegerField(null=True)
    written_by = models.CharField(max_length=200)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now())
    words = models.GeneratedField(
        expression=SearchVector("text", config="english", weight="B")
        + SearchVector("key", "label", config="simple", weight="A"),
        output_field=SearchVectorField(),
        db_persist=True,
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["space", "key"], name="memory_key_once"),
            models.CheckConstraint(
                condition=Q(status__in=[status.value for status in ItemStatus]), name="memory_status_known"
            ),
            models.CheckConstraint(
                condition=Q(trust__in=[trust.value for trust in Trust]), name="memory_trust_known"
            ),
            models.CheckConstraint(
                condition=Q(importance__gte=0.0, importance__lte=1.0), name="memory_importance_bound"
            ),
        ]
        indexes: ClassVar = [
            GinIndex(fields=["words"], name="memory_words", condition=Q(status="active")),
            models.Index(fields=["team", "-updated_at", "-id"], name="memory_list"),
            models.Index(fields=["space", "-updated_at", "-id"], name="memory_list_space"),
            models.Index(
                fields=["space", "importance", "updated_at"],
                name="memory_least",
                condition=Q(status="active", is_pinned=False),
            ),
            models.Index(fields=["run_id"], name="memory_of_run", condition=Q(run_id__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.key
