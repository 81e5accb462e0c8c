"""Write the archive of a run that has ended, read it back, and let it be read from there from then on."""

import logging
import tempfile
from pathlib import Path
from typing import Any
from uuid import UUID

from agentops.common.errors import BrokenArchiveError, ConflictError
from agentops.common.ids import new_id, new_token
from agentops.common.transactions import transaction
from agentops.common.types import JsonObject
from runs.archives import files
from runs.archives.needs import is_needed, why_needed
from runs.archives.places import Place, place_in_force
from runs.archives.tables import MOVED, fingerprint, rows_of, table
from runs.checkpoints.chain import IntegrityError
from runs.checkpoints.verify import verify_run
from runs.journal.fence import execute
from runs.models import Archive, Run
from runs.services.flag_integrity import flag_integrity

logger = logging.getLogger(__name__)

LEASE_SECONDS = 300
HOW = "one zstd frame of JSON lines follows, then 32 bytes of HMAC-SHA256; restore it with: manage.py import_run FILE"

# By one archiver at a time; who died at it leaves the row, and its file is found by it.
_BEGIN = """
INSERT INTO runs_archive (id, run_id, team_id, agent_id, key, file_bytes, n_rows, row_bytes, head_seq, head_hash, by)
SELECT %(id)s, r.id, r.team_id, r.agent_id, %(key)s, 0, 0, 0, r.head_seq, r.head_hash, %(by)s
FROM runs_run r WHERE r.id = %(run_id)s AND r.ended_at IS NOT NULL AND r.archived_at IS NULL
ON CONFLICT (run_id) WHERE restored_at IS NULL DO UPDATE SET key = excluded.key, by = excluded.by,
    head_seq = excluded.head_seq, head_hash = excluded.head_hash, begun_at = clock_timestamp()
WHERE runs_archive.stored_at IS NULL AND runs_archive.doomed_at IS NULL
    AND runs_archive.begun_at < clock_timestamp() - %(lease_seconds)s * interval '1 second'
RETURNING id
"""
_LOCK = f"""
SELECT r.id FROM runs_run r WHERE r.id = %(run_id)s AND r.epoch = %(epoch)s AND r.ended_at = %(ended_at)s::timestamptz
    AND r.archived_at IS NULL AND NOT {{needed}} FOR UPDATE OF r
"""  # noqa: F541 -- the needs are put in when all plug-ins are there
_SET_RUN = "UPDATE runs_run SET archived_at = clock_timestamp(), epoch = epoch + 1 WHERE id = %(run_id)s RETURNING id"
_SET_ARCHIVE = """
UPDATE runs_archive SET stored_at = clock_timestamp(), file_bytes = %(file_bytes)s, sha256 = %(sha256)s
WHERE id = %(id)s AND key = %(key)s AND stored_at IS NULL AND restored_at IS NULL RETURNING id
"""
_DROP = "DELETE FROM runs_archive WHERE id = %(id)s AND key = %(key)s AND stored_at IS NULL AND doomed_at IS NULL RETURNING id"


def store_archive(*, run_id: UUID, by: str) -> Archive:
    """Return the archive of the run, stored and read back; the run's rows may leave the database now (strip_run).

    The file is written from one instant's rows, whose chain was checked; a run that changed meanwhile stays as it is.

    Raises: ConflictError when the run goes on, is needed, has changed, or somebody else is at it; IntegrityError when its
        rows are not what was written: it is flagged; BrokenArchiveError, OSError when the file cannot be kept.
    Locks: the run row, for the last step. Transaction: opens a reading one, and a short one.
    """
    run = Run.objects.select_related("agent", "agent_version", "team").get(pk=run_id)
    _check(run)
    archive = _begin(run, by)
    place = place_in_force()
    try:
        seen = fingerprint(run.pk)
        _check_chain(run)
        _mark(archive, run, _kept(place, archive, run), seen)
    except Exception:
        forget_archive(archive)
        raise
    archive.refresh_from_db()
    return archive


