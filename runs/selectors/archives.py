"""Reading archives: what became of a run, and what stands in its file."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from django.db.models import QuerySet
from django.db.models.functions import Now

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import NotFoundError
from runs.archives import files
from runs.archives.places import place_in_force
from runs.models import Archive


def archives_of(actor: Actor) -> QuerySet[Archive]:
    """Return the archives of the team's runs, bearing `now_at`. Raises: NotAllowedError."""
    actor.require(Scope.READ)
    return Archive.objects.filter(team_id=actor.team_id).annotate(now_at=Now())


def archive_for(actor: Actor, run_id: UUID) -> Archive:
    """Return the archive of a run that is archived now, or was deleted.

    Raises: NotFoundError
    """
    found = archives_of(actor).filter(run_id=run_id, restored_at=None).first()
    if found is None:
        raise NotFoundError(f"there is no archive of run {run_id}", run_id=str(run_id))
    return found


@contextmanager
def file_for(actor: Actor, run_id: UUID) -> Iterator[Path]:
    """Give a copy of the file of an archived run, its code checked, for as long as the block is in.

    Raises: NotFoundError; BrokenArchiveError; OSError.
    """
    archive = archive_for(actor, run_id)
    if archive.stored_at is None or archive.file_deleted_at is not None:
        raise NotFoundError(f"there is no file of run {run_id}", run_id=str(run_id))
    with tempfile.TemporaryDirectory(prefix="agentops-archived-") as folder:
        path = Path(folder) / "archive"
        place_in_force().fetch(archive.key, path)
        files.header_of(path)
        yield path
