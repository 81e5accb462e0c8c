"""Write a run to a file, wherever its rows are."""

from pathlib import Path
from uuid import UUID

from agentops.common.errors import ConflictError
from runs.archives import files
from runs.archives.places import place_in_force
from runs.models import Archive, Run
from runs.services.store_archive import write_archive


def export_run(*, run_id: UUID, path: Path) -> files.Written:
    """Write the run's file to `path`, which must not be there yet; an archived run's is a copy of its archive.

    Raises: Run.DoesNotExist; ConflictError for an open run; BrokenArchiveError; OSError.
    """
    run = Run.objects.select_related("agent", "agent_version", "team").get(pk=run_id)
    if run.ended_at is None:
        raise ConflictError(f"run {run_id} is {run.status}; only runs that have ended can be exported")
    if run.archived_at is None:
        return write_archive(run, path)
    archive = Archive.objects.get(run_id=run_id, restored_at=None)
    place_in_force().fetch(archive.key, path)
    files.header_of(path)
    n_rows = sum(1 for _ in files.rows_in(path))
    return files.Written(path.stat().st_size, files.sha256_of(path), n_rows)
