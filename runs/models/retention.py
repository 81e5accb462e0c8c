from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from agentops.accounts.models import Team
from agentops.common.ids import new_id
from runs.engine.retention import HoldKind, JobState
from runs.models.agent import Agent
from runs.models.run import Run


class RetentionPolicy(models.Model):
    """How long the runs of a team are kept, or of one of its agents, or those that ended in one status.

    Without `agent` it is for all agents, with `status` empty for every end; the most particular one counts
    (runs.engine.retention). Days count from a run's end: whole for `archive_days`, gone after `delete_days`; null never.
    `prune_days` counts from the end of a step. `keeps_files`: what is deleted keeps its archive. `version` counts edits.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="+", db_index=False)
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, null=True, related_name="+", db_index=False)
    status = models.CharField(max_length=20, blank=True, db_default="")
    archive_days = models.IntegerField(null=True)
    delete_days = models.IntegerField(null=True)
    prune_days = models.IntegerField(null=True)
    keeps_files = models.BooleanField(db_default=False)
    is_on = models.BooleanField(db_default=True)
    version = models.IntegerField(default=1)
    created_by = models.CharField(max_length=200)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_by = models.CharField(max_length=200)
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["team", "agent", "status"], name="retention_once", nulls_distinct=False
            ),
            models.CheckConstraint(
                condition=Q(archive_days__isnull=True) | Q(archive_days__gte=1), name="retention_archive_days"
            ),
            models.CheckConstraint(
                condition=Q(delete_days__isnull=True) | Q(delete_days__gte=1), name="retention_delete_days"
            ),
            models.CheckConstraint(
                condition=Q(prune_days__isnull=True) | Q(prune_days__gte=1), name="retention_prune_days"
            ),
        ]

    def __str__(self) -> str:
        return f"retention of {self.agent_id or 'every agent'} {self.status or 'however it ended'}"


class RunHold(models.Model):
    """Why a run is kept whatever a policy says: a pin or a legal hold of a person, or because it was brought back.

    It holds until `until_at`, or until it is lifted.
    """

    pk = models.CompositePrimaryKey("run_id", "kind")
    run = models.ForeignKey(
        Run, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="holds"
    )
    kind = models.CharField(max_length=10)
    team_id = models.UUIDField()
    reason = models.CharField(max_length=1000, blank=True)
    by = models.CharField(max_length=200)
    at = models.DateTimeField(db_default=Now())
    until_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(kind__in=[kind.value for kind in HoldKind]), name="hold_kind_known"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.run_id}"


class Archive(models.Model):
    """What became of the rows of a run: the file in which they stand, and how far the move has come.

    It is written before the file (`begun_at`), by one archiver at a time; `stored_at`: the file was read back whole, and
    from then on the run is read from there; `stripped_at`: its rows have left the database. A run that goes for good has
    `doomed_at`, and `deleted_at` when even its row is gone; with `keeps_file` its file stays then. `restored_at`: it was
    brought back. `key` names the file, empty for none. `row_bytes` is what left the database, `sha256` that of the file. The row outlives its run.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    run_id = models.UUIDField()
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="+", db_index=False)
    agent_id = models.UUIDField()
    key = models.CharField(max_length=500, blank=True)
    file_bytes = models.BigIntegerField(default=0)
    sha256 = models.BinaryField(max_length=32, null=True)
    n_rows = models.BigIntegerField(default=0)
    row_bytes = models.BigIntegerField(default=0)
    head_seq = models.BigIntegerField(default=0)
    head_hash = models.BinaryField(max_length=32)
    by = models.CharField(max_length=200)
    begun_at = models.DateTimeField(db_default=Now())
    stored_at = models.DateTimeField(null=True)
    doomed_at = models.DateTimeField(null=True)
    keeps_file = models.BooleanField(db_default=False)
    stripped_at = models.DateTimeField(null=True)
    deleted_at = models.DateTimeField(null=True)
    file_deleted_at = models.DateTimeField(null=True)
    restored_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["run_id"], name="archive_once", condition=Q(restored_at__isnull=True)
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=["team", "-id"], name="archive_list"),
            models.Index(
                fields=["begun_at"],
                name="archive_unfinished",
                condition=Q(restored_at__isnull=True)
                & (Q(stripped_at__isnull=True) | Q(doomed_at__isnull=False, deleted_at__isnull=True)),
            ),
        ]

    def __str__(self) -> str:
        return f"archive of {self.run_id}"


