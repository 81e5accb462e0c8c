from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from agentops.accounts.models import Team
from agentops.common.ids import new_id
from approvals.engine.words import MODES, VERDICTS
from runs.models import Agent


class Policy(models.Model):
    """How a team treats what its agents do: the mode of agents that have none of their own, and a counter of changes."""

    team = models.OneToOneField(Team, on_delete=models.CASCADE, primary_key=True, related_name="+")
    mode = models.CharField(max_length=10, default="suggest")
    version = models.BigIntegerField(default=1)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(mode__in=MODES), name="policy_mode_known")
        ]

    def __str__(self) -> str:
        return f"{self.mode} (version {self.version})"


class AgentMode(models.Model):
    """The mode of one agent, by its slug."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="+", db_index=False)
    agent = models.CharField(max_length=100)
    mode = models.CharField(max_length=10)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["team", "agent"], name="agent_mode_once"),
            models.CheckConstraint(condition=models.Q(mode__in=MODES), name="agent_mode_known"),
        ]

    def __str__(self) -> str:
        return f"{self.agent}: {self.mode}"


class Rule(models.Model):
    """What becomes of actions that fit `when`: allowed, asked about or denied; see approvals.engine.rules.

    `stages` say who is asked, one after the other. `preset` names the set that it came from; `defined_by` is the agent whose
    definition says so (ADR 0027).
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="+", db_index=False)
    name = models.CharField(max_length=100)
    position = models.IntegerField(default=100)
    is_on = models.BooleanField(default=True, db_default=True)
    verdict = models.CharField(max_length=10)
    when = models.JSONField(default=dict)
    stages = models.JSONField(default=list)
    preset = models.CharField(max_length=40, blank=True, db_default="", default="")
    defined_by = models.ForeignKey(Agent, on_delete=models.CASCADE, null=True, related_name="+")
    version = models.IntegerField(default=1)
    created_by = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["team", "name"], name="rule_name_once"),
            models.CheckConstraint(condition=models.Q(verdict__in=VERDICTS), name="rule_verdict_known"),
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.verdict}"
