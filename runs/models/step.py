from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from agentops.common.ids import new_token
from runs.models.run import Run


class Step(models.Model):
    """One row of the execution tree, without payload: a node, or an action inside one.

    `seq` counts over all branches of a run in start order. `ordinal` is an action's place in its node.
    `token` marks one attempt to commit, so that a lost acknowledgement can be told from a lost lease.
    `due_at` is when an open action goes on: the end of a sleep, or its next attempt. `reuse` says of an action that was
    not simply done how it came by its outcome (runs.engine.reuse.Mark).
    """

    pk = models.CompositePrimaryKey("run_id", "seq")
    run = models.ForeignKey(
        Run, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="steps"
    )
    seq = models.BigIntegerField()
    team_id = models.UUIDField()
    parent_seq = models.BigIntegerField(default=0)
    branch = models.IntegerField(default=1)
    depth = models.SmallIntegerField(default=0)
    ordinal = models.IntegerField(null=True)
    node_attempt = models.IntegerField(default=1)
    kind = models.CharField(max_length=12)
    name = models.CharField(max_length=200)
    effect = models.CharField(max_length=12, blank=True)
    status = models.CharField(max_length=12)
    is_superseded = models.BooleanField(default=False)
    summary = models.CharField(max_length=300, blank=True)
    attempts = models.SmallIntegerField(default=1)
    error_code = models.CharField(max_length=100, blank=True)
    cost_microusd = models.BigIntegerField(default=0)
    tokens_in = models.BigIntegerField(default=0)
    tokens_out = models.BigIntegerField(default=0)
    epoch = models.BigIntegerField()
    worker_id = models.UUIDField(null=True)
    token = models.UUIDField(default=new_token)
    started_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField(null=True)
    reuse = models.CharField(max_length=10, blank=True, db_default="")

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["run", "seq"], name="step_failed", condition=Q(status="failed")),
        ]

    def __str__(self) -> str:
        return f"{self.run_id} step {self.seq} {self.name}"


class Outcome(models.Model):
    """The request and result of an action, under the integrity chain; bodies are encoded JSON."""

    pk = models.CompositePrimaryKey("run_id", "seq")
    run = models.ForeignKey(
        Run, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+"
    )
    seq = models.BigIntegerField()
    team_id = models.UUIDField()
    request_hash = models.BinaryField(max_length=32)
    request = models.BinaryField()
    request_codec = models.SmallIntegerField(default=0)
    body = models.BinaryField(null=True)
    body_codec = models.SmallIntegerField(default=0)
    riders = models.JSONField(null=True)
    key_id = models.SmallIntegerField(default=1)
    mac = models.BinaryField(max_length=32)

    class Meta:
        # Who refers to a large value (Blob): a handful of rows have one.
        indexes: ClassVar = [
            models.Index(fields=["body"], name="outcome_body_blob", condition=Q(body_codec=2)),
            models.Index(fields=["request"], name="outcome_request_blob", condition=Q(request_codec=2)),
        ]

    def __str__(self) -> str:
        return f"outcome of {self.run_id} step {self.seq}"


class Intent(models.Model):
    """Written before a call that changes the world: which call, under which key, until when (PROTOCOL 8).

    `calls` counts the calls begun; while it is higher than the step's `attempts`, one is in flight. `evidence` is
    what a worker that had lost its lease reported late.
    """

    pk = models.CompositePrimaryKey("run_id", "seq")
    run = models.ForeignKey(
        Run, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+"
    )
    seq = models.BigIntegerField()
    team_id = models.UUIDField()
    tool = models.CharField(max_length=200)
    tool_version = models.CharField(max_length=50)
    idempotency_key = models.CharField(max_length=100)
    request_hash = models.BinaryField(max_length=32)
    token = models.UUIDField()
    epoch = models.BigIntegerField()
    calls = models.SmallIntegerField(default=1)
    created_at = models.DateTimeField(db_default=Now())
    deadline_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)
    evidence = models.JSONField(null=True)
    evidence_at = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["run", "seq"], name="intent_open", condition=Q(settled_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"intent of {self.run_id} step {self.seq}"


class Attempt(models.Model):
    """One failed try at a step; the successful one is the step itself."""

    pk = models.CompositePrimaryKey("run_id", "seq", "number")
    run = models.ForeignKey(
        Run, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+"
    )
    seq = models.BigIntegerField()
    number = models.IntegerField()
    team_id = models.UUIDField()
    error_code = models.CharField(max_length=100)
    message = models.TextField()
    detail = models.TextField(blank=True)
    retry_seconds = models.FloatField(null=True)
    worker_id = models.UUIDField(null=True)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"attempt {self.number} at {self.run_id} step {self.seq}"


class Checkpoint(models.Model):
    """The state after a node step: a delta chained to its parent checkpoint, or a snapshot stored whole.

    A segment stands beside the delta of the step that completes it; `tip_hash` is that delta's hash. A change of the
    workspace's files stands beside the delta of the step that made it, whose hash covers it.
    """

    pk = models.CompositePrimaryKey("run_id", "seq", "kind")
    run = models.ForeignKey(
        Run, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+"
    )
    seq = models.BigIntegerField()
    kind = models.CharField(
        max_length=1, choices=[("c", "change of files"), ("d", "delta"), ("g", "segment"), ("s", "snapshot")]
    )
    team_id = models.UUIDField()
    parent_seq = models.BigIntegerField()
    branch = models.IntegerField(default=1)
    codec = models.SmallIntegerField(default=0)
    body = models.BinaryField()
    key_id = models.SmallIntegerField(default=1)
    hash = models.BinaryField(max_length=32)
    tip_hash = models.BinaryField(max_length=32, null=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["body"], name="checkpoint_blob", condition=Q(codec=2))]

    def __str__(self) -> str:
        return f"checkpoint of {self.run_id} at {self.seq}"


class Blob(models.Model):
    """A large value of a team, stored once under the keyed digest of its bytes.

    `created_at` is when somebody last stored it, give or take some minutes: what was stored lately may be about to be
    referred to (runs.services.free_blobs).
    """

    digest = models.BinaryField(primary_key=True, max_length=32)
    team_id = models.UUIDField()
    codec = models.SmallIntegerField()
    body = models.BinaryField()
    plain_bytes = models.BigIntegerField()
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.plain_bytes:,} bytes"


class LogLine(models.Model):
    """A line that a node logged; `seq` is the step with whose commit it rode."""

    pk = models.CompositePrimaryKey("run_id", "seq", "n")
    run = models.ForeignKey(
        Run, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+"
    )
    seq = models.BigIntegerField()
    n = models.IntegerField()
    team_id = models.UUIDField()
    level = models.CharField(max_length=10)
    message = models.TextField()
    at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.message
