from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from agentops.accounts.models import Team
from agentops.common.ids import new_id
from memory.engine.kinds import SpaceKind, WritePolicy


class Space(models.Model):
    """A named part of a team's memory. Items of it live `default_ttl_seconds` unless they say otherwise.

    `half_life_days`: after so long an item of a kind that fades counts for half; null means never. `max_items`: beyond it
    the least of those that are not pinned is forgotten; null means no bound. `version` counts edits of the settings.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="+", db_index=False)
    slug = models.CharField(max_length=60, db_collation="C")
    title = models.CharField(max_length=200)
    kind = models.CharField(max_length=12)
    write_policy = models.CharField(max_length=8, default=WritePolicy.OPEN)
    default_ttl_seconds = models.IntegerField(null=True)
    half_life_days = models.FloatField(null=True)
    max_items = models.IntegerField(null=True)
    version = models.IntegerField(default=1)
    created_by = models.CharField(max_length=200)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["team", "slug"], name="memory_space_once"),
            models.CheckConstraint(
                condition=Q(kind__in=[kind.value for kind in SpaceKind]), name="memory_kind_known"
            ),
            models.CheckConstraint(
                condition=Q(write_policy__in=[policy.value for policy in WritePolicy]),
                name="memory_policy_known",
            ),
        ]

    def __str__(self) -> str:
        return self.slug
