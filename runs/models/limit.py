from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from agentops.accounts.models import Team
from agentops.common.ids import new_id
from runs.engine.limits import LimitScope
from runs.models.agent import Agent


class Limit(models.Model):
    """How many runs of an agent, a queue or a concurrency key may be executed at once; counted within the team.

    `name` is the agent's slug (`agent` is then set), the queue, or the key; a key that ends in `*` stands for each key
    that begins so, every one counted by itself. The slots are the running runs themselves: there is no second row that
    could stay taken (ADR 15). Whoever claims under the limit locks this row first. `is_declared`: the agent's code says
    it, and nobody has changed it since. `version` counts edits.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="+", db_index=False)
    scope = models.CharField(max_length=10)
    name = models.CharField(max_length=100, db_collation="C")
    agent = models.ForeignKey(
        Agent, on_delete=models.CASCADE, null=True, related_name="limits", db_index=False
    )
    max_running = models.IntegerField()
    is_declared = models.BooleanField(db_default=False)
    version = models.IntegerField(default=1)
    created_by = models.CharField(max_length=200)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_by = models.CharField(max_length=200)
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["team", "scope", "name"], name="limit_once"),
            models.CheckConstraint(
                condition=Q(scope__in=[scope.value for scope in LimitScope]), name="limit_scope_known"
            ),
            models.CheckConstraint(condition=Q(max_running__gte=1), name="limit_allows_one"),
            models.CheckConstraint(
                condition=Q(scope="agent", agent__isnull=False) | ~Q(scope="agent") & Q(agent__isnull=True),
                name="limit_agent_set",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.scope} {self.name}: {self.max_running}"
