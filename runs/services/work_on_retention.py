"""Archive, delete and prune what is due, in small batches that anybody can go on with."""

import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from agentops.common.errors import BrokenArchiveError, ConflictError
from agentops.common.ids import new_id
from runs.checkpoints.chain import IntegrityError
from runs.engine.retention import Act
from runs.journal.fence import execute, query
from runs.models import Archive, RetentionJob
from runs.selectors.prunable import prunable_runs
from runs.selectors.retention import DueRun, due_runs, due_sums, rules_of
from runs.services.delete_runs import delete_runs, end_runs
from runs.services.prune_run import prune_run
from runs.services.store_archive import LEASE_SECONDS as ARCHIVE_LEASE_SECONDS
from runs.services.store_archive import forget_archive, store_archive
from runs.services.strip_run import strip_run, strip_runs

BATCH_RUNS = 50
BATCH_SECONDS = 2.0
LEASE_SECONDS = 120.0
DELETED_AT_ONCE = STRIPPED_AT_ONCE = 20
ACTING, PRUNING = 0, 1

logger = logging.getLogger(__name__)

_TAKE = """
UPDATE runs_retentionjob SET lease = %(lease)s, due_at = clock_timestamp() + %(seconds)s * interval '1 second' WHERE id = (
    SELECT id FROM runs_retentionjob WHERE state = 'working' AND due_at <= clock_timestamp() ORDER BY due_at LIMIT 1
    FOR UPDATE SKIP LOCKED)
RETURNING id
"""
_OURS = "SELECT 1 FROM runs_retentionjob WHERE id = %(id)s AND lease = %(lease)s AND state = 'working'"
_EXPECT = (
    "UPDATE runs_retentionjob SET expected_runs = %(n_runs)s, expected_bytes = %(n_bytes)s"
    " WHERE id = %(id)s AND expected_runs = 0 RETURNING id"
)
_LEAVE = """
UPDATE runs_retentionjob SET lease = NULL, due_at = clock_timestamp(), walked_at = %(walked_at)s, walked_id = %(walked_id)s,
    phase = %(phase)s, n_archived = n_archived + %(archived)s, n_deleted = n_deleted + %(deleted)s,
    n_pruned = n_pruned + %(pruned)s, n_kept = n_kept + %(kept)s, n_failed = n_failed + %(failed)s,
    freed_bytes = freed_bytes + %(freed_bytes)s, file_bytes = file_bytes + %(file_bytes)s,
    problem = CASE WHEN %(problem)s <> '' THEN left(%(problem)s, 500) ELSE problem END,
    state = CASE WHEN state = 'working' THEN %(state)s ELSE state END,
    ended_at = CASE WHEN state = 'working' AND %(state)s <> 'working' THEN clock_timestamp() ELSE ended_at END
WHERE id = %(id)s AND (lease = %(lease)s OR state <> 'working') RETURNING id
"""
_UNFINISHED = """
SELECT id FROM runs_archive WHERE restored_at IS NULL
    AND (stripped_at IS NULL OR (doomed_at IS NOT NULL AND deleted_at IS NULL))
    AND (stored_at IS NOT NULL OR doomed_at IS NOT NULL OR begun_at < clock_timestamp() - %(seconds)s * interval '1 second')
ORDER BY begun_at LIMIT %(limit)s
"""


@dataclass(slots=True)
class _Done:
    """What a batch has come to."""

    archived: int = 0
    deleted: int = 0
    pruned: int = 0
    kept: int = 0
    failed: int = 0
    freed_bytes: int = 0
    file_bytes: int = 0
    problem: str = ""


def work_on_retention() -> bool:
    """Take the job that waits longest and work on it for BATCH_SECONDS; return whether there was one.

    Every run is finished by itself: who dies amid a batch leaves whole runs, archived ones, and ones that
    finish_archives finishes; what he did since is then not in the job's counts. Stops before the next run when the job is
    stopped.

    Locks, transactions: see store_archive, strip_run, delete_runs, prune_run.
    """
    lease = new_id()
    taken = execute(_TAKE, {"lease": lease, "seconds": LEASE_SECONDS})
    if taken is None:
        return False
    job = RetentionJob.objects.get(pk=taken[0])
    _expect(job)
    done, walked, phase, state = _Done(), _walked(job), job.phase, "working"
    try:
        walked, phase = _batch(job, lease, done)
        state = "done" if phase > PRUNING else state
    except OSError as error:
        done.problem, state = f"archives cannot be kept: {error}", "failed"
    walked_at, walked_id = walked or (None, None)
    params = {
        "id": job.pk,
        "lease": lease,
        "walked_at": walked_at.isoformat() if walked_at else None,
        "walked_id": walked_id,
    }
    execute(_LEAVE, params | asdict(done) | {"phase": phase, "state": state})
    return True


