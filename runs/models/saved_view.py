from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from agentops.accounts.models import Team
from agentops.common.ids import new_id


class SavedView(models.Model):
    """A named query over the runs, with columns; `is_shared` shows it to the whole team, `is_default` opens the list for its owner."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="+", db_index=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=60)
    query = models.CharField(max_length=2048, blank=True)
    columns = ArrayField(models.CharField(max_length=40), default=list)
    is_shared = models.BooleanField(default=False)
    is_default = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["team", "owner", "name"], name="saved_view_name_once"),
            models.UniqueConstraint(
                fields=["team", "owner"], name="saved_view_one_default", condition=Q(is_default=True)
            ),
        ]

    def __str__(self) -> str:
        return self.name
