"""Bring an archived run back into the database."""

import tempfile
from pathlib import Path
from uuid import UUID

from agentops.accounts.roles import Actor, Scope
from agentops.audit.services.record import record
from agentops.common.errors import ConflictError
from agentops.common.transactions import transaction
from runs import broadcasts
from runs.archives.places import place_in_force
from runs.models import Run
from runs.selectors.archives import archive_for
from runs.services.import_run import import_run
from runs.services.strip_run import strip_run


def restore_run(*, actor: Actor, run_id: UUID) -> Run:
    """Return the run, whole again; its archive stays where it is until the run is archived anew or deleted.

    It can be one that was deleted, as long as its archive was kept.

    Raises: NotAllowedError; NotFoundError when there is no archive of it; ConflictError when it is whole, or is being
        deleted; BrokenArchiveError; OSError.
    Transaction: see import_run.
    """
    actor.require(Scope.ADMIN)
    archive = archive_for(actor, run_id)
    if not archive.key or archive.stored_at is None or archive.file_deleted_at is not None:
        raise ConflictError(f"run {run_id} has no archive that it could be restored from")
    if archive.stripped_at is None:
        strip_run(archive)
    with tempfile.TemporaryDirectory(prefix="agentops-restore-") as folder:
        path = Path(folder) / "archive"
        place_in_force().fetch(archive.key, path)
        run = import_run(path=path, by=actor.name, team_id=actor.team_id)
    with transaction():
        record(actor=actor, action="run.restore", subject=f"run:{run_id}", detail={})
    broadcasts.hint(actor.team_id, run_id)
    return run
