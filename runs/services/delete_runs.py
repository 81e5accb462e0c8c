"""Delete runs for good: first they are doomed, then their rows go, then their files, and last the runs themselves."""

from collections.abc import Sequence
from uuid import UUID

from agentops.audit.services.record import record_many_of_product
from agentops.common.ids import new_id
from agentops.common.transactions import transaction
from runs.archives.needs import is_needed
from runs.archives.places import place_in_force
from runs.journal.fence import execute, query
from runs.models import Archive, Run
from runs.services.strip_run import strip_runs

LOCK_WAIT = "SET LOCAL lock_timeout = '100ms'"

_LOCK = """
SELECT r.id FROM runs_run r WHERE r.id = ANY(%(run_ids)s::uuid[]) AND r.ended_at IS NOT NULL AND NOT {needed}
ORDER BY r.id FOR UPDATE OF r SKIP LOCKED
"""
# Whoever writes an archive of the run now finds at the end that its row is not his any more.
_DOOM = """
INSERT INTO runs_archive (id, run_id, team_id, agent_id, key, file_bytes, n_rows, row_bytes, head_seq, head_hash, by,
    doomed_at, keeps_file)
SELECT n.id, r.id, r.team_id, r.agent_id, '', 0, 0, 0, r.head_seq, r.head_hash, %(by)s, clock_timestamp(), %(keeps_file)s
FROM runs_run r JOIN unnest(%(ids)s::uuid[], %(run_ids)s::uuid[]) AS n(id, run_id) ON n.run_id = r.id
ON CONFLICT (run_id) WHERE restored_at IS NULL DO UPDATE SET doomed_at = clock_timestamp(), by = excluded.by,
    keeps_file = excluded.keeps_file AND runs_archive.stored_at IS NOT NULL
WHERE runs_archive.doomed_at IS NULL AND (runs_archive.stored_at IS NOT NULL
    OR runs_archive.begun_at < clock_timestamp() - interval '5 minutes')
RETURNING run_id
"""
_AWAY = (
    "UPDATE runs_run SET archived_at = coalesce(archived_at, clock_timestamp()), epoch = epoch + 1"
    " WHERE id = ANY(%(run_ids)s::uuid[]) RETURNING id"
)
_FILE_GONE = "UPDATE runs_archive SET file_deleted_at = clock_timestamp() WHERE id = %(id)s AND file_deleted_at IS NULL RETURNING id"
_GONE = (
    "UPDATE runs_archive SET deleted_at = clock_timestamp()"
    " WHERE id = ANY(%(ids)s::uuid[]) AND doomed_at IS NOT NULL AND deleted_at IS NULL RETURNING id, run_id, team_id"
)


def delete_runs(*, run_ids: Sequence[UUID], by: str, keeps_files: bool = False) -> list[Archive]:
    """Return what is left of the runs that were deleted: a row each that says so. Needed ones and open ones stay.

    Their children and forks stay as they are, and forget where they came from.

    Locks: the run rows; no longer than 100 ms for those of children and forks. Transaction: short ones, one after the other.
    """
    doomed = doom_runs(run_ids=run_ids, by=by, keeps_files=keeps_files)
    return end_runs(doomed)


def doom_runs(*, run_ids: Sequence[UUID], by: str, keeps_files: bool = False) -> list[Archive]:
    """Return the rows of those that will be deleted now, whoever goes on with it; nobody can begin with them any more."""
    with transaction():
        locked = [row[0] for row in query(_LOCK.format(needed=is_needed()), {"run_ids": list(run_ids)})]
        params = {
            "ids": [new_id() for _ in locked],
            "run_ids": locked,
            "by": by[:200],
            "keeps_file": keeps_files,
        }
        doomed = [row[0] for row in query(_DOOM, params)]
        query(_AWAY, {"run_ids": doomed})
    return list(Archive.objects.filter(run_id__in=doomed, restored_at=None))


def end_runs(doomed: Sequence[Archive]) -> list[Archive]:
    """Return the rows of doomed runs after the runs have gone; goes on where somebody broke off."""
    stripped = strip_runs(doomed) if doomed else []
    for archive in stripped:
        if archive.key and not archive.keeps_file:
            place_in_force().delete(archive.key)
            execute(_FILE_GONE, {"id": archive.pk})
    with transaction():
        execute(LOCK_WAIT, {})
        gone = query(_GONE, {"ids": [archive.pk for archive in stripped]})
        Run.objects.filter(pk__in=[row[1] for row in gone]).delete()
        by = {archive.pk: archive for archive in stripped}
        record_many_of_product(
            by=stripped[0].by if stripped else "",
            done=[
                (row[2], "run.delete", f"run:{row[1]}", {"row_bytes": by[row[0]].row_bytes, "keeps_file": by[row[0]].keeps_file})
                for row in gone
            ],
        )  # fmt: skip
    return list(Archive.objects.filter(pk__in=[row[0] for row in gone]))