def finish_archives(limit: int = 20) -> int:
    """Finish what others broke off: rows that wait to leave, runs that are doomed, files that were never marked.

    Return how many there were.
    """
    found = [row[0] for row in query(_UNFINISHED, {"seconds": ARCHIVE_LEASE_SECONDS, "limit": limit})]
    for archive in Archive.objects.filter(pk__in=found):
        try:
            _finish(archive)
        except OSError as error:
            logger.warning("the archive of run %s cannot be finished yet: %s", archive.run_id, error)
    return len(found)


def _finish(archive: Archive) -> None:
    if archive.doomed_at is not None:
        end_runs([archive])
    elif archive.stored_at is not None:
        strip_run(archive)
    else:
        forget_archive(archive)


def _batch(job: RetentionJob, lease: UUID, done: _Done) -> tuple[tuple[datetime, UUID] | None, int]:
    """Work on the next runs; return the last one that was seen to and the phase, the one after the last when all is done."""
    rules, behind, began = rules_of(job.team_id), _walked(job), time.monotonic()
    look = due_runs if job.phase == ACTING else prunable_runs
    found = look(job.team_id, rules, behind=behind, limit=BATCH_RUNS)
    stored: list[Archive] = []
    try:
        for group in _groups(found):
            is_over = time.monotonic() - began > BATCH_SECONDS
            if is_over or execute(_OURS, {"id": job.pk, "lease": lease}) is None:
                return behind, job.phase
            _apply(group, job.created_by, done, stored)
            behind = (group[-1].created_at, group[-1].run_id)
            if len(stored) == STRIPPED_AT_ONCE:
                _strip(stored, done)
    finally:
        _strip(stored, done)
    return (behind, job.phase) if len(found) == BATCH_RUNS else (None, job.phase + 1)


def _strip(stored: list[Archive], done: _Done) -> None:
    """Let the rows of archived runs go, of all at once, and leave `stored` empty."""
    for archive in strip_runs(stored) if stored else []:
        done.archived += 1
        done.freed_bytes += archive.row_bytes
        done.file_bytes += archive.file_bytes
    stored.clear()


def _groups(found: Sequence[DueRun]) -> list[list[DueRun]]:
    """Return the runs in their order, by ones, and those that are to be deleted alike by some at once."""
    groups: list[list[DueRun]] = []
    for run in found:
        last = groups[-1] if groups else []
        is_alike = last and last[-1].act == run.act == Act.DELETE and last[-1].rule == run.rule
        if is_alike and len(last) < DELETED_AT_ONCE and last[-1].is_kept == run.is_kept:
            last.append(run)
        else:
            groups.append([run])
    return groups


def _apply(group: list[DueRun], by: str, done: _Done, stored: list[Archive]) -> None:
    run = group[0]
    try:
        if run.is_kept:
            done.kept += len(group)
        elif run.act is Act.ARCHIVE:
            stored.append(store_archive(run_id=run.run_id, by=by))
        elif run.act is Act.PRUNE:
            done.freed_bytes += prune_run(run_id=run.run_id, after_days=run.rule.prune_days or 0, by=by)
            done.pruned += 1
        else:
            _delete(group, by, done)
    except ConflictError as error:
        done.kept += isinstance(error, ConflictError) and not isinstance(error, BrokenArchiveError)
        if isinstance(error, BrokenArchiveError):
            done.failed, done.problem = done.failed + 1, error.detail
    except IntegrityError as error:
        logger.warning("retention leaves a run alone: %s", error)
        done.failed, done.problem = done.failed + 1, str(error)


def _delete(group: list[DueRun], by: str, done: _Done) -> None:
    run_ids, was_archived = [run.run_id for run in group], {}
    before = Archive.objects.filter(run_id__in=run_ids, restored_at=None).values_list("run_id", "row_bytes")
    was_archived = dict(before)
    gone = delete_runs(run_ids=run_ids, by=by, keeps_files=group[0].rule.keeps_files)
    done.deleted += len(gone)
    done.kept += len(group) - len(gone)
    done.freed_bytes += sum(archive.row_bytes - was_archived.get(archive.run_id, 0) for archive in gone)


def _expect(job: RetentionJob) -> None:
    if job.phase == ACTING and job.walked_id is None and not job.expected_runs:
        due = due_sums(job.team_id, rules_of(job.team_id))
        n_runs, n_bytes = sum(one.n_runs for one in due), sum(one.row_bytes for one in due)
        execute(_EXPECT, {"id": job.pk, "n_runs": n_runs, "n_bytes": n_bytes})


def _walked(job: RetentionJob) -> tuple[datetime, UUID] | None:
    return (job.walked_at, job.walked_id) if job.walked_at and job.walked_id else None
