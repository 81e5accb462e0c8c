from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from agentops.accounts.models import Team
from agentops.common.ids import new_id
from runs.engine.budgets import BudgetScope, Period
from runs.models.agent import Agent
from runs.models.run import Run


class Budget(models.Model):
    """What may be spent, by whom, in which period (runs.engine.budgets).

    `name` is the slug of the agent (`agent` is then set), or the id of the run (`run` is then set), else empty. `limits` holds
    for each unit `soft` and `hard`. `version` counts edits. `defined_by` is the agent whose definition says so (ADR 0027).
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="+", db_index=False)
    scope = models.CharField(max_length=10)
    name = models.CharField(max_length=100, blank=True, db_collation="C")
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, null=True, related_name="+", db_index=False)
    run = models.ForeignKey(
        Run, on_delete=models.CASCADE, null=True, related_name="+", db_index=False, db_constraint=False
    )
    period = models.CharField(max_length=10)
    limits = models.JSONField()
    defined_by = models.ForeignKey(Agent, on_delete=models.CASCADE, null=True, related_name="+")
    version = models.IntegerField(default=1)
    created_by = models.CharField(max_length=200)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_by = models.CharField(max_length=200)
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["team", "scope", "name", "period"], name="budget_once"),
            models.CheckConstraint(
                condition=Q(scope__in=[scope.value for scope in BudgetScope]), name="budget_scope_known"
            ),
            models.CheckConstraint(
                condition=Q(period__in=[period.value for period in Period]), name="budget_period_known"
            ),
            models.CheckConstraint(
                condition=Q(scope__in=["team", "agent"]) | Q(period="forever"), name="budget_of_runs_has_no_period"
            ),
        ]  # fmt: skip
        indexes: ClassVar = [
            models.Index(fields=["run"], name="budget_of_run", condition=Q(run__isnull=False)),
            models.Index(fields=["agent"], name="budget_of_agent", condition=Q(agent__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.scope} {self.name} {self.period}".replace("  ", " ")


class Purse(models.Model):
    """What a budget has spent in one period (`key` is its day or month) or in one tree of runs (`key` is its top's id).

    `spent`, `reserved` and `raised` hold amounts by unit; whoever changes them has locked the row. The soft limit asks once:
    `question` at the node step `asked_seq` of `asked_run_id`, until `answer` is there. `until_at` is when the period ends.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    team_id = models.UUIDField()
    budget = models.ForeignKey(Budget, on_delete=models.CASCADE, related_name="purses", db_index=False)
    key = models.CharField(max_length=40, db_collation="C")
    spent = models.JSONField(default=dict)
    reserved = models.JSONField(default=dict)
    raised = models.JSONField(default=dict)
    asked_run_id = models.UUIDField(null=True)
    asked_seq = models.BigIntegerField(null=True)
    question = models.CharField(max_length=1000, blank=True, db_default="")
    answer = models.CharField(max_length=100, blank=True, db_default="")
    until_at = models.DateTimeField(null=True)
    began_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["budget", "key"], name="purse_once")]

    def __str__(self) -> str:
        return f"{self.budget_id} {self.key}"


class Reservation(models.Model):
    """What an open call has reserved in a purse. A claim of its run, or the clock, settles what is left as spent."""

    pk = models.CompositePrimaryKey("run_id", "seq", "purse_id")
    run = models.ForeignKey(
        Run, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+"
    )
    seq = models.BigIntegerField()
    purse = models.ForeignKey(Purse, on_delete=models.CASCADE, related_name="+")
    amounts = models.JSONField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes: ClassVar = [models.Index(fields=["created_at"], name="reservation_age")]

    def __str__(self) -> str:
        return f"{self.amounts} for {self.run_id} step {self.seq}"


class SpendDay(models.Model):
    """What one agent's requests to one model have cost on one day, by UTC; `n_unpriced` of them had no known price."""

    pk = models.CompositePrimaryKey("team_id", "day", "agent_id", "model")
    team_id = models.UUIDField()
    day = models.DateField()
    agent_id = models.UUIDField()
    model = models.CharField(max_length=200, db_collation="C")
    n_calls = models.BigIntegerField()
    n_unpriced = models.BigIntegerField()
    cost_microusd = models.BigIntegerField()
    tokens_in = models.BigIntegerField()
    tokens_out = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.day} {self.model}: {self.cost_microusd}"
