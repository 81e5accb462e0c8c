"""Archive a run because somebody asked for it."""

from uuid import UUID

from agentops.accounts.roles import Actor, Scope
from agentops.audit.services.record import record
from agentops.common.transactions import transaction
from runs import broadcasts
from runs.models import Archive
from runs.selectors.runs import run_for
from runs.services.store_archive import store_archive
from runs.services.strip_run import strip_run


def archive_run(*, actor: Actor, run_id: UUID) -> Archive:
    """Return the archive of a run that has ended; from now on the run is read from there.

    Raises: NotAllowedError; NotFoundError; RunArchivedError; ConflictError when it goes on or something needs it;
        IntegrityError when its rows are not what was written; BrokenArchiveError, OSError when the file cannot be kept.
    Locks: the run row, then that of the archive. Transaction: several short ones; what breaks off is finished by the clock.
    """
    actor.require(Scope.ADMIN)
    run_for(actor, run_id)
    archive = store_archive(run_id=run_id, by=actor.name)
    with transaction():
        record(
            actor=actor,
            action="run.archive",
            subject=f"run:{run_id}",
            detail={"file_bytes": archive.file_bytes},
        )
    archive = strip_run(archive)
    broadcasts.hint(actor.team_id, run_id)
    return archive
