from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from runs.models.run import Run


class Branch(models.Model):
    """A stretch of a run that did not grow out of the step before it: a fork's first, or one that a rewind began.

    A run that was simply started has no row for its first branch. `from_seq` is the step that was asked for,
    `checkpoint_seq` and `from_hash` the checkpoint whose state it begins with: of this run, or of `from_run_id` for a
    fork, which may be gone by now. `first_seq` is its first node. `left_*` say how far the branch that it left had
    come. `reuse_hash` covers the rows of Reuse that it was given. Source: PROTOCOL 14, 15; ADR 0014.
    """

    pk = models.CompositePrimaryKey("run_id", "number")
    run = models.ForeignKey(
        Run, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="branches"
    )
    number = models.IntegerField()
    team_id = models.UUIDField()
    parent_number = models.IntegerField(default=0)
    cause = models.CharField(max_length=10)
    effect_mode = models.CharField(max_length=10)
    from_run_id = models.UUIDField(null=True)
    from_title = models.CharField(max_length=300, blank=True)
    from_seq = models.BigIntegerField()
    checkpoint_seq = models.BigIntegerField()
    from_hash = models.BinaryField(max_length=32)
    node = models.CharField(max_length=100)
    first_seq = models.BigIntegerField()
    left_head_seq = models.BigIntegerField(null=True)
    left_head_hash = models.BinaryField(max_length=32, null=True)
    left_node = models.CharField(max_length=100, blank=True)
    left_node_seq = models.BigIntegerField(null=True)
    changes = models.JSONField(null=True)
    reuse_hash = models.BinaryField(max_length=32)
    reason = models.TextField(blank=True)
    by = models.CharField(max_length=200, blank=True)
    at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"branch {self.number} of {self.run_id}"


class Reuse(models.Model):
    """An outcome that a branch may be served instead of making the call again, copied so that its source may go.

    The n-th row of a tool and request answers the n-th such request of the branch. `status` says how the call ended
    that it is a copy of (`succeeded`, `failed`, `unknown`), or that a person has written the output (`edited`), or that
    the call is to be made (`made`: it only keeps the count). `taken_seq` is the step that was served.
    """

    pk = models.CompositePrimaryKey("run_id", "branch", "n")
    run = models.ForeignKey(
        Run, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+"
    )
    branch = models.IntegerField()
    n = models.IntegerField()
    team_id = models.UUIDField()
    tool = models.CharField(max_length=200)
    request_hash = models.BinaryField(max_length=32)
    effect = models.CharField(max_length=12)
    status = models.CharField(max_length=12)
    idempotency_key = models.CharField(max_length=100, blank=True)
    source_run_id = models.UUIDField()
    source_seq = models.BigIntegerField()
    body = models.BinaryField(null=True)
    body_codec = models.SmallIntegerField(default=0)
    key_id = models.SmallIntegerField(default=1)
    mac = models.BinaryField(max_length=32)
    taken_seq = models.BigIntegerField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(status__in=["succeeded", "failed", "unknown", "edited", "made"]),
                name="reuse_status_known",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["body"], name="reuse_blob", condition=models.Q(body_codec=2))
        ]

    def __str__(self) -> str:
        return f"{self.tool} of {self.source_run_id} step {self.source_seq}"
