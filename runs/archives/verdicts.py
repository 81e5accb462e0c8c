"""Checking the archive of a run: its code, its rows, and that it ends where the run's own row says."""

import tempfile
from pathlib import Path

from agentops.common.errors import BrokenArchiveError
from runs.archives import files
from runs.archives.places import place_in_force
from runs.checkpoints.verify import Verdict
from runs.models import Archive, Run


def archive_verdict(run: Run) -> Verdict:
    """Return what a check of an archived run finds: every byte of its file is under one code, made when its chain was clean."""
    n_rows, failures = 0, list[str]()
    archive = Archive.objects.filter(run_id=run.pk, restored_at=None).first()
    if archive is not None and archive.doomed_at is not None:
        return Verdict(run.pk, 0, [], 0)
    try:
        n_rows = _checked(run, archive)
    except (BrokenArchiveError, OSError) as error:
        failures.append(f"the archive of run {run.pk}: {error}")
    return Verdict(run.pk, n_rows, failures, 0)


def _checked(run: Run, archive: Archive | None) -> int:
    if archive is None:
        raise BrokenArchiveError("the database knows of none")
    with tempfile.TemporaryDirectory(prefix="agentops-verify-") as folder:
        path = Path(folder) / "archive"
        place_in_force().fetch(archive.key, path)
        if files.header_of(path)["head_hash"] != bytes(run.head_hash).hex():
            raise BrokenArchiveError("it ends at another checkpoint than the run")
        return sum(1 for _ in files.rows_in(path))
