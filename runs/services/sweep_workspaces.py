"""Take away the folders that dead slices left on this host."""

from pathlib import Path
from uuid import UUID

from runs.journal.fence import query
from runs.workspace import folders

_LIVE = "SELECT id, epoch FROM runs_run WHERE status = 'running' AND id = ANY(%(run_ids)s::uuid[])"
MANY = 500


def sweep_workspaces() -> int:
    """Return how many folders were taken away: of runs that nobody executes now under that epoch.

    Raises: psycopg.Error, django.db.Error while the database is away; nothing is taken away then.
    """
    found = list(folders.found())
    return sum(_sweep(found[start : start + MANY]) for start in range(0, len(found), MANY))


def _sweep(found: list[tuple[Path, UUID, int]]) -> int:
    rows = query(_LIVE, {"run_ids": list({run_id for _, run_id, _ in found})})
    live = {(row[0], row[1]) for row in rows}
    stale = [folder for folder, run_id, epoch in found if (run_id, epoch) not in live]
    for folder in stale:
        folders.remove(folder)
    return len(stale)
