from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models import Q
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Now

from agentops.accounts.models import Team, User
from agentops.common.ids import new_id
from approvals.engine.words import KINDS, STATUSES
from approvals.models.queue import Queue
from runs.models import Run
from runs.models.run import words_of

# The same expression as in approvals/search.py.
WORDS_OF_REQUEST = CombinedExpression(
    words_of("summary"), "||", words_of("run_title"), output_field=SearchVectorField()
)


class Request(models.Model):
    """What a run asks people, as they decide about it.

    `kind` and `status`: see approvals.engine.words. `action` is the tool or the name of what is asked; `args` are the arguments
    as they stand now (after edits), `proposed_args` as the agent gave them, `args_digest` the SHA-256 that a decision must name.
    `summary` is ours, made from the real arguments; `reason` is the agent's own text, never checked. `evidence`: premises,
    cost, what the rule said. `stages`: who must decide, as they were when it opened or a rule became stricter; `stage` the
    one that is open, from 0. `version` counts changes of what a decision rests on. A permission that was
    given may be used once, before `grant_expires_at`; `used_at` is when, in the transaction that writes the intent.
    `assignee_ids`: people it was put to by name.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="+", db_index=False)
    run = models.ForeignKey(
        Run, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+"
    )
    seq = models.BigIntegerField()
    kind = models.CharField(max_length=20)
    status = models.CharField(max_length=20, db_default="pending", default="pending")
    version = models.IntegerField(db_default=1, default=1)

    agent = models.CharField(max_length=100)
    run_title = models.CharField(max_length=300, blank=True)
    node = models.CharField(max_length=100, blank=True)
    action = models.CharField(max_length=200)
    effect = models.CharField(max_length=20, blank=True)
    tool_version = models.CharField(max_length=100, blank=True)
    summary = models.CharField(max_length=500)
    reason = models.TextField(blank=True)
    args = models.JSONField(null=True)
    proposed_args = models.JSONField(null=True)
    args_digest = models.CharField(max_length=64)
    args_schema = models.JSONField(null=True)
    question = models.JSONField(null=True)
    evidence = models.JSONField(default=dict)
    signature = models.CharField(max_length=64, blank=True)
    risk = models.SmallIntegerField(db_default=1, default=1)

    rule = models.JSONField(null=True)
    stages = models.JSONField(default=list)
    stage = models.SmallIntegerField(db_default=0, default=0)
    queue = models.ForeignKey(Queue, on_delete=models.SET_NULL, null=True, related_name="+", db_index=False)
    initiator = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", db_index=False
    )
    assignee_ids = ArrayField(models.IntegerField(), default=list, db_default=[])
    delegations = models.JSONField(default=list)
    claimed_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", db_index=False
    )
    claimed_until = models.DateTimeField(null=True)

    opened_at = models.DateTimeField(db_default=Now())
    first_response_due_at = models.DateTimeField(null=True)
    first_response_at = models.DateTimeField(null=True)
    decision_due_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    escalation_level = models.SmallIntegerField(db_default=0, default=0)
    sla_snapshot = models.JSONField(null=True)

    closed_at = models.DateTimeField(null=True)
    closed_by = models.CharField(max_length=200, blank=True, db_default="", default="")
    answer = models.JSONField(null=True)
    message = models.TextField(blank=True, db_default="", default="")
    grant_expires_at = models.DateTimeField(null=True)
    used_at = models.DateTimeField(null=True)
    used_seq = models.BigIntegerField(null=True)
    supersedes = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, related_name="+", db_index=False
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["run", "seq"], name="request_open_once", condition=Q(status="pending")
            ),
            models.CheckConstraint(condition=Q(status__in=STATUSES), name="request_status_known"),
            models.CheckConstraint(condition=Q(kind__in=KINDS), name="request_kind_known"),
            models.CheckConstraint(
                condition=Q(status="pending", closed_at__isnull=True)
                | (~Q(status="pending") & Q(closed_at__isnull=False)),
                name="request_closed_says_when",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["team", "decision_due_at", "id"],
                name="request_inbox",
                condition=Q(status="pending"),
            ),
            models.Index(
                fields=["team", "queue", "decision_due_at", "id"],
                name="request_of_queue",
                condition=Q(status="pending"),
            ),
            models.Index(
                fields=["team", "signature", "decision_due_at", "id"],
                name="request_alike",
                condition=Q(status="pending"),
            ),
            GinIndex(WORDS_OF_REQUEST, name="request_words"),
            models.Index(fields=["team", "action", "-closed_at", "-id"], name="request_of_action"),
            models.Index(fields=["team", "agent", "-closed_at", "-id"], name="request_of_agent"),
            models.Index(
                fields=["initiator"], name="request_of_starter", condition=Q(initiator__isnull=False)
            ),
            models.Index(fields=["team", "-closed_at", "-id"], name="request_history"),
            models.Index(fields=["run", "seq", "-opened_at"], name="request_of_run"),
            models.Index(fields=["expires_at"], name="request_expiry", condition=Q(status="pending")),
            models.Index(
                fields=["run", "action"],
                name="request_grant",
                condition=Q(status="approved", used_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.summary} ({self.id})"
