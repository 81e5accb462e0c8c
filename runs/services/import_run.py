"""Bring a run back from the file of its archive."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

from agentops.accounts.models import Team
from agentops.common.errors import BrokenArchiveError, ConflictError
from agentops.common.transactions import transaction
from runs.archives import files
from runs.archives.tables import insert_rows
from runs.checkpoints.verify import verify_run
from runs.journal.fence import execute
from runs.models import AgentVersion, Archive, Run

BATCH_ROWS, BATCH_BYTES = 500, 4 << 20
KEPT_DAYS = 7

# What it refers to may be gone; the constraints are checked at the end of the transaction.
_LOOSE = """
UPDATE runs_run r SET parent_id = (SELECT p.id FROM runs_run p WHERE p.id = r.parent_id),
    forked_from_id = (SELECT p.id FROM runs_run p WHERE p.id = r.forked_from_id)
WHERE r.id = %(run_id)s RETURNING r.id
"""
_BACK = "UPDATE runs_run SET archived_at = NULL, epoch = epoch + 1 WHERE id = %(run_id)s RETURNING id"
_TOLD = "UPDATE runs_archive SET restored_at = clock_timestamp() WHERE run_id = %(run_id)s AND restored_at IS NULL RETURNING id"
_HOLD = """
INSERT INTO runs_runhold (run_id, kind, team_id, reason, by, at, until_at)
VALUES (%(run_id)s, 'restored', %(team_id)s, 'brought back from its archive', %(by)s, clock_timestamp(),
    clock_timestamp() + %(days)s * interval '1 day')
ON CONFLICT (run_id, kind) DO UPDATE SET by = excluded.by, at = excluded.at, until_at = excluded.until_at RETURNING run_id
"""


def import_run(*, path: Path, by: str, team_id: UUID | None = None) -> Run:
    """Return the run of an archive's file, whole in the database again, its chain checked; policies spare it for KEPT_DAYS.

    It may be listed as archived, or be gone altogether. Agent and version come along where they are missing.

    Args:
        path: the file.
        by: who wants it.
        team_id: refuse the run of any other team.

    Raises: BrokenArchiveError when the file is not whole, was not written here, or does not fit the run; ConflictError when
        the run is whole already, is still being taken away, or its team or agent is not there.
    Locks: the run's and the archive's rows. Transaction: opens one; all or nothing.
    """
    header = files.header_of(path)
    run_id, of_team = UUID(str(header["run_id"])), UUID(str(header["team"]))
    if team_id not in (None, of_team) or not Team.objects.filter(pk=of_team).exists():
        raise ConflictError(f"the archive holds a run of another team ({of_team}), which is not here")
    with transaction():
        _check(run_id, header)
        try:
            for name, rows in _batches(path):
                insert_rows(name, rows)
        except ValueError as error:
            raise BrokenArchiveError(str(error)) from error
        run = _settled(run_id, by)
        verdict = verify_run(run)
        if not verdict.is_clean:
            raise BrokenArchiveError(f"the rows of the archive fail their check: {verdict.failures[0]}")
    return run


def _check(run_id: UUID, header: dict[str, Any]) -> None:
    archive = Archive.objects.select_for_update().filter(run_id=run_id, restored_at=None).first()
    run = Run.objects.select_for_update().filter(pk=run_id).first()
    if run is not None and run.archived_at is None:
        raise ConflictError(f"run {run_id} is whole in the database; there is nothing to restore")
    if run is not None and (archive is None or archive.stripped_at is None or archive.doomed_at is not None):
        raise ConflictError(f"the rows of run {run_id} are still being taken away; try again in a moment")
    if run is not None and bytes(run.head_hash).hex() != header["head_hash"]:
        raise BrokenArchiveError(
            f"the archive is not the newest one of run {run_id}: its last checkpoint differs"
        )


def _batches(path: Path) -> Iterator[tuple[str, list[bytes]]]:
    name, rows, n_bytes = "", list[bytes](), 0
    for table, row in files.rows_in(path):
        if rows and (table != name or len(rows) == BATCH_ROWS or n_bytes + len(row) > BATCH_BYTES):
            yield name, rows
            rows, n_bytes = [], 0
        name = table
        rows.append(row)
        n_bytes += len(row)
    if rows:
        yield name, rows


def _settled(run_id: UUID, by: str) -> Run:
    run = Run.objects.filter(pk=run_id).first()
    if run is None or not AgentVersion.objects.filter(pk=run.agent_version_id).exists():
        raise ConflictError(f"run {run_id} cannot be restored: another run or agent has taken its names")
    execute(_LOOSE, {"run_id": run_id})
    execute(_BACK, {"run_id": run_id})
    execute(_TOLD, {"run_id": run_id})
    execute(_HOLD, {"run_id": run_id, "team_id": run.team_id, "by": by[:200], "days": float(KEPT_DAYS)})
    return Run.objects.get(pk=run_id)
