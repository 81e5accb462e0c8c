from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from agentops.accounts.models import Team
from agentops.common.ids import new_id


class BulkJob(models.Model):
    """One verb for many runs: those in `run_ids`, else all that `query` finds of those created before the job.

    Somebody at a clock works on it in batches, under a lease that ends at `due_at`. `walked_*` is the last run of the
    query that was looked at; `n_done + n_refused` runs have a result each. `expected` is what the preview counted;
    NULL when it stopped counting.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="+", db_index=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    created_by = models.CharField(max_length=200)
    verb = models.CharField(max_length=10)
    reason = models.TextField(blank=True)
    query = models.CharField(max_length=2048, blank=True)
    zone = models.CharField(max_length=64, default="UTC")
    run_ids = ArrayField(models.UUIDField(), null=True)
    state = models.CharField(max_length=10, default="working")
    problem = models.CharField(max_length=500, blank=True)
    expected = models.IntegerField(null=True)
    n_done = models.IntegerField(default=0)
    n_refused = models.IntegerField(default=0)
    walked_at = models.DateTimeField(null=True)
    walked_id = models.UUIDField(null=True)
    due_at = models.DateTimeField(db_default=Now())
    lease = models.UUIDField(null=True)
    created_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(state__in=["working", "done", "stopped", "failed"]), name="bulk_job_state_known"
            ),
            models.CheckConstraint(
                condition=Q(verb__in=["pause", "resume", "cancel", "kill", "retry"]),
                name="bulk_job_verb_known",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["due_at"], name="bulk_job_due", condition=Q(state="working")),
            models.Index(fields=["team", "-created_at", "-id"], name="bulk_job_list"),
        ]

    def __str__(self) -> str:
        return f"{self.verb} by {self.created_by}"


class BulkResult(models.Model):
    """What came of one run of a job; `problem` says why it was refused, empty when it was done."""

    pk = models.CompositePrimaryKey("job_id", "run_id")
    job = models.ForeignKey(BulkJob, on_delete=models.CASCADE, db_index=False, related_name="results")
    run_id = models.UUIDField()
    problem = models.CharField(max_length=500, blank=True)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["job", "run_id"], name="bulk_refused", condition=~Q(problem=""))
        ]

    def __str__(self) -> str:
        return f"{self.run_id}: {self.problem or 'done'}"
