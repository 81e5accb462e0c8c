"""Pause a source, let it go on, or change what it is told."""

from typing import Any

from django.db.models import F
from django.db.models.functions import Now

from agentops.accounts.roles import Actor, Scope
from agentops.audit.services.record import record
from agentops.common.errors import ConflictError
from agentops.common.transactions import transaction
from runs.engine.sources import SourceKind
from runs.models import Source
from runs.selectors.sources import source_for
from runs.services.source_settings import KEEPS_POSITION, checked_settings


def update_source(*, actor: Actor, slug: str, changes: dict[str, Any], version: int | None = None) -> Source:
    """Return the source with `paused`, `settings`, or both changed; settings that are left out stay as they are.

    A source that is looked at is looked at again at once. Told another place, it begins there as a new one does.

    Raises: NotAllowedError; NotFoundError; InvalidInputError with pointers; ConflictError when it has another version.
    Transaction: opens one, of one conditional statement, which also puts off whoever reads the source at that moment.
    """
    actor.require(Scope.ADMIN)
    source = source_for(actor, slug)
    if version is not None and source.version != version:
        raise changed(source)
    columns: dict[str, Any] = {}
    if "paused" in changes:
        columns["is_paused"] = changes["paused"]
    if "settings" in changes:
        columns |= _resettled(source, changes["settings"])
    if not SourceKind(source.kind).is_called:
        columns["look_at"] = Now()
    found = Source.objects.filter(pk=source.pk, version=source.version)
    with transaction():
        n_changed = found.update(**columns, version=F("version") + 1)
        if n_changed:
            told = sorted(set(changes) & {"paused", "settings"})
            record(actor=actor, action="source.update", subject=f"source:{slug}", detail={"changed": [*told]})
    current = source_for(actor, slug)
    if not n_changed:
        raise changed(current)
    return current


def changed(source: Source) -> ConflictError:
    """Return the error for a version that has passed."""
    return ConflictError(
        f"the source was changed meanwhile; it has version {source.version} now. "
        "Load it again and repeat what is still to be changed",
        version=source.version,
    )


def _resettled(source: Source, given: Any) -> dict[str, Any]:
    whole = source.settings | given if isinstance(given, dict) else given
    settings = checked_settings(SourceKind(source.kind), whole)
    moved = {name for name, value in settings.items() if value != source.settings.get(name)} - KEEPS_POSITION
    return {"settings": settings, **({"position": None} if moved else {})}
