"""Policies, works, holds, archives and storage as the API tells them."""

from collections.abc import Sequence
from uuid import UUID

from runs import schemas_retention as schemas
from runs.models import Archive, RetentionJob, RetentionPolicy, RunHold
from runs.selectors.retention import DueSum
from runs.selectors.storage import Storage


def policy_url(policy: RetentionPolicy) -> str:
    """Return the address of the policy in the API."""
    return f"/api/v1/policies/retention/{policy.pk}"


def etag(policy: RetentionPolicy) -> str:
    return f'"{policy.version}"'


def policy_out(policy: RetentionPolicy) -> schemas.RetentionOut:
    return schemas.RetentionOut(
        id=policy.pk, url=f"/policies/retention/{policy.pk}", agent=policy.agent.slug if policy.agent else None,
        status=policy.status, archive_days=policy.archive_days, delete_days=policy.delete_days, prune_days=policy.prune_days,
        keeps_files=policy.keeps_files, is_on=policy.is_on, version=policy.version, created_by=policy.created_by,
        created_at=policy.created_at, updated_by=policy.updated_by, updated_at=policy.updated_at,
    )  # fmt: skip


def preview_out(
    due: Sequence[DueSum], prunes: Sequence[DueSum] | None, *, draft: UUID | None = None
) -> schemas.PreviewOut:
    """Return what is due; what the policy `draft` would do bears no id. `prunes` None stands for not counted."""
    return schemas.PreviewOut(
        items=[
            schemas.DueOut(
                policy_id=None if one.rule.id == draft else one.rule.id, act=one.act.value,
                runs=one.n_runs, kept=one.n_kept, row_bytes=one.row_bytes, file_bytes=one.file_bytes,
                unmeasured=one.n_unmeasured,
            )
            for one in [*due, *(prunes or ())]
        ],
        prune_counted=prunes is not None,
    )  # fmt: skip


def work_out(job: RetentionJob) -> schemas.WorkOut:
    return schemas.WorkOut(
        id=job.pk, url=f"/policies/retention/works/{job.pk}", night=job.night, state=job.state,  # type: ignore[arg-type]  # a constraint holds it
        problem=job.problem, expected_runs=job.expected_runs, expected_bytes=job.expected_bytes, archived=job.n_archived,
        deleted=job.n_deleted, pruned=job.n_pruned, kept=job.n_kept, failed=job.n_failed, freed_bytes=job.freed_bytes,
        file_bytes=job.file_bytes, created_by=job.created_by, created_at=job.created_at, ended_at=job.ended_at,
    )  # fmt: skip


def holds_out(holds: Sequence[RunHold]) -> schemas.HoldListOut:
    return schemas.HoldListOut(
        items=[
            schemas.HoldOut(
                kind=hold.kind, reason=hold.reason, by=hold.by, at=hold.at, until_at=hold.until_at
            )
            for hold in holds
        ]
    )


def archive_out(archive: Archive) -> schemas.ArchiveOut:
    return schemas.ArchiveOut(
        run_id=archive.run_id, file_bytes=archive.file_bytes, sha256=bytes(archive.sha256 or b"").hex(), rows=archive.n_rows,
        row_bytes=archive.row_bytes, by=archive.by, stored_at=archive.stored_at, stripped_at=archive.stripped_at,
    )  # fmt: skip


def storage_out(found: Storage) -> schemas.StorageOut:
    agents = [
        schemas.AgentStorageOut(
            agent=one.agent, whole_runs=one.n_whole, archived_runs=one.n_archived, unmeasured_runs=one.n_unmeasured,
            step_bytes=one.step_bytes, outcome_bytes=one.outcome_bytes, checkpoint_bytes=one.checkpoint_bytes,
            other_bytes=one.other_bytes, row_bytes=one.row_bytes, file_bytes=one.file_bytes,
        )
        for one in found.agents
    ]  # fmt: skip
    return schemas.StorageOut(agents=agents, shared=found.n_shared, shared_bytes=found.shared_bytes)