def forget_archive(archive: Archive) -> None:
    """Take away the file of an archive that was never marked, and then its row; while the place does not answer both stay."""
    try:
        place_in_force().delete(archive.key)
    except OSError as error:
        logger.warning("the file %s of a broken archive stays for now: %s", archive.key, error)
        return
    execute(_DROP, {"id": archive.pk, "key": archive.key})


def write_archive(run: Run, path: Path) -> files.Written:
    """Write the file of a run as it is now. Transaction: opens a reading one. Raises: OSError."""
    with transaction():
        return files.write(path, header(run), rows_of(run.pk))


def header(run: Run) -> JsonObject:
    """Return what the file says of itself to whoever opens it."""
    told: dict[str, Any] = {
        "format": "agentops-run", "version": 1, "how": HOW, "run_id": str(run.pk), "team": str(run.team_id),
        "agent": run.agent.slug, "agent_version": run.agent_version.number, "program": run.agent_version.program,
        "title": run.title, "status": run.status, "steps": run.n_steps, "head_seq": run.head_seq,
        "head_hash": bytes(run.head_hash).hex(), "tables": [table(model) for model in MOVED],
        "created_at": run.created_at.isoformat(), "ended_at": run.ended_at.isoformat() if run.ended_at else None,
    }  # fmt: skip
    return told


def _check(run: Run) -> None:
    if run.ended_at is None:
        raise ConflictError(f"run {run.pk} is {run.status}; only runs that have ended can be archived")
    if run.archived_at is not None:
        raise ConflictError(f"run {run.pk} is archived already")
    if words := why_needed(run.pk):
        raise ConflictError(f"run {run.pk} stays as it is: {words}")


def _begin(run: Run, by: str) -> Archive:
    before = Archive.objects.filter(run_id=run.pk, restored_at=None).values_list("key", flat=True).first()
    key = f"{run.team_id}/{run.created_at:%Y/%m}/{run.pk}.{new_token().hex[:12]}{files.SUFFIX}"
    params = {"id": new_id(), "run_id": run.pk, "key": key, "by": by[:200], "lease_seconds": LEASE_SECONDS}
    found = execute(_BEGIN, params)
    if found is None:
        raise ConflictError(f"run {run.pk} is being archived or has just changed; look again in a moment")
    if before:
        place_in_force().delete(before)
    return Archive.objects.get(pk=found[0])


def _check_chain(run: Run) -> None:
    verdict = verify_run(run)
    if not verdict.is_clean:
        flag_integrity(run_id=run.pk, text=verdict.failures[0], last_good_seq=verdict.last_good_seq)
        raise IntegrityError(run.pk, run.head_seq, "what would be archived", verdict.last_good_seq)


def _kept(place: Place, archive: Archive, run: Run) -> files.Written:
    """Write the file, put it in its place, and read it back from there."""
    with tempfile.TemporaryDirectory(prefix="agentops-archive-") as folder:
        written = write_archive(run, Path(folder) / "written")
        place.put(archive.key, Path(folder) / "written")
        copy = Path(folder) / "read-back"
        place.fetch(archive.key, copy)
        files.header_of(copy)
        n_rows = sum(1 for _ in files.rows_in(copy))
        if files.sha256_of(copy) != written.sha256 or n_rows != written.n_rows:
            raise BrokenArchiveError(f"the archive of run {run.pk} was not kept as it was written")
    return written


def _mark(archive: Archive, run: Run, written: files.Written, seen: list[tuple[Any, ...]]) -> None:
    assert run.ended_at
    params: dict[str, Any] = {"run_id": run.pk, "epoch": run.epoch, "ended_at": run.ended_at.isoformat()}
    stored = {
        "id": archive.pk,
        "key": archive.key,
        "file_bytes": written.file_bytes,
        "sha256": written.sha256,
    }
    with transaction():
        is_same = execute(_LOCK.format(needed=is_needed()), params) and fingerprint(run.pk) == seen
        if not is_same or execute(_SET_ARCHIVE, stored) is None:
            raise ConflictError(f"run {run.pk} has changed, or is needed, since its archive was begun")
        execute(_SET_RUN, {"run_id": run.pk})