class Cut(models.Model):
    """Where the chain of a run was cut: what stood up to `seq` is gone but for the snapshot of the state there.

    `mac` covers this row (runs.checkpoints.cuts); the snapshot's own code covers the state and the checkpoint `tip_hash`
    to which the rest of the chain is tied. A later cut takes the place of an earlier one; the counts add up.
    """

    run = models.OneToOneField(
        Run, on_delete=models.CASCADE, primary_key=True, db_constraint=False, related_name="cut"
    )
    team_id = models.UUIDField()
    seq = models.BigIntegerField()
    first_seq = models.BigIntegerField()
    tip_hash = models.BinaryField(max_length=32)
    n_steps = models.BigIntegerField()
    n_rows = models.BigIntegerField()
    row_bytes = models.BigIntegerField()
    by = models.CharField(max_length=200)
    key_id = models.SmallIntegerField(default=1)
    mac = models.BinaryField(max_length=32)
    at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"cut of {self.run_id} at {self.seq}"


class FileUse(models.Model):
    """That the workspace of a run has held the content `digest` (Blob); written with the change that put it there."""

    pk = models.CompositePrimaryKey("run_id", "digest")
    run = models.ForeignKey(
        Run, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+"
    )
    digest = models.BinaryField(max_length=32)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["digest"], name="file_use_of")]

    def __str__(self) -> str:
        return f"{self.run_id} holds {bytes(self.digest).hex()}"


class RunSize(models.Model):
    """How many bytes the rows of a run take in the database, as it was at `measured_at`.

    It counts for an ended run while `ended_at` is the run's own. Contents that runs share are not in it.
    """

    run = models.OneToOneField(
        Run, on_delete=models.CASCADE, primary_key=True, db_constraint=False, related_name="size"
    )
    team_id = models.UUIDField()
    ended_at = models.DateTimeField(null=True)
    n_rows = models.BigIntegerField()
    step_bytes = models.BigIntegerField()
    outcome_bytes = models.BigIntegerField()
    checkpoint_bytes = models.BigIntegerField()
    other_bytes = models.BigIntegerField()
    measured_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"size of {self.run_id}"


class RetentionJob(models.Model):
    """One night's work on the runs of a team, or what an admin asked for by day: archive, delete and prune what is due.

    A keeper works on it in batches under a lease that ends at `due_at`; `walked_*` is the last run it looked at in the
    phase. `expected_*` is what was due when it began. `night` is the day of a nightly one.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="+", db_index=False)
    night = models.DateField(null=True)
    created_by = models.CharField(max_length=200)
    state = models.CharField(max_length=10, default=JobState.WORKING.value)
    problem = models.CharField(max_length=500, blank=True)
    phase = models.SmallIntegerField(default=0)
    walked_at = models.DateTimeField(null=True)
    walked_id = models.UUIDField(null=True)
    expected_runs = models.BigIntegerField(default=0)
    expected_bytes = models.BigIntegerField(default=0)
    n_archived = models.BigIntegerField(default=0)
    n_deleted = models.BigIntegerField(default=0)
    n_pruned = models.BigIntegerField(default=0)
    n_kept = models.BigIntegerField(default=0)
    n_failed = models.BigIntegerField(default=0)
    freed_bytes = models.BigIntegerField(default=0)
    file_bytes = models.BigIntegerField(default=0)
    lease = models.UUIDField(null=True)
    due_at = models.DateTimeField(db_default=Now())
    created_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(state__in=[state.value for state in JobState]), name="retention_job_state_known"
            ),
            models.UniqueConstraint(
                fields=["team"], name="retention_job_one_working", condition=Q(state=JobState.WORKING.value)
            ),
            models.UniqueConstraint(
                fields=["team", "night"],
                name="retention_job_once_a_night",
                condition=Q(night__isnull=False),
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["due_at"], name="retention_job_due", condition=Q(state="working")),
            models.Index(fields=["team", "-created_at", "-id"], name="retention_job_list"),
        ]

    def __str__(self) -> str:
        return f"retention by {self.created_by}"
