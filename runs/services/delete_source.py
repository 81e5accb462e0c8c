"""Delete a source."""

from agentops.accounts.roles import Actor, Scope
from agentops.audit.services.record import record
from agentops.common.transactions import transaction
from runs.models import Source
from runs.selectors.sources import source_for
from runs.services.update_source import changed


def delete_source(*, actor: Actor, slug: str, version: int | None = None) -> None:
    """Delete the source with its secret; the events that it has told of stay.

    Raises: NotAllowedError; NotFoundError; ConflictError when it has another version than the actor saw.
    Transaction: opens one.
    """
    actor.require(Scope.ADMIN)
    source = source_for(actor, slug)
    found = Source.objects.filter(pk=source.pk)
    with transaction():
        if not found.filter(version=source.version if version is None else version).delete()[0]:
            raise changed(source_for(actor, slug))
        record(actor=actor, action="source.delete", subject=f"source:{slug}")
