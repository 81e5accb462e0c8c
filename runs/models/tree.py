from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from agentops.accounts.models import Team
from agentops.common.ids import new_id
from runs.models.run import Run


class Fanout(models.Model):
    """The children that one action of a run started and waits for: how many, how many at once, how they have ended.

    The counts change under the lock of this row only; children that stand in line (`Run.is_in_line`) are in none of them.
    `done_at` is when it was decided: all have ended, or so many have failed that fewer than `min_successes` can succeed.
    `is_told` says that the parent was woken for it. `looked_at` is null until the children that had ended before the row
    stood were counted.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    run = models.ForeignKey(
        Run, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+"
    )
    seq = models.BigIntegerField()
    team_id = models.UUIDField()
    total = models.IntegerField()
    concurrency = models.IntegerField()
    min_successes = models.IntegerField()
    n_active = models.IntegerField(db_default=0)
    n_succeeded = models.IntegerField(db_default=0)
    n_failed = models.IntegerField(db_default=0)
    created_at = models.DateTimeField(db_default=Now())
    looked_at = models.DateTimeField(null=True)
    done_at = models.DateTimeField(null=True)
    is_failed = models.BooleanField(db_default=False)
    is_told = models.BooleanField(db_default=False)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["run", "seq"], name="fanout_of_step")]
        indexes: ClassVar = [
            models.Index(fields=["created_at"], name="fanout_open", condition=Q(done_at__isnull=True)),
            models.Index(
                fields=["done_at"], name="fanout_to_tell", condition=Q(done_at__isnull=False, is_told=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.total} children of {self.run_id} step {self.seq}"


class Batch(models.Model):
    """A name that runs were started under, perhaps over days (`Run.batch_id`)."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="+", db_index=False)
    name = models.CharField(max_length=100)
    created_by = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["team", "name"], name="batch_name_once")]
        indexes: ClassVar = [models.Index(fields=["team", "-created_at", "-id"], name="batch_list")]

    def __str__(self) -> str:
        return self.name
